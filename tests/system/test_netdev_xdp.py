# SPDX-License-Identifier: GPL-2.0
"""XDP programs on the PF's interface: what they answer comes about."""

import os
import subprocess
import threading
from pathlib import Path

import pytest

from conftest import two_nics
from rigtest.frames import BROADCAST, packet_socket
from rigtest.net import transfer
from rigtest.pci import wait_for
from rigtest.xdp import (ADDED, Command, LONGEST, METADATA, SHORTEST, attach, attached, detach, exchange, frame,
                         programs)
from test_netdev import LEFT, RIGHT, pings

# The longest that fits a buffer, with Ethernet header, VLAN tag and CRC.
MOST_MTU = 3050


class Wire:
    """Two NICs, each in a namespace of its own; programs are the left one's."""

    def __init__(self, host, left, right):
        self.host, self.left, self.right = host, left, right

    def tell(self, *commands, size=SHORTEST):
        """What the left one's stack, and then the right one's, sees of frames with these
        commands, sent from the right one to the left one."""
        left, right = (peer.link()["address"] for peer in (self.left, self.right))
        token = os.urandom(8)
        frames = [frame(left, right, command, token, size=size) for command in commands]
        end = frame(left, right, Command.PASS, os.urandom(8))
        with packet_socket(self.left, self.left.netdev) as ear, packet_socket(self.right, self.right.netdev) as mouth:
            # It is marked as seen on its way.
            seen_end = bytearray(end)
            seen_end[15] = 1
            here = exchange(mouth, frames, ear, token, end, bytes(seen_end))
            back = frame(right, left, Command.PASS, os.urandom(8))
            there = exchange(ear, [], mouth, token, back, back)
        return here, there


@pytest.fixture(scope="module")
def wire():
    with two_nics(LEFT, RIGHT) as (host, left, right):
        yield Wire(host, left, right)


@pytest.fixture
def obedient(wire):
    with attached(wire.left, "obey"):
        yield wire


def refused(peer, *words):
    """What a command says that must be refused."""
    done = subprocess.run(["ip", "-n", peer.name, *map(str, words)], capture_output=True, text=True)
    assert done.returncode, words
    return done.stderr


def test_pass(wire):
    with attached(wire.left, "pass"):
        mode = wire.left.link()["xdp"]["mode"]
        # Not the stack's own (2, or "generic").
        assert mode in (1, "drv"), mode
        pings(wire.left, RIGHT)
        transfer(wire.left, wire.right)
        transfer(wire.right, wire.left)
    transfer(wire.right, wire.left)


def test_drop(wire):
    """No packet comes in, and the interface counts them all the same."""
    pings(wire.left, RIGHT)
    with attached(wire.left, "drop"):
        before = wire.left.received()
        assert wire.right.ping(LEFT, count=3) == 0
        assert wire.left.received() >= before + 3
        assert wire.left.link()["stats64"]["rx"]["dropped"] == 0
    pings(wire.right, LEFT)


@pytest.mark.parametrize("size", [SHORTEST, 256, 257, LONGEST])
def test_passed(obedient, size):
    """Each frame is seen once, and whole."""
    here, there = obedient.tell(*[Command.PASS] * 20, size=size)
    assert [(each.programs, len(each.data)) for each in here] == [(1, size)] * 20
    assert there == []


def test_dropped(obedient):
    here, there = obedient.tell(*[Command.DROP, Command.PASS] * 10)
    assert len(here) == 10 and there == []


@pytest.mark.parametrize("size", [SHORTEST, 500, LONGEST])
def test_sent_back(obedient, size):
    """Those who send get their own frames, with the addresses swapped."""
    sent = obedient.left.link()["stats64"]["tx"]["packets"]
    here, there = obedient.tell(*[Command.SEND_BACK] * 30, size=size)
    assert here == [] and len(there) == 30
    left, right = (bytes.fromhex(peer.link()["address"].replace(":", "")) for peer in (obedient.left, obedient.right))
    for each in there:
        assert (each.to, each.source, each.programs, len(each.data)) == (right, left, 1, size)
    # They are counted when the device has reported them.
    wait_for(lambda: obedient.left.link()["stats64"]["tx"]["packets"] >= sent + 30, 20, "sent frames are counted")


def test_many_sent_back(obedient):
    """More than the ring has descriptors, beside packets of the stack's."""
    with packet_socket(obedient.right, obedient.right.netdev) as mouth:
        left, right = (peer.link()["address"] for peer in (obedient.left, obedient.right))
        for number in range(2000):
            mouth.send(frame(left, right, Command.SEND_BACK, b"many", number, size=LONGEST))
            if number % 500 == 0:
                pings(obedient.left, RIGHT, count=1)
    transfer(obedient.left, obedient.right)


@pytest.mark.parametrize("command", [Command.ABORT, Command.INVALID])
def test_exceptions(obedient, command):
    """What a program fails at is dropped, and told to those who trace it."""
    tracing = Path("/sys/kernel/tracing")
    if not (tracing / "events").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", tracing], check=True)
    event = tracing / "events/xdp/xdp_exception/enable"
    (tracing / "trace").write_text("")
    event.write_text("1")
    try:
        here, there = obedient.tell(*[command] * 3)
    finally:
        event.write_text("0")
    assert here == [] and there == []
    assert (tracing / "trace").read_text().count("xdp_exception:") == 3


def test_metadata(obedient):
    """What a program puts before a frame is there for those who see the packet."""
    left = obedient.left
    left("tc", "qdisc", "add", "dev", left.netdev, "clsact")
    try:
        left("tc", "filter", "add", "dev", left.netdev, "ingress", "bpf", "direct-action", "obj", programs(), "sec", "tc")
        here, _ = obedient.tell(Command.PASS, Command.MARK)
        assert [each.number for each in here] == [0, METADATA]
    finally:
        left("tc", "qdisc", "del", "dev", left.netdev, "clsact")


def test_other_lengths(obedient):
    """A program may put bytes before and behind a frame, and take some off."""
    size = 300
    here, _ = obedient.tell(Command.GROW_HEAD, Command.SHRINK, Command.GROW, size=size)
    assert [len(each.data) for each in here] == [size + ADDED, size - ADDED, size + ADDED]
    assert all(each.programs == 1 for each in here)


def test_broadcasts(obedient):
    """Those are programs' to see, too."""
    token = os.urandom(8)
    right = obedient.right.link()["address"]
    with packet_socket(obedient.left, obedient.left.netdev) as ear, \
            packet_socket(obedient.right, obedient.right.netdev) as mouth:
        mouth.send(frame(BROADCAST, right, Command.DROP, token))
        mouth.send(frame(BROADCAST, right, Command.PASS, token))
        ear.settimeout(30)
        assert ear.recv(2048)[15] == 1
        ear.setblocking(False)
        with pytest.raises(BlockingIOError):
            ear.recv(2048)


def test_longest(wire):
    """The longest frame that a buffer holds is seen; a longer one is refused both ways."""
    left, right = wire.left, wire.right
    try:
        for peer in (left, right):
            peer.ip("link", "set", peer.netdev, "mtu", MOST_MTU)
        with attached(left, "pass"):
            pings(right, LEFT, size=MOST_MTU - 28, extra=("-M", "do"))
            mark = wire.host.log_mark()
            refused(left, "link", "set", left.netdev, "mtu", MOST_MTU + 1)
            assert "is not supported with XDP" in wire.host.log_since(mark)
            assert left.link()["mtu"] == MOST_MTU
        for mtu in (MOST_MTU + 1, 9000):
            left.ip("link", "set", left.netdev, "mtu", mtu)
            why = refused(left, "link", "set", "dev", left.netdev, "xdpdrv", "obj", programs(), "program", "pass")
            assert "igb_rs: The RX buffer size is too small for the frame size" in why
            assert "xdp" not in left.link()
    finally:
        for peer in (left, right):
            peer.ip("link", "set", peer.netdev, "mtu", 1500)
    pings(right, LEFT)


def test_exchange_under_traffic(wire):
    """Programs come, go and replace each other while TCP flows both ways; the link stays."""
    left, right = wire.left, wire.right
    mark, errors = wire.host.log_mark(), []

    def flow(sender, receiver):
        try:
            for _ in range(3):
                transfer(sender, receiver, 3_000_000)
        except BaseException as error:  # pylint: disable=broad-exception-caught
            errors.append(error)

    threads = [threading.Thread(target=flow, args=pair) for pair in ((left, right), (right, left))]
    for thread in threads:
        thread.start()
    rounds = 0
    while rounds < 3 or any(thread.is_alive() for thread in threads):
        attach(left, "pass")
        attach(left, "obey", force=True)
        attach(left, "pass", force=True)
        detach(left)
        rounds += 1
    for thread in threads:
        thread.join()
    assert errors == []
    assert "link is" not in wire.host.log_since(mark)
    pings(left, RIGHT)


def test_settings(obedient):
    """Rings of other sizes, another number of queues, and an interface that was down have
    the program still."""
    left = obedient.left
    left("ethtool", "-G", left.netdev, "rx", 128, "tx", 128)
    left("ethtool", "-L", left.netdev, "combined", 1)
    try:
        here, there = obedient.tell(Command.SEND_BACK, Command.PASS, Command.DROP)
        assert (len(here), len(there)) == (1, 1)
        left.down()
        left.up()
        here, there = obedient.tell(Command.SEND_BACK, Command.PASS, Command.DROP)
        assert (len(here), len(there)) == (1, 1)
    finally:
        left("ethtool", "-L", left.netdev, "combined", 2)
        left("ethtool", "-G", left.netdev, "rx", 256, "tx", 256)
    pings(left, RIGHT)


def test_while_down(wire):
    """A program that is attached before the interface is up sees its frames."""
    wire.left.down()
    with attached(wire.left, "obey"):
        wire.left.up()
        here, there = wire.tell(Command.SEND_BACK, Command.PASS)
        assert (len(here), len(there)) == (1, 1)
        wire.left.down()
    wire.left.up()
    pings(wire.right, LEFT)
