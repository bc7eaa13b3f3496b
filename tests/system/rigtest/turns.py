# SPDX-License-Identifier: GPL-2.0
"""Two drivers that take turns by the second, each with a NIC on a wire of its own (of a rig with
`--nics 4 --wires 2`): in half a minute a shared machine may have become slower by a third."""

import contextlib
import statistics

from .placement import placed_peers


class Turns:
    """Driver → the peer that is measured, and the one at its other end."""

    def __init__(self, ends, first):
        self.ends, self._turn = ends, first

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


@contextlib.contextmanager
def taking_turns(host, drivers, number):
    """Two drivers' turns of round `number`. The first two NICs swap them with each round, for what a wire's
    place is worth; the other ends have igb."""
    nears, fars = host.nics[:2], host.nics[2:]
    for nic, driver in zip(host.nics, (*(drivers if number % 2 == 0 else reversed(drivers)), "igb", "igb")):
        nic.bind(driver)
        nic.wait_netdev()
    with contextlib.ExitStack() as stack:
        ends = {near.driver: stack.enter_context(placed_peers(wire, near, far))
                for wire, (near, far) in enumerate(zip(nears, fars), 2 * number)}
        yield Turns(ends, number)
