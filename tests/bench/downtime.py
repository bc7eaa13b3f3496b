# SPDX-License-Identifier: GPL-2.0
"""How long nobody reaches a guest that moves: mediation against bonding failover."""

import time

import kept
import outages
import results
from kernel_trace import Trace
from rigtest import probe
from rigtest.flow import Flow
from rigtest.guest import GuestError
from sides import GUEST_IP, SIDES, Failover, Mediated, fresh_host

NICS = 3
# What keeps the moves.
KEPT = "downtime"
GOAL = 0.10
PROBE_MS = 5
# How long to look before the move, and after it is over.
BEFORE_SECONDS, AFTER_SECONDS = 4, 3
COUNTED_SECONDS = 2
# Moves that may come to nothing before the part does.
MOST_FAILED = 3


def one_move(side_class, host, say):
    """One migration of a fresh guest; everything that was seen of it, times in seconds since its begin."""
    with side_class(host) as side:
        source = side.source()
        target = side.target()
        with Flow(side.outside, source) as flow, probe.Prober(GUEST_IP, PROBE_MS, side.outside.name) as prober:
            time.sleep(BEFORE_SECONDS)
            try:
                with Trace() as trace:
                    moved, back = side.move(source, target)
            except (OSError, AssertionError, GuestError):
                for guest in (source, target):
                    say(f"{guest.name}: status {guest.process.poll()}: {guest.qemu_log.read_text()}{guest.console_tail()}")
                raise
            time.sleep(AFTER_SECONDS)
            alive = flow.alive(back)
        # Nothing of them is to be used again, and a guest that is not there does not power off.
        source.leave()
        target.leave()
        if not alive:
            raise RuntimeError(f"the TCP connection did not go on: {flow.errors}")
        gaps = probe.gaps(prober.answers, moved.begin, back + COUNTED_SECONDS)
        zero = moved.begin
        return {
            "side": side.name, "end": moved.end - zero, "back": back - zero,
            "usual_gap_ms": gaps.usual, "gaps": [(begin - zero, ms) for begin, ms in gaps.all],
            "answers": [when - zero for when in prober.answers],
            "lost": [when - zero for number, when in enumerate(prober.sent) if number not in prober.numbers],
            "flow": [(begin - zero, end - zero, count) for begin, end, count in flow.intervals],
            "probes": prober.counts(), "qemu": moved.info, "phases_ms": moved.phases(),
            "trace": [(when - zero, *rest) for when, *rest in trace.events],
            "marks": [(when - zero, what) for when, what in side.marks],
            "events": [(at - zero, whose, event, data) for at, whose, event, data in moved.events],
        }


def move_or_again(side_class, host, failed, say):
    """One move. A guest on an emulated processor may end for reasons of its own: then
    another, some times in all; the report says which were lost, and how."""
    while True:
        try:
            return one_move(side_class, host, say)
        except (OSError, RuntimeError, AssertionError, GuestError) as error:
            reason = f"{side_class.name}: {type(error).__name__}: {error}"
            say(f"a move failed: {reason}")
            failed.append(" ".join(reason.split()))
            if len(failed) > MOST_FAILED:
                raise


def measure(rounds, say):
    """{side: its moves}, both sides in turn, and what came to nothing; kept for [phases], and for
    a rig after this."""
    found = kept.read(KEPT) or {"moves": {side.name: [] for side in SIDES}, "failed": []}
    moves, failed = found["moves"], found["failed"]
    done = min(map(len, moves.values()))
    if done >= rounds:
        return moves, failed
    host = fresh_host()
    for n in range(done, rounds):
        for side in SIDES:
            move = move_or_again(side, host, failed, say)
            moves[side.name].append(move)
            down = outages.summary(move)
            say(f"round {n + 1} of {rounds}, {side.name}: down {down['total_downtime_ms']:.0f} ms: "
                f"{down['downtime_ms']}, late {down['late_ms']:.0f} ms, {move['probes']['lost']} probes lost, "
                f"usual gap {down['usual_gap_ms']} ms")
        kept.write(KEPT, found)
    host.clean()
    return moves, failed


def run(rounds, say):
    """The part's report."""
    return result(*measure(rounds, say))


def result(moves, failed):
    """The part's report, of the moves of each side, and of those that came to nothing."""
    sides = {}
    for name, those in moves.items():
        found = [outages.summary(move) for move in those]
        median = outages.summary(outages.median_move(those))
        sides[name] = results.side(
            name, [one["total_downtime_ms"] for one in found], downtime_ms=median["downtime_ms"],
            uptime_ms=median["uptime_ms"], probes_lost=[one["probes"]["lost"] for one in found], moves=found)
    ours, other = sides[Mediated.name], sides[Failover.name]
    longest = [results.side(name, [one["longest_downtime_ms"] for one in side["moves"]]) for name, side in sides.items()]
    return results.part(
        "ms", ours, other, GOAL, also=[results.part("ms", *longest) | {"what": "longest downtime"}], failed_moves=failed,
        timeline={name: outages.median_move(those) for name, those in moves.items()})
