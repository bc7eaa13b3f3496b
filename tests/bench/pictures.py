# SPDX-License-Identifier: GPL-2.0
"""Which pictures each part has."""

import plots


def draw(part, entry, folder):
    """Draws a part's pictures into a folder; their names."""
    name = f"{part}.svg"
    # One axis has one unit.
    also = {other["what"]: (other["ours"], other["other"]) for other in entry.get("also", ()) if other["unit"] == entry["unit"]}
    plots.sides(folder / name, {part: (entry["ours"], entry["other"])} | also, entry["unit"])
    return [name]
