# SPDX-License-Identifier: GPL-2.0
"""One guest goes back and forth between two NICs, a migration a round, under TCP
load in both directions whose every byte is compared."""

import contextlib

from conftest import SRC
from rigtest import move
from rigtest.echo import Echo
from rigtest.stage import GUEST_IP, Stage, link_identity

ROUNDS = 100
NICS = 3
# With two, the emulated processor takes one guest in some hundred moves for its host
# (Documentation/rig.rst), and this guest is to make all of them.
CPUS = 1
# No counter can rise by more between two looks; igbvf adds 2^32 to one that
# seems to have wrapped.
MOST_BYTES = 1 << 31
COUNTERS = ("rx_bytes", "rx_packets", "tx_bytes", "tx_packets")


class Journey:
    """The guest under way."""

    def __init__(self, host):
        self.stack = contextlib.ExitStack()
        for nic in host.nics:
            host.load("mediate", "igb_rs")
            nic.bind("igb_rs")
        self.stage = self.stack.enter_context(Stage(SRC, host.nics))
        self.places = [self.stage.place(0, 0), self.stage.place(1, 3)]
        self.guest = self.stage.guest("guest-0", self.places[0]).start()
        self.stack.callback(lambda: self.guest.stop())
        self.guest.wait_up()
        self.echo = self.stack.enter_context(Echo(self.stage.outside, self.guest, GUEST_IP))
        self.identity = link_identity(self.guest)
        self.counters = self.count()
        # Journeys begin at the first place, whatever the number of the round.
        self.steps = 0

    def count(self):
        base = f"/sys/class/net/{self.identity['netdev']}/statistics/"
        values = self.guest.run("cat " + " ".join(base + name for name in COUNTERS)).split()
        return dict(zip(COUNTERS, map(int, values)))

    def step(self):
        self.steps += 1
        target = self.stage.guest(f"guest-{self.steps}", self.places[self.steps % 2], incoming=True).start()
        try:
            move.migrate(self.guest, target)
        except BaseException:
            target.kill()
            raise
        source, self.guest = self.guest, target
        source.leave()
        counters = self.count()
        for name, before in self.counters.items():
            assert before <= counters[name] < before + MOST_BYTES, f"{name} went from {before} to {counters[name]}"
        assert counters["rx_bytes"] > self.counters["rx_bytes"], "nothing was received meanwhile"
        self.counters = counters
        after = link_identity(self.guest)
        assert after == self.identity, (f"the driver has noticed: {self.identity}, then {after}; the guest's log:\n"
                                        + self.guest.run("dmesg | tail -n 20"))
        assert min(self.stage.reached(3).values()) >= 2


journey = None


def round(host, _n):
    global journey
    if journey is None:
        journey = Journey(host)
    journey.step()


def finish(_host):
    """The connection is closed, and all that was sent has come back."""
    global journey
    if journey is not None:
        ended, journey = journey, None
        try:
            ended.stack.close()
        finally:
            print(f"TCP through the guest: {ended.echo.result}", flush=True)
        ended.echo.check()
