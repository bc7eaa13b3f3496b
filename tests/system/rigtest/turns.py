# SPDX-License-Identifier: GPL-2.0
"""Two drivers that take turns by the second, each with a NIC on a wire of its own (of a rig with
`--nics 4 --wires 2`): in half a minute a shared machine may have become slower by a third."""

import contextlib
import itertools
import os
import statistics

from .net import iperf3
from .placement import CLIENT, flow, placed_peers, receive_by

# Ports of clients in a round: more than it has flows.
PORTS = 64


class Turns:
    """Driver → the peer that is measured, and the one at its other end, in round `number`."""

    def __init__(self, ends, number):
        self.ends, self._turn, self._ports = ends, number, itertools.count(number * PORTS)

    def _drivers(self):
        """Each driver once, and its peers; neither is always the first."""
        self._turn += 1
        pairs = list(self.ends.items())
        return pairs if self._turn % 2 else reversed(pairs)

    def means(self, cases, case):
        """Of each driver the means of the numbers that `case(near, far, *one)` answers for all `cases`, which
        differ by more than the drivers do."""
        found = {driver: [] for driver in self.ends}
        for one in cases:
            for driver, ends in self._drivers():
                found[driver].append(case(*ends, *one))
        return {driver: [statistics.mean(part) for part in zip(*those)] for driver, those in found.items()}

    def flows(self, sent, measure):
        """Means of what `measure(receiver, run)` answers over the queues that may receive, of what the drivers
        send or receive; `run(*options, seconds)` is iperf3's flow. That the sender's processor is the one that
        receives, too, takes a third of the rate by either driver."""
        def case(near, far, queue):
            receiver, sender = (far, near) if sent else (near, far)
            receive_by(receiver, queue)
            receive_by(sender, CLIENT)
            return measure(receiver, lambda *options, seconds: iperf3(
                receiver, sender, *flow(next(self._ports)), *options, seconds=seconds))
        return self.means([(queue,) for queue in range(os.cpu_count())], case)


@contextlib.contextmanager
def taking_turns(host, drivers, number):
    """Two drivers' turns of round `number`. The first two NICs swap them with each round, for what a wire's
    place is worth; the other ends have igb."""
    nears, fars = host.nics[:2], host.nics[2:]
    swapped = drivers if number % 2 == 0 else drivers[::-1]
    for nic, driver in zip(host.nics, (*swapped, "igb", "igb")):
        nic.bind(driver)
        nic.wait_netdev()
    with contextlib.ExitStack() as stack:
        ends = {driver: stack.enter_context(placed_peers(wire, near, far))
                for wire, (driver, near, far) in enumerate(zip(swapped, nears, fars), 2 * number)}
        yield Turns(ends, number)
