# SPDX-License-Identifier: GPL-2.0
"""The bench's pictures, as SVG."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402

# Text stays text: small files, which browsers show with their own fonts. The salt keeps
# names in the file the same from run to run.
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False,
                     "axes.spines.right": False, "figure.constrained_layout.use": True})
OURS, OTHER = "#1565c0", "#ef6c00"


def _save(figure, path):
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def sides(path, entries, unit):
    """Samples and medians of both sides. `entries`: name → (ours, other)."""
    figure, axis = plt.subplots(figsize=(1.5 + 1.5 * len(entries), 3))
    for place, pair in enumerate(entries.values()):
        for shift, colour, found in zip((-0.18, 0.18), (OURS, OTHER), pair):
            if found is not None:
                axis.bar(place + shift, found["median"], 0.32, color=colour, alpha=0.5)
                axis.plot([place + shift] * len(found["samples"]), found["samples"], ".", color=colour, ms=4)
                axis.text(place + shift, found["median"], found["name"], rotation=90, ha="center", va="top", fontsize=7)
    axis.set_xticks(range(len(entries)), list(entries))
    axis.set_ylabel(unit)
    _save(figure, path)
