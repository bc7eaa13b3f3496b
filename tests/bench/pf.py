# SPDX-License-Identifier: GPL-2.0
"""The PF's network driver against the kernel's igb: throughput, packet rate, and what
they cost. The other end, on NIC 1, has igb in both cases."""

import results
from rigtest import net
from rigtest.placement import flow, placed_peers
from rigtest.processors import busy_seconds
from sides import fresh_host

NICS = 3
GOAL = 1.0
SECONDS = 5
# iperf3 options of each measurement; from the PF to the outside, or with -R to it.
LOADS = {
    "TCP out": (), "TCP in": ("-R",),
    "UDP out, small": ("-u", "-b", "0", "-l", "64"), "UDP in, small": ("-u", "-b", "0", "-l", "64", "-R"),
}


def measure(driver, host, n):
    """Of round `n`: load → what the receiving program got: Mbit/s, and microseconds of all processors for
    each KiB; and packets per second on the wire. All share the processors: a sender that is
    faster may leave a receiver less."""
    nic = host.nics[0]
    nic.bind(driver)
    found = {}
    nic.wait_netdev()
    with placed_peers(n, nic, host.nics[2]) as (inside, outside):
        for number, (load, options) in enumerate(LOADS.items(), n * len(LOADS)):
            receiver = inside if "-R" in options else outside
            packets, busy = receiver.received(), busy_seconds()
            rate = net.iperf3(outside, inside, *flow(number), *options, seconds=SECONDS)
            packets, busy = receiver.received() - packets, busy_seconds() - busy
            found[load] = {"mbit": rate / 1e6, "packets": packets / SECONDS,
                           "cpu": 1e6 * busy / (rate / 8 * SECONDS / 1024)}
    nic.bind(None)
    return found


def run(rounds, say):
    """Both drivers in turn."""
    host = fresh_host()
    host.load("mediate", "igb_rs")
    found = {"igb_rs": [], "igb": []}
    for n in range(rounds):
        for driver, those in found.items():
            those.append(measure(driver, host, n))
            say(f"round {n + 1} of {rounds}, {driver}: " + ", ".join(
                f"{load} {one['mbit']:.1f} Mbit/s {one['packets']:.0f}/s" for load, one in those[-1].items()))
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
