# SPDX-License-Identifier: GPL-2.0
"""What ethtool shows and sets of the PF's interface."""

import json
import re
import time
from pathlib import Path

import pytest

from conftest import two_nics
from rigtest.frames import BROADCAST, SECONDS, octets, packet_socket, send
from rigtest.net import transfer
from rigtest.vectors import queue_vectors

LEFT, RIGHT = "198.51.100.1", "198.51.100.2"


@pytest.fixture(scope="module")
def wire():
    with two_nics(LEFT, RIGHT) as wire:
        yield wire


def shown(peer, option):
    """What `ethtool --json OPTION` says."""
    return json.loads(peer("ethtool", "--json", option, peer.netdev))[0]


def refused(peer, *words):
    with pytest.raises(AssertionError):
        peer("ethtool", *words)


@pytest.mark.parametrize("rx, tx, as_rx, as_tx", [(80, 4096, 80, 4096), (4096, 80, 4096, 80), (100, 1000, 104, 1000),
                                                  (256, 256, 256, 256)])
def test_rings(wire, rx, tx, as_rx, as_tx):
    _, left, right = wire
    left("ethtool", "-G", left.netdev, "rx", rx, "tx", tx)
    rings = shown(left, "-g")
    assert (rings["rx"], rings["tx"], rings["rx-max"], rings["tx-max"]) == (as_rx, as_tx, 4096, 4096)
    transfer(left, right)
    transfer(right, left)


def test_rings_of_a_closed_interface(wire):
    _, left, right = wire
    left.down()
    left("ethtool", "-G", left.netdev, "rx", 512, "tx", 512)
    left.up()
    assert shown(left, "-g")["rx"] == 512
    transfer(left, right)
    refused(left, "-G", left.netdev, "rx", 5000)


def channels(peer):
    """Pairs of queues: the most there may be, and how many there are."""
    return [int(count) for count in re.findall(r"^Combined:\s+(\d+)$", peer("ethtool", "-l", peer.netdev), re.M)]


def test_channels(wire):
    _, left, right = wire
    assert channels(left) == [8, 2], "the rig has two CPUs"
    try:
        for count in (1, 8, 3):
            left("ethtool", "-L", left.netdev, "combined", count)
            assert channels(left) == [8, count]
            assert len([name for name in left.counters() if re.match(r"rx_queue_\d_bytes", name)]) == count
            transfer(left, right)
            transfer(right, left)
        refused(left, "-L", left.netdev, "combined", 9)
    finally:
        left("ethtool", "-L", left.netdev, "combined", 2)


@pytest.mark.parametrize("usecs", [0, 1, 3, 10, 500, 8191])
def test_moderation(wire, usecs):
    _, left, right = wire
    for way, other in (("rx-usecs", "tx-usecs"), ("tx-usecs", "rx-usecs")):
        left("ethtool", "-C", left.netdev, way, usecs)
        try:
            coalescing = shown(left, "-c")
            assert (coalescing[way], coalescing[other]) == (usecs, 3)
            transfer(left, right, 20_000)
            transfer(right, left, 20_000)
        finally:
            left("ethtool", "-C", left.netdev, way, 3)


def test_moderation_is_refused(wire):
    _, left, _ = wire
    for usecs in (2, 9, 8192):
        refused(left, "-C", left.netdev, "rx-usecs", usecs)
        refused(left, "-C", left.netdev, "tx-usecs", usecs)


def test_moderation_of_shared_vectors(wire):
    """Of more than four pairs of queues each has one vector. What was set for two comes back with them."""
    _, left, _ = wire
    left("ethtool", "-C", left.netdev, "rx-usecs", 20, "tx-usecs", 30)
    try:
        left("ethtool", "-L", left.netdev, "combined", 5)
        assert shown(left, "-c")["tx-usecs"] == 0
        refused(left, "-C", left.netdev, "tx-usecs", 3)
        left("ethtool", "-C", left.netdev, "rx-usecs", 40)
        left("ethtool", "-L", left.netdev, "combined", 2)
        coalescing = shown(left, "-c")
        assert (coalescing["rx-usecs"], coalescing["tx-usecs"]) == (40, 30)
    finally:
        left("ethtool", "-L", left.netdev, "combined", 2)
        left("ethtool", "-C", left.netdev, "rx-usecs", 3, "tx-usecs", 3)


def test_fixed_interval_limits_interrupts(wire):
    """Between two interrupts of a vector passes the longest interval, however many packets
    are under way; without one there are more."""
    host, left, _ = wire

    def interrupts(usecs):
        """How many there were for a vector, and how many there may be with 8191."""
        left("ethtool", "-C", left.netdev, "rx-usecs", usecs, "tx-usecs", usecs)
        before, start = counts(), time.monotonic()
        left("ping", "-q", "-f", "-l", "16", "-c", "2000", "-W", "10", RIGHT, timeout=300)
        may_be = (time.monotonic() - start) / 8191e-6 + 2
        return max(now - then for now, then in zip(counts(), before, strict=True)), may_be

    def counts():
        return [count for _, _, count in queue_vectors(host.nics[0])]
    try:
        seldom, may_be = interrupts(8191)
        assert 0 < seldom <= may_be
        assert interrupts(0)[0] > seldom
    finally:
        left("ethtool", "-C", left.netdev, "rx-usecs", 3, "tx-usecs", 3)


def link_of(peer):
    """What ethtool shows of the link: the words behind each heading."""
    found, heading = {}, None
    for line in peer("ethtool", peer.netdev).splitlines():
        name, colon, rest = line.strip().partition(":")
        if colon:
            heading, rest = name, rest.strip()
            found[heading] = []
        else:
            rest = line
        found[heading] += rest.split()
    return found


SLOW = ["10baseT/Half", "10baseT/Full", "100baseT/Half", "100baseT/Full"]
GIGABIT = "1000baseT/Full"


@pytest.fixture
def relinked(wire):
    """The wire; afterwards the left end's link is negotiated as by default."""
    _, left, _ = wire
    left.wait_carrier()
    yield wire
    left("ethtool", "-s", left.netdev, "autoneg", "on")
    left.wait_carrier()
    assert link_of(left)["Advertised link modes"] == [*SLOW, GIGABIT]


def test_link_is_shown(wire):
    _, left, _ = wire
    left.wait_carrier()
    link = link_of(left)
    assert link["Supported link modes"] == link["Advertised link modes"] == [*SLOW, GIGABIT]
    assert link["Supported pause frame use"] == ["Symmetric", "Receive-only"]
    assert link["Advertised pause frame use"] == ["Symmetric"]
    assert (link["Speed"], link["Duplex"], link["Auto-negotiation"]) == (["1000Mb/s"], ["Full"], ["on"])
    assert (link["Port"], link["PHYAD"], link["Link detected"]) == (["Twisted", "Pair"], ["1"], ["yes"])
    # QEMU's partner is always the same, and better than we are.
    assert link["Link partner advertised link modes"] == [*SLOW, "1000baseT/Half", GIGABIT]
    assert link["Link partner advertised pause frame use"] == ["Symmetric"]
    assert link["Link partner advertised auto-negotiation"] == ["Yes"]


@pytest.mark.parametrize("mask, modes", [(0x00F, SLOW), (0x020, [GIGABIT]), (0x00A, SLOW[1::2])])
def test_what_is_advertised(relinked, mask, modes):
    """It is negotiated anew, kept over a reset, and traffic goes on."""
    host, left, right = relinked
    mark = host.log_mark()
    left("ethtool", "-s", left.netdev, "advertise", f"{mask:#05x}")
    left.wait_carrier()
    assert link_of(left)["Advertised link modes"] == modes
    assert host.log_since(mark).count("link is down") == 1
    transfer(left, right)
    left("ethtool", "-t", left.netdev, "offline")
    left.wait_carrier()
    assert link_of(left)["Advertised link modes"] == modes
    # What is so already does not cost the link.
    mark = host.log_mark()
    left("ethtool", "-s", left.netdev, "advertise", f"{mask:#05x}")
    assert "link is down" not in host.log_since(mark)


@pytest.mark.parametrize("speed, duplex", [(10, "half"), (10, "full"), (100, "half"), (100, "full")])
def test_a_mode_is_forced(relinked, speed, duplex):
    """The device's MAC is in it; QEMU's PHY and partner go on as if nothing had happened."""
    host, left, right = relinked
    mark = host.log_mark()
    left("ethtool", "-s", left.netdev, "autoneg", "off", "speed", speed, "duplex", duplex)
    left.wait_carrier()
    link = link_of(left)
    assert (link["Speed"], link["Duplex"], link["Auto-negotiation"]) == ([f"{speed}Mb/s"], [duplex.title()], ["off"])
    assert link["Advertised link modes"] == ["Not", "reported"]
    assert "Link partner advertised link modes" not in link
    assert f"link is up {speed} Mbps {duplex} duplex, flow control: None\n" in host.log_since(mark)
    assert left.reaches(RIGHT)
    transfer(left, right)
    transfer(right, left)


def test_gigabit_is_negotiated_alone(relinked):
    _, left, right = relinked
    left("ethtool", "-s", left.netdev, "autoneg", "off", "speed", 1000, "duplex", "full")
    left.wait_carrier()
    link = link_of(left)
    assert (link["Auto-negotiation"], link["Advertised link modes"]) == (["on"], [GIGABIT])
    assert left.reaches(RIGHT)


def test_links_that_cannot_be_are_refused(relinked):
    _, left, _ = relinked
    before = link_of(left)
    for words in (("autoneg", "off", "speed", 1000, "duplex", "half"), ("autoneg", "off", "speed", 2500, "duplex", "full"),
                  ("advertise", "0x010"), ("advertise", "0x000"), ("advertise", "0x1000000000020"), ("mdix", "on"),
                  ("port", "fibre"), ("phyad", 2)):
        refused(left, "-s", left.netdev, *words)
    assert link_of(left) == before


def test_pause(wire):
    """Settings are kept, and the log tells what is in force."""
    host, left, right = wire

    def pause():
        text = left("ethtool", "-a", left.netdev)
        return [re.search(rf"^{name}:\s+(\w+)", text, re.M).group(1) for name in ("Autonegotiate", "RX", "TX")]
    try:
        assert pause()[0] == "on"
        left("ethtool", "-A", left.netdev, "autoneg", "off", "rx", "on", "tx", "off")
        assert pause() == ["off", "on", "off"]
        mark = host.log_mark()
        left("ethtool", "-r", left.netdev)
        left.wait_carrier()
        assert "flow control: RX\n" in host.log_since(mark)
    finally:
        left("ethtool", "-A", left.netdev, "autoneg", "on", "rx", "on", "tx", "on")
        left.wait_carrier()
    transfer(left, right)


def test_hash_key_and_table(wire):
    _, left, right = wire
    key = ":".join(f"{i:02x}" for i in range(40))
    try:
        left("ethtool", "-X", left.netdev, "hkey", key)
        text = left("ethtool", "-x", left.netdev)
        assert key in text
        assert "128" in text.replace("120:", "128") and "toeplitz: on" in text
        left("ethtool", "-N", left.netdev, "rx-flow-hash", "udp4", "sdfn")
        assert "L4 bytes" in left("ethtool", "-n", left.netdev, "rx-flow-hash", "udp4")
        refused(left, "-N", left.netdev, "rx-flow-hash", "tcp4", "sd")
        transfer(right, left)
    finally:
        left("ethtool", "-N", left.netdev, "rx-flow-hash", "udp4", "sd")
        left("ethtool", "-X", left.netdev, "default")


def test_time_stamps(wire):
    _, left, _ = wire
    text = left("ethtool", "-T", left.netdev)
    assert "software-transmit" in text and "software-receive" in text


# Of RCTL, a word of the register dump: bad packets are stored, and pause frames passed on.
RCTL_WORD, RCTL_DAMAGED = 25, 1 << 2 | 1 << 23


def test_damaged_frames(wire):
    """Whoever wants them gets them, and after a reset, too."""
    _, left, right = wire

    def is_on():
        return left.registers()[RCTL_WORD] & RCTL_DAMAGED == RCTL_DAMAGED
    assert not is_on()
    left("ethtool", "-K", left.netdev, "rx-all", "on")
    try:
        assert is_on()
        left("ethtool", "-t", left.netdev, "offline")
        assert is_on()
        left.wait_carrier()
        transfer(right, left)
    finally:
        left("ethtool", "-K", left.netdev, "rx-all", "off")
    assert not is_on()


def test_registers(wire):
    _, left, _ = wire
    assert len(left.registers()) == 66


def test_self_test(wire):
    """All tests pass, the interface goes on, and its settings are as before."""
    _, left, right = wire
    left.add_vlan(8, "203.0.113.1")
    right.add_vlan(8, "203.0.113.2")
    try:
        for kind in ("online", "offline"):
            text = left("ethtool", "-t", left.netdev, kind)
            assert "The test result is PASS" in text, text
        left.wait_carrier()
        assert left.reaches("203.0.113.2")
        transfer(left, right)
    finally:
        for peer in (left, right):
            peer.ip("link", "del", "v8", check=False)


def test_loopback_stays_off_the_wire(wire):
    """Its frames come back from the PHY, which the test counts, and go nowhere else."""
    _, left, right = wire
    with packet_socket(right, right.netdev, promiscuous=True) as ear:
        assert "The test result is PASS" in left("ethtool", "-t", left.netdev, "offline")
        left.wait_carrier()
        # What is sent now is heard, so what was sent before would have been.
        send(left, BROADCAST, 1)
        ear.settimeout(SECONDS)
        frame = ear.recv(2048)
        assert frame[:6] == octets(BROADCAST)


def test_affinity(wire):
    """Each queue's vector has a CPU of its own, and its senders are there."""
    _, left, _ = wire
    rows = [line for line in Path("/proc/interrupts").read_text().splitlines() if "igb_rs-queue-" in line]
    hints = {Path(f"/proc/irq/{row.split(':')[0].strip()}/affinity_hint").read_text().strip() for row in rows}
    # There are more vectors than CPUs.
    assert len(rows) == 16 and len(hints) == 2 and all(int(hint.replace(",", ""), 16).bit_count() == 1 for hint in hints)
