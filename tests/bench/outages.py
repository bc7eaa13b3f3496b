# SPDX-License-Identifier: GPL-2.0
"""What one migration did to who talks to the guest: downtimes, the time between
them, and the throughput of each."""

# A gap between answers is a downtime if it is so many times the usual one.
DOWN_FACTOR = 10


def threshold(move):
    """Milliseconds that a downtime has at least. On a busy machine answers come in
    bunches: then the usual gap is shorter than the time between probes."""
    return DOWN_FACTOR * max(move["usual_gap_ms"], move["probes"]["interval_ms"])


def throughput(flow, begin, end):
    """Mbit/s of a flow's intervals (begin, end, bytes) within a time: of one that
    reaches beyond it its share."""
    total = 0
    for first, last, count in flow:
        shared = min(last, end) - max(first, begin)
        if shared > 0:
            total += count * shared / (last - first)
    return 8 * total / (end - begin) / 1e6 if end > begin else 0


def is_downtime(move, begin, ms):
    """Whether a gap is a downtime. Late answers are not enough: where all is emulated by few
    processors everybody waits for a turn; when the guest is not there, probes are lost."""
    end = begin + ms / 1e3
    return ms > threshold(move) and any(begin <= when <= end for when in move["lost"])


def intervals(move):
    """Downtimes and uptimes of a move in order: (down?, begin, end) from the begin of
    the migration to the end of the last downtime."""
    spans, at = [], 0
    for begin, ms in move["gaps"]:
        if is_downtime(move, begin, ms):
            end = begin + ms / 1e3
            if begin > at:
                spans.append((False, at, begin))
            spans.append((True, begin, end))
            at = end
    return spans


def summary(move):
    """One move's numbers for the report."""
    spans = intervals(move)
    down = [1e3 * (end - begin) for is_down, begin, end in spans if is_down]
    # Before the first downtime nothing has happened yet.
    first = next((n for n, span in enumerate(spans) if span[0]), len(spans))
    up = [1e3 * (end - begin) for is_down, begin, end in spans[first:] if not is_down]
    return {
        "downtime_ms": [round(ms, 1) for ms in down], "uptime_ms": [round(ms, 1) for ms in up],
        "total_downtime_ms": round(sum(down), 1), "total_uptime_ms": round(sum(up), 1),
        "longest_downtime_ms": round(max(down, default=0), 1),
        "throughput_mbit": [{"down": is_down, "begin_s": round(begin, 3), "end_s": round(end, 3),
                             "mbit": round(throughput(move["flow"], begin, end), 2)} for is_down, begin, end in spans],
        "usual_mbit": round(throughput(move["flow"], -2, 0), 2),
        "late_ms": round(sum(ms for begin, ms in move["gaps"] if ms > threshold(move) and not is_downtime(move, begin, ms)), 1),
        "usual_gap_ms": round(move["usual_gap_ms"], 2), "migration_ms": round(1e3 * move["end"], 1),
        "vf_back_ms": round(1e3 * move["back"], 1), "probes": move["probes"],
        "qemu_downtime_ms": move["qemu"].get("downtime"),
    }


def median_move(moves):
    """The move whose downtime is in the middle."""
    ordered = sorted(moves, key=lambda move: summary(move)["total_downtime_ms"])
    return ordered[(len(ordered) - 1) // 2]
