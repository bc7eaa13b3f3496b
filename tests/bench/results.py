# SPDX-License-Identifier: GPL-2.0
"""What a part of the bench tells: samples of two sides, their ratio, and the goal."""

import statistics

PARTS = ("downtime", "phases", "tracking", "trapped_write", "log_report", "harvest", "pf", "concurrency")
AT_MOST, AT_LEAST = "at most", "at least"
# Fields with curves by their name.
CURVES = ("curves", "ranges")


def side(name, samples, **more):
    """One side's samples, a number for each round."""
    samples = [float(sample) for sample in samples]
    if not samples:
        raise ValueError(f"{name}: no samples")
    return {"name": name, "samples": samples, "min": min(samples), "median": statistics.median(samples),
            "max": max(samples)} | more


def ratio(ours, other):
    """Median of ours by median of the other side's; None without one."""
    if other is None or not other["median"]:
        return None
    return ours["median"] / other["median"]


def reaches(value, goal, sense):
    """Whether a ratio is as it should be; None if there is no goal or no ratio."""
    if goal is None or value is None:
        return None
    return value <= goal if sense == AT_MOST else value >= goal


def part(unit, ours, other=None, goal=None, sense=AT_MOST, **more):
    """A part that ran. `goal` is for the ratio."""
    value = ratio(ours, other)
    return {"ran": True, "reason": None, "unit": unit, "rounds": len(ours["samples"]), "ours": ours, "other": other,
            "ratio": value, "goal": goal, "goal_is": sense if goal is not None else None,
            "goal_met": reaches(value, goal, sense)} | more


def joined(entries):
    """A part that has run in several rigs: as in the first, with what the others tell beside it;
    or why one of them told nothing."""
    silent = [entry for entry in entries if not entry["ran"]]
    if silent:
        return silent[0]
    first, *others = entries
    also = list(first.get("also", ()))
    for entry in others:
        also += [{key: value for key, value in entry.items() if key != "also"}, *entry.get("also", ())]
    curves = {key: {name: points for entry in entries for name, points in entry[key].items()}
              for key in CURVES if key in first}
    return first | curves | ({"also": also} if also else {})


def not_run(reason):
    """A part that came to nothing: its goal is not met."""
    # One line: it goes into a table.
    return {"ran": False, "reason": " ".join(reason.split()), "unit": None, "rounds": 0, "ours": None, "other": None, "ratio": None,
            "goal": None, "goal_is": None, "goal_met": False}


def _number(value):
    if value is None:
        return "-"
    return f"{value:.3g}" if abs(value) < 100 else f"{value:.0f}"


def _row(name, entry):
    cells = [name, entry["unit"]]
    for key in ("ours", "other"):
        found = entry[key]
        cells.append("-" if found is None else
                     f"{found['name']}: {_number(found['median'])} ({_number(found['min'])} to {_number(found['max'])})")
    goal = entry["goal"] if isinstance(entry["goal"], str) else \
        "-" if entry["goal"] is None else f"{entry['goal_is']} {entry['goal']:g}"
    return [*cells, str(entry["rounds"]), _number(entry["ratio"]), goal,
            {True: "met", False: "NOT MET", None: "-"}[entry["goal_met"]]]


HEAD = ["part", "unit", "ours: median (min to max)", "other: median (min to max)", "rounds", "ratio", "goal", ""]


def rows(report):
    """Lines of the table, the head first, each a list of cells."""
    lines = [HEAD]
    for name in PARTS:
        entry = report.get(name)
        if entry is None:
            continue
        if not entry["ran"]:
            lines.append([name, f"did not run: {entry['reason']}", "", "", "0", "-", "-", "NOT MET"])
            continue
        lines.append(_row(name, entry))
        lines += [_row(f"  {also['what']}", also) for also in entry.get("also", ())]
    return lines


def table(report):
    """The table for a terminal."""
    lines = rows(report)
    # What did not run tells why, however long that is.
    widths = [max(len(line[n]) for line in lines if n != 1 or not line[1].startswith("did not run"))
              for n in range(len(HEAD))]
    return "\n".join("  ".join(cell.ljust(width) for cell, width in zip(line, widths)).rstrip() for line in lines)


def rst(report):
    """The same for Documentation/: machine, table, pictures."""
    machine = report["machine"]
    lines = [".. SPDX-License-Identifier: GPL-2.0", ".. Written by scripts/bench --publish.", "",
             f"{machine['cpus']} processors ({machine['cpu']}), {machine['memory_mib']} MiB; the rig on {machine['rig']}; "
             f"kernel {machine['kernel']}; {machine['vmm']}.", "",
             ".. list-table::", "   :header-rows: 1", ""]
    for line in rows(report):
        cells = [cell.strip() for cell in line]
        lines += [f"   {'*' if n == 0 else ' '} - {cell}".rstrip() for n, cell in enumerate(cells)]
    for name in PARTS:
        lines += [f"\n.. figure:: performance/{picture}\n\n   [{name}]"
                  for picture in report.get(name, {}).get("pictures", ())]
    return "\n".join(lines) + "\n"
