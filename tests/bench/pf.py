# SPDX-License-Identifier: GPL-2.0
"""The PF's network driver against the kernel's igb: throughput, packet rate, and what
they cost. The other end has igb in both cases."""

import results
from rigtest.processors import busy_seconds
from rigtest.turns import taking_turns
from sides import fresh_host

NICS = 4
WIRES = 2
GOAL = 1.0
SECONDS = 3
DRIVERS = ("igb_rs", "igb")
SMALL = ("-u", "-b", "0", "-l", "64")
# Of each measurement, whether the PF sends, and iperf3's options.
LOADS = {"TCP out": (True, ()), "TCP in": (False, ()), "UDP out, small": (True, SMALL), "UDP in, small": (False, SMALL)}


def measure(host, n):
    """Of round `n`: driver → load → what the receiving program got: Mbit/s, and microseconds of all processors
    for each KiB; and packets per second on the wire; means over the queues that may receive. All share the
    processors: a sender that is faster may leave a receiver less."""
    found = {driver: {} for driver in DRIVERS}
    with taking_turns(host, DRIVERS, n) as turns:
        for load, (sends, options) in LOADS.items():
            def bulk(receiver, run, options=options):
                packets, busy = receiver.received(), busy_seconds()
                rate = run(*options, seconds=SECONDS)
                packets, busy = receiver.received() - packets, busy_seconds() - busy
                return rate / 1e6, packets / SECONDS, 1e6 * busy / (rate / 8 * SECONDS / 1024)
            for driver, means in turns.flows(sends, bulk).items():
                found[driver][load] = dict(zip(("mbit", "packets", "cpu"), means))
    return found


def run(rounds, say):
    """Both drivers in turn."""
    host = fresh_host()
    host.load("mediate", "igb_rs")
    found = {driver: [] for driver in DRIVERS}
    for n in range(rounds):
        for driver, those in measure(host, n).items():
            found[driver].append(those)
            say(f"round {n + 1} of {rounds}, {driver}: " + ", ".join(
                f"{load} {one['mbit']:.1f} Mbit/s {one['packets']:.0f}/s" for load, one in those.items()))
    host.clean()
    return result(found)


def result(found):
    """The part's report: of driver → [load → measured] of each round."""
    def both(load, key):
        return [results.side(driver, [one[load][key] for one in those]) for driver, those in found.items()]
    also = []
    for load in LOADS:
        also.append(results.part("Mbit/s", *both(load, "mbit"), GOAL, results.AT_LEAST) | {"what": load})
        if "small" in load:
            also.append(results.part("packets/s", *both(load, "packets"), GOAL, results.AT_LEAST) | {"what": f"wire, {load}"})
        also.append(results.part("us/KiB", *both(load, "cpu"), 1.0) | {"what": f"CPU, {load}"})
    whole = results.part("Mbit/s", *both("TCP out", "mbit"), GOAL, results.AT_LEAST, also=also)
    # Better in one thing does not make up for another.
    whole["goal_met"] = all(one["goal_met"] for one in also)
    return whole
