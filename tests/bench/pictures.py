# SPDX-License-Identifier: GPL-2.0
"""Which pictures each part has."""

import outages
import plots


def draw(part, entry, folder):
    """Draws a part's pictures into a folder; their names."""
    name = f"{part}.svg"
    path = folder / name
    match part:
        case "downtime":
            moves = entry["timeline"]
            plots.timeline(path, moves, {side: outages.intervals(move) for side, move in moves.items()})
        case "phases":
            plots.stacked(path, entry["bars"], entry["unit"])
        case "log_report":
            plots.lines(path, entry["curves"], entry["x"], entry["y"], log=True)
            ranges = folder / f"{part}_ranges.svg"
            plots.lines(ranges, entry["ranges"], entry["ranges_x"], entry["y"], log=True)
            return [name, ranges.name]
        case "concurrency":
            plots.lines(path, entry["curves"], entry["x"], entry["y"])
        case "pf" | "tracking":
            rows = [(f"{one['what']}, {one['unit']}: {one['ours']['name']} / {one['other']['name']}", one["ours"],
                     one["other"], one["goal"]) for one in (entry, *entry["also"]) if "what" in one and one["ratio"]]
            plots.ratios(path, rows, "ratio: dot of the medians, line of the rounds, red mark the goal")
        case _:
            # One axis has one unit.
            also = {other["what"]: (other["ours"], other["other"]) for other in entry.get("also", ())
                    if other["unit"] == entry["unit"]}
            plots.sides(path, {part: (entry["ours"], entry["other"])} | also, entry["unit"])
    return [name]
