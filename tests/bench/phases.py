# SPDX-License-Identifier: GPL-2.0
"""Where the downtimes go: each is cut at what happened in it, as the kernel's trace, the
VMM's events and the operator's script tell."""

import re
import statistics

import outages
import results
from kernel_trace import STEP

NICS = 3
# Pieces that are the modules' doing; all others are the VMM's, the guest's or the kernel's.
OURS = ("quiesce", "final sync", "save", "load", "resume", "announce")
# States that the thread ends which reads the device's data later.
BEFORE = ("PRE_COPY", "PRE_COPY_P2P")
# The file of a read.
READ = re.compile(r"fd: (\w+),")
# Of a request to a container that is worth a piece of its own.
LONG_SECONDS = 0.05
# What ends a piece for bonding failover: an event of the VMM's.
EVENTS = {
    ("source", "MIGRATION", "wait-unplug"): "button pressed",
    ("source", "MIGRATION", "active"): "VF unplugged",
    ("source", "STOP", None): "pre-copy",
    ("source", "MIGRATION", "completed"): "last memory",
    ("target", "RESUME", None): "QEMU: load and start",
}


def states(trace):
    """[(time, begin of the request, task, from, to)] of the steps in a trace."""
    requests, found = {}, []
    for when, task, name, details in trace:
        if name == "ioctl":
            requests[task] = when
        elif name == "state":
            step = STEP.match(details)
            if step and step.group(4) == "0":
                found.append((when, requests.get(task, when), task, *step.groups()[1:3]))
                # A request may make several steps: the next begins where this ended.
                requests[task] = when
    return found


def mediated_marks(trace):
    """[(time, what ended then)] of a migration with its VF."""
    marks, steps = [], states(trace)
    stopped = saved = loaded = None
    movers = {task for _, _, task, source, _ in steps if source in BEFORE}
    for when, began, _, source, to in steps:
        match source, to:
            case "PRE_COPY", "PRE_COPY_P2P":
                marks += [(began, "QEMU: stop"), (when, "quiesce")]
            case "PRE_COPY_P2P", "STOP_COPY":
                marks += [(began, "QEMU: processors stop"), (when, "final sync")]
                stopped = when
            case "STOP_COPY", "STOP":
                saved = began
            case "RESUMING", "STOP":
                marks += [(began, "transfer"), (when, "load")]
                loaded = when
            case "RUNNING_P2P", "RUNNING" if loaded is not None:
                said = [at for at, _, name, _ in trace if name == "announce" and loaded < at <= when]
                marks += [(began, "QEMU: start")] + [(at, "resume") for at in said[:1]]
                marks.append((when, "announce" if said else "resume"))
    if stopped is not None:
        end = saved if saved is not None else float("inf")
        # The last one finds the end of the file.
        reads = [(at, READ.match(details).group(1)) for at, task, name, details in trace
                 if name == "sys_read" and task in movers and stopped < at <= end]
        # The thread reads other files before the device's.
        own = [at for at, file in reads if file == reads[-1][1]]
        if own:
            marks += [(own[0], "QEMU: last memory"), (own[-1], "save")]
    return sorted(marks)


def pins(trace):
    """[(time, what ended then)] of long requests to containers: all memory of a guest is
    pinned when it gets a VF, and let go when it has given it back."""
    marks, began = [], {}
    for when, task, name, _ in trace:
        if name == "container":
            began[task] = when
        elif name == "container_done" and when - began.get(task, when) > LONG_SECONDS:
            marks += [(began[task], "QEMU"), (when, "memory pinned or let go")]
    return marks


def failover_marks(move):
    """The same of one without: what the VMM has told, when the script was run, and what the
    kernel did for long."""
    marks = [*map(tuple, move["marks"]), *pins(move["trace"])]
    for when, side, event, data in move["events"]:
        name = EVENTS.get((side, event, data.get("status")))
        if name:
            marks.append((when, name))
    return sorted(marks)


def cut(marks, begin, end):
    """{piece: ms} of a downtime, in order; pieces that come again are added up."""
    pieces, at = {}, begin
    for when, name in marks:
        if begin < when < end:
            pieces[name] = pieces.get(name, 0) + 1e3 * (when - at)
            at = when
    pieces["first packet"] = pieces.get("first packet", 0) + 1e3 * (end - at)
    return pieces


def longest(move):
    """(begin, end) of a move's longest downtime."""
    return max(((begin, end) for down, begin, end in outages.intervals(move) if down), key=lambda span: span[1] - span[0])


def medians(those):
    """Piece by piece of several downtimes, a piece that one lacks being 0 there."""
    names = list(dict.fromkeys(name for pieces in those for name in pieces))
    return {name: statistics.median(pieces.get(name, 0) for pieces in those) for name in names}


def failover_bars(moves):
    """{downtime: pieces}: before the VMM's stop, around it, and after it."""
    bars = {"failover: VF leaves": [], "failover: guest moves": [], "failover: VF returns": []}
    for move in moves:
        marks = failover_marks(move)
        stop = next(when for when, name in marks if name == "pre-copy")
        spans = [(begin, end) for down, begin, end in outages.intervals(move) if down]
        rows = ([span for span in spans if span[1] <= stop], [span for span in spans if span[0] < stop < span[1]],
                [span for span in spans if span[0] >= stop])
        for name, row in zip(bars, rows):
            pieces = {}
            for span in row:
                for piece, ms in cut(marks, *span).items():
                    pieces[piece] = pieces.get(piece, 0) + ms
            bars[name].append(pieces)
    return {name: medians(those) for name, those in bars.items()}


def run(rounds, say):
    """The moves of [downtime], if that has just run; else such moves."""
    # It wants to run in the rig, the functions above do not.
    import downtime
    moves, _ = downtime.measure(rounds, say)
    return result(moves)


def result(moves):
    """The part's report: ours against the rest of the longest downtime of mediation."""
    cuts = [cut(mediated_marks(move["trace"]), *longest(move)) for move in moves["mediated"]]
    ours = [sum(ms for name, ms in pieces.items() if name in OURS) for pieces in cuts]
    rest = [sum(pieces.values()) - own for pieces, own in zip(cuts, ours)]
    bars = {"mediated": medians(cuts)} | failover_bars(moves["failover"])
    return results.part("ms", results.side("the modules", ours), results.side("QEMU and the guest", rest), bars=bars)
