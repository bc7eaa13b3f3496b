# SPDX-License-Identifier: GPL-2.0
"""Frames that an XDP program sends on by another interface. Both NICs are in one namespace, for
programs see no other; what one sends the other receives."""

import os
import re

import pytest

from conftest import host_of_igb_rs
from rigtest.frames import packet_socket
from rigtest.net import Peer, run
from rigtest.pci import wait_for
from rigtest.xdp import Command, LONGEST, SHORTEST, attach, attached, detach, exchange, frame

COUNT = 40


class Pair:
    """The first NIC, which receives, and the second one, which frames are redirected to."""

    def __init__(self, host, peer, target):
        self.host, self.peer, self.target = host, peer, target

    def link(self, netdev):
        return self.peer.batch(f"link show {netdev}")

    def address(self, netdev):
        return re.search(r"link/ether (\S+)", self.link(netdev))[1]

    def index(self, netdev):
        return int(self.link(netdev).split(":", 1)[0])

    def frames(self, command, token, count=COUNT, size=SHORTEST):
        """From the second NIC to the first one, which may send them by the second one."""
        first, second, target = self.address(self.peer.netdev), self.address(self.target), self.index(self.target)
        return [frame(first, second, command, token, target, size)] * count

    def redirect(self, size=SHORTEST, last=Command.REDIRECT):
        """How many programs each frame has met that the second NIC sent, redirected. The frame
        that is the last one goes by the same way, or `last` says by which."""
        token = os.urandom(8)
        end, = self.frames(last, os.urandom(8), 1)
        seen_end = bytearray(end)
        seen_end[14:16] = Command.PASS, 2 if last is Command.REDIRECT else 1
        with packet_socket(self.peer, self.peer.netdev) as ear, packet_socket(self.peer, self.target) as mouth:
            seen = exchange(mouth, self.frames(Command.REDIRECT, token, size=size), ear, token, end, bytes(seen_end))
        assert all(len(each.data) == size for each in seen)
        return [each.programs for each in seen]

    def flood(self, rounds=10):
        with packet_socket(self.peer, self.target) as mouth:
            for _ in range(rounds):
                for each in self.frames(Command.REDIRECT, b"flood", size=LONGEST):
                    mouth.send(each)

    def set(self, netdev, state):
        self.peer.ip("link", "set", netdev, state)

    def wait_carrier(self):
        wait_for(lambda: "LOWER_UP" in self.link(self.target), 30, f"carrier of {self.target}")
        self.peer.wait_carrier()


@pytest.fixture(scope="module")
def pair():
    host = host_of_igb_rs()
    peer, target = Peer(host.nics[0].netdev, "198.51.100.1"), host.nics[1].netdev
    try:
        run("ip", "link", "set", target, "netns", peer.name)
        both = Pair(host, peer, target)
        both.set(target, "up")
        both.wait_carrier()
        with attached(peer, "obey"):
            yield both
    finally:
        peer.ip("link", "set", target, "down", "netns", "1", check=False)
        peer.close()
    host.clean()


@pytest.mark.parametrize("size", [SHORTEST, 700, LONGEST])
def test_redirect(pair, size):
    """They come to the first NIC, leave by the second, and come to the first again."""
    with attached(pair.peer, "pass", pair.target):
        assert pair.redirect(size) == [2] * COUNT


def test_no_target(pair):
    """An interface without a program is no target, as with igb."""
    for _ in range(2):
        assert pair.redirect(last=Command.PASS) == []
        with attached(pair.peer, "pass", pair.target):
            assert len(pair.redirect()) == COUNT
    assert pair.redirect(last=Command.PASS) == []


def test_target_comes_and_goes(pair):
    """Frames that find no way are dropped, and nothing is left of them."""
    for _ in range(3):
        attach(pair.peer, "pass", pair.target)
        pair.flood()
        detach(pair.peer, pair.target)
        pair.flood(2)
        attach(pair.peer, "pass", pair.target)
        pair.flood(2)
        pair.set(pair.target, "down")
        pair.set(pair.target, "up")
        pair.wait_carrier()
        detach(pair.peer, pair.target)
    with attached(pair.peer, "pass", pair.target):
        assert len(pair.redirect()) == COUNT


def test_source_goes(pair):
    """The NIC whose pages are on their way goes down, and the other one goes on."""
    with attached(pair.peer, "pass", pair.target):
        for _ in range(3):
            pair.flood(3)
            pair.set(pair.peer.netdev, "down")
            pair.set(pair.peer.netdev, "up")
            pair.wait_carrier()
        assert len(pair.redirect()) == COUNT


def test_driver_goes(pair):
    """The driver is unbound from a NIC that has a program, and may be bound anew."""
    pair.set(pair.target, "up")
    attach(pair.peer, "pass", pair.target)
    pair.flood(2)
    nic = pair.host.nics[1]
    nic.bind(None)
    nic.bind("igb_rs")
    pair.target = "again"
    run("ip", "link", "set", nic.netdev, "name", pair.target)
    run("ip", "link", "set", pair.target, "netns", pair.peer.name)
    pair.set(pair.target, "up")
    pair.wait_carrier()
    assert "xdp" not in pair.link(pair.target)
    with attached(pair.peer, "pass", pair.target):
        assert len(pair.redirect()) == COUNT
