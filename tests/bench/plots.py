# SPDX-License-Identifier: GPL-2.0
"""The bench's pictures, as SVG."""

import matplotlib

matplotlib.use("svg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.ticker import LogLocator, NullLocator  # noqa: E402

# Text stays text: small files, which browsers show with their own fonts. The salt keeps
# names in the file the same from run to run.
plt.rcParams.update({"svg.fonttype": "none", "svg.hashsalt": "bench", "font.size": 9, "axes.spines.top": False,
                     "axes.spines.right": False, "figure.constrained_layout.use": True})
OURS, OTHER, DOWN = "#1565c0", "#ef6c00", "#c62828"
COLOURS = (OURS, OTHER, "#2e7d32", "#6a1b9a", "#00838f", "#ad1457", "#9e9d24", "#4e342e", "#546e7a", "#f9a825")
PIECES = plt.get_cmap("tab20").colors
BEFORE_SECONDS, AFTER_SECONDS, BIN_SECONDS = 2, 2, 0.25


def _save(figure, path):
    figure.savefig(path, metadata={"Date": None, "Creator": None})
    plt.close(figure)


def _answers(move):
    """(times, answers per second) in bins: a curve that is short however many probes there were."""
    begin, end = -BEFORE_SECONDS, move["back"] + AFTER_SECONDS
    counts = [0] * (int((end - begin) / BIN_SECONDS) + 1)
    for when in move["answers"]:
        if begin <= when <= end:
            counts[int((when - begin) / BIN_SECONDS)] += 1
    return [begin + n * BIN_SECONDS for n in range(len(counts))], [count / BIN_SECONDS for count in counts]


def timeline(path, moves, spans):
    """Answers to probes, throughput and downtimes of a move of each side, on one axis of
    time. `moves`: name → move; `spans`: name → (down?, begin, end) of it."""
    figure, (probes, flow, down) = plt.subplots(3, 1, sharex=True, figsize=(9, 5.5), height_ratios=(3, 3, 1.2))
    for row, (colour, (name, move)) in enumerate(zip((OURS, OTHER), moves.items())):
        probes.step(*_answers(move), where="post", color=colour, lw=1, label=name)
        inside = [(begin, end, count) for begin, end, count in move["flow"]
                  if begin > -BEFORE_SECONDS and end < move["back"] + AFTER_SECONDS and end > begin]
        flow.step([begin for begin, _, _ in inside], [8 * count / (end - begin) / 1e6 for begin, end, count in inside],
                  where="post", color=colour, lw=1)
        bars = [(begin, end - begin) for is_down, begin, end in spans[name] if is_down]
        down.broken_barh(bars, (row - 0.35, 0.7), color=DOWN)
        for begin, width in bars:
            if width > 0.2:
                down.text(begin + width / 2, row + 0.4, f"{1e3 * width:.0f}", ha="center", fontsize=7)
        for axis in (probes, flow):
            axis.axvline(move["back"], color=colour, lw=0.5, ls=":")
    probes.set_ylabel("answers / s")
    flow.set_ylabel("TCP, Mbit/s")
    down.set_yticks(range(len(moves)), list(moves))
    down.set_ylim(-0.5, len(moves) - 0.2)
    down.set_ylabel("down, ms")
    down.set_xlabel("seconds since the migration began (dotted: the guest is whole on the other host)")
    probes.legend(loc="lower right", frameon=False)
    _save(figure, path)


def stacked(path, bars, unit):
    """Horizontal bars, each of named pieces in order. `bars`: name → {piece: value}."""
    figure, axis = plt.subplots(figsize=(9, 0.9 + 0.6 * len(bars)))
    pieces = list(dict.fromkeys(piece for values in bars.values() for piece in values))
    for row, values in enumerate(bars.values()):
        left = 0
        for piece, value in values.items():
            colour = PIECES[pieces.index(piece) % len(PIECES)]
            axis.barh(row, value, left=left, color=colour, label=None if row else piece, height=0.6)
            left += value
    for piece in pieces:
        if piece not in next(iter(bars.values())):
            axis.barh(0, 0, color=PIECES[pieces.index(piece) % len(PIECES)], label=piece)
    axis.set_yticks(range(len(bars)), list(bars))
    axis.invert_yaxis()
    axis.set_xlabel(unit)
    axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), frameon=False, fontsize=7)
    _save(figure, path)


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


def ratios(path, rows, xlabel):
    """Ratios of two sides, of whatever units: that of the medians as a dot, and from the least to the
    largest of a round. `rows`: (name, ours, other, goal or None)."""
    figure, axis = plt.subplots(figsize=(9, 0.9 + 0.25 * len(rows)))
    for row, (_, ours, other, goal) in enumerate(rows):
        rounds = [mine / its for mine, its in zip(ours["samples"], other["samples"]) if its]
        axis.plot([min(rounds), max(rounds)], [row, row], color=OURS, lw=1)
        axis.plot(ours["median"] / other["median"], row, "o", color=OURS, ms=5)
        if goal is not None:
            axis.plot(goal, row, "|", color=DOWN, ms=10, mew=1.5)
    axis.axvline(1, color="grey", lw=0.5, ls=":")
    axis.set_xscale("log")
    axis.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter("{x:g}")
    axis.set_yticks(range(len(rows)), [name for name, *_ in rows], fontsize=7)
    axis.invert_yaxis()
    axis.set_xlabel(xlabel)
    _save(figure, path)


def lines(path, curves, xlabel, ylabel, log=False):
    """`curves`: name → [(x, y)]."""
    figure, axis = plt.subplots(figsize=(6, 3.2))
    for colour, (name, points) in zip(COLOURS, curves.items()):
        axis.plot([x for x, _ in points], [y for _, y in points], "o-", color=colour, ms=3, lw=1, label=name)
    if log:
        axis.set_xscale("log")
        axis.set_yscale("log")
    else:
        axis.set_ylim(bottom=0)
    axis.set_xlabel(xlabel)
    axis.set_ylabel(ylabel)
    axis.legend(frameon=False)
    _save(figure, path)
