# SPDX-License-Identifier: GPL-2.0
"""One to seven VFs that are tracked and moved at once, by vfclient: what each costs."""

import resource
import time

import results
from conftest import MEDIATOR, SRC, Host
from rigtest import net, pci
from rigtest.client import vfclient

NICS = 2
COUNTS = range(1, 8)
# The last may cost so much more than the first, for each VF.
GOAL = 1.0


def cpu():
    """Processor time of the commands that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(pairs):
    """Milliseconds of one simultaneous move for each VF: processor time, and how long each was stopped."""
    before, began = cpu(), time.monotonic()
    answer = vfclient("many", *(f"{source.address}={target.address}" for source, target in pairs))
    moves = answer["moves"]
    return {"cpu": 1e3 * (cpu() - before) / len(pairs), "wall": 1e3 * (time.monotonic() - began) / len(pairs),
            "stopped": sum(move["stopped_ms"] for move in moves) / len(moves),
            "total": sum(move["total_ms"] for move in moves) / len(moves)}


def run(rounds, say):
    """All counts in turn, so many times."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=fixed")
    first, second = host.nics[:2]
    pairs = list(zip(host.make_vfs(first, "igb_rs", max(COUNTS)), host.make_vfs(second, "igb_rs", max(COUNTS))))
    for nic in (first, second):
        net.run("ip", "link", "set", nic.netdev, "up")
    for pair in pairs:
        for vf in pair:
            vf.bind(MEDIATOR)
    found = {count: [] for count in COUNTS}
    for n in range(rounds):
        for count in COUNTS:
            found[count].append(measure(pairs[:count]))
        say(f"round {n + 1} of {rounds}: ms of processor for each VF: " + ", ".join(
            f"{count}: {those[-1]['cpu']:.0f}" for count, those in found.items()))
    host.clean()
    return result(found)


def result(found):
    """The part's report: of count → [measured] of each round."""
    def side(count, key):
        return results.side(f"{count} at once", [one[key] for one in found[count]])
    most = max(found)
    also = [results.part("ms", side(most, key), side(1, key)) | {"what": what}
            for key, what in (("stopped", "each stopped for"), ("wall", "time of all, by their number"))]
    medians = {what: [(count, side(count, key)["median"]) for count in found]
               for key, what in (("cpu", "processor time"), ("wall", "time of all, by their number"))}
    return results.part("ms", side(most, "cpu"), side(1, "cpu"), GOAL, also=also, curves=medians,
                       x="VFs at once", y="ms for each VF")
