# SPDX-License-Identifier: GPL-2.0
"""The PF's own interface, across the wire."""

import re

import pytest

from conftest import two_nics
from rigtest.frames import packet_socket, settles
from rigtest.net import iperf3, iperf3_server, running, transfer
from rigtest.pci import wait_for

LEFT, RIGHT = "198.51.100.1", "198.51.100.2"
STRANGER = "52:54:00:77:77:77"


class Wire:
    """Two NICs of the driver, each in a namespace of its own."""

    def __init__(self, host, left, right):
        self.host, self.left, self.right = host, left, right
        self.nic = host.nics[0]

    def __iter__(self):
        return iter((self.left, self.right))


@pytest.fixture(scope="module")
def wire():
    with two_nics(LEFT, RIGHT) as (host, left, right):
        yield Wire(host, left, right)


def pings(peer, address, count=3, **options):
    """Every packet comes back, however late."""
    assert peer.all_answered(address, count=count, **options)


def wait_traffic(peer, before, packets=20):
    wait_for(lambda: peer.received() > before + packets, 30, f"traffic to {peer.netdev}")


def test_ping(wire):
    pings(wire.left, RIGHT)
    pings(wire.right, LEFT)


@pytest.mark.parametrize("size", [0, 1, 17, 18, 214, 215, 1471, 1472])
def test_sizes(wire, size):
    """Around the shortest frame, the head of a received packet, and the MTU."""
    pings(wire.left, RIGHT, count=1, size=size, extra=("-M", "do"))


@pytest.mark.parametrize("options", [(), ("-R",), ("-u", "-b", "20M"), ("-u", "-b", "20M", "-R")])
def test_throughput(wire, options):
    rate = iperf3(wire.right, wire.left, *options)
    print(f"{' '.join(options) or 'tcp'}: {rate / 1e6:.0f} Mb/s")
    # Emulated, and with KASAN: that packets flow, not how fast.
    assert rate > 2e5


def test_statistics(wire):
    before, hardware = wire.left.link()["stats64"], wire.left.counters()
    pings(wire.left, RIGHT, count=10, size=1000)
    after, hardware_after = wire.left.link()["stats64"], wire.left.counters()
    for way in ("rx", "tx"):
        assert after[way]["packets"] - before[way]["packets"] >= 10
        assert after[way]["bytes"] - before[way]["bytes"] >= 10 * 1042
        assert after[way]["errors"] == before[way]["errors"]
        assert hardware_after[way + "_packets"] - hardware[way + "_packets"] >= 10
        assert hardware_after[way + "_bytes"] - hardware[way + "_bytes"] >= 10 * 1042


def test_ethtool(wire):
    info = wire.left("ethtool", "-i", wire.left.netdev)
    assert "driver: igb_rs\n" in info
    assert f"bus-info: {wire.nic.address}\n" in info
    settings = wire.left("ethtool", wire.left.netdev)
    for line in ("Speed: 1000Mb/s", "Duplex: Full", "Port: Twisted Pair", "Link detected: yes"):
        assert line in settings


def test_negotiation(wire):
    """The link goes and comes back, and the log says so."""
    mark = wire.host.log_mark()
    wire.left("ethtool", "-r", wire.left.netdev)
    wire.left.wait_carrier()
    pings(wire.left, RIGHT)
    text = wire.host.log_since(mark)
    assert text.index("link is down") < text.index("link is up")


@pytest.mark.parametrize("mtu", [68, 576, 1501, 4078, 4079, 4100, 9000, 9216])
def test_mtu(wire, mtu):
    for peer in wire:
        peer.ip("link", "set", peer.netdev, "mtu", mtu)
    try:
        # What comes back is compared by ping.
        pings(wire.left, RIGHT, size=mtu - 28, extra=("-M", "do"))
        # By TCP so short an MTU leaves a path MTU behind.
        if mtu > 1500:
            transfer(wire.left, wire.right)
            transfer(wire.right, wire.left)
    finally:
        for peer in wire:
            peer.ip("link", "set", peer.netdev, "mtu", 1500)
    pings(wire.left, RIGHT)


def test_mtu_limits(wire):
    for mtu in (67, 9217):
        with pytest.raises(AssertionError):
            wire.left.ip("link", "set", wire.left.netdev, "mtu", mtu)


def test_too_long_is_dropped(wire):
    """A frame beyond the receiver's MTU does not arrive, and others do beside it."""
    wire.left.ip("link", "set", wire.left.netdev, "mtu", 3000)
    try:
        before = wire.right.received()
        assert wire.left.ping(RIGHT, count=2, size=2900, extra=("-M", "do")) == 0
        assert wire.right.received() <= before + 2, "an ARP request and its answer at most"
        with iperf3_server(wire.right), running(wire.left.popen("iperf3", "-c", RIGHT, "--bidir", "-t", "900")) as traffic:
            for peer in wire:
                wait_traffic(peer, peer.received())
            for _ in range(3):
                text = wire.left("ping", "-q", "-n", "-f", "-w", 2, "-s", 2900, "-M", "do", RIGHT, check=False)
                assert int(re.search(r"(\d+) packets transmitted, 0 received", text).group(1)) > 50
                for peer in wire:
                    wait_traffic(peer, peer.received())
            assert traffic.poll() is None
            assert wire.right.has_carrier()
    finally:
        wire.left.ip("link", "set", wire.left.netdev, "mtu", 1500)
    pings(wire.left, RIGHT)


def test_vlan(wire):
    mac = wire.right.link()["address"]
    settles(0, wire.left, wire.right, mac, vlan=5)
    wire.left.add_vlan(5, "203.0.113.1")
    wire.right.add_vlan(5, "203.0.113.2")
    try:
        settles(5, wire.left, wire.right, mac, vlan=5, interface="v5")
        pings(wire.left, "203.0.113.2", size=1472, extra=("-M", "do"))
    finally:
        for peer in wire:
            peer.ip("link", "del", "v5")
    # Without the receiver's filter, the tag does not pass.
    settles(0, wire.left, wire.right, mac, vlan=5)
    pings(wire.left, RIGHT)


def test_promiscuous(wire):
    """Frames to somebody else arrive only if asked for."""
    settles(0, wire.left, wire.right, STRANGER)
    with packet_socket(wire.right, wire.right.netdev, promiscuous=True):
        settles(5, wire.left, wire.right, STRANGER)
    settles(0, wire.left, wire.right, STRANGER)


def test_multicast(wire):
    """Groups arrive when joined, and not when left."""
    group, device = "01:00:5e:0a:0b:0c", wire.right.netdev
    settles(0, wire.left, wire.right, group)
    wire.right.ip("maddr", "add", group, "dev", device)
    settles(5, wire.left, wire.right, group)
    wire.right.ip("maddr", "del", group, "dev", device)
    settles(0, wire.left, wire.right, group)
    wire.right.ip("link", "set", device, "allmulticast", "on")
    settles(5, wire.left, wire.right, group)
    wire.right.ip("link", "set", device, "allmulticast", "off")
    settles(0, wire.left, wire.right, group)


def test_unicast_filters(wire):
    """Addresses of a macvlan arrive, up to more than there are entries for."""
    # As in test_mac, no address ends like that of a group.
    macs = [f"52:54:00:66:70:{i:02x}" for i in range(10)]
    for i, mac in enumerate(macs):
        # Those beyond the table's end come with all others.
        if i < 7:
            settles(0, wire.left, wire.right, mac)
        wire.right.batch(f"link add link {wire.right.netdev} name mv{i} address {mac} type macvlan mode bridge",
                         f"link set mv{i} up")
        settles(5, wire.left, wire.right, mac, interface=f"mv{i}")
    wire.right.batch(*(f"link del mv{i}" for i in range(10)))
    settles(0, wire.left, wire.right, macs[0])


def test_mac(wire):
    """The new address is received, the one before it is not."""
    old = wire.left.link()["address"]
    # QEMU's model compares unicasts with the multicast table too, so no address may end
    # like that of a group that is joined: those of the rig do.
    before, new = "52:54:00:aa:bb:cc", "52:54:00:aa:cc:dd"
    try:
        for mac in (before, new):
            wire.left.ip("link", "set", wire.left.netdev, "address", mac)
            assert wire.left.link()["address"] == mac
            wire.right.ip("neigh", "flush", "dev", wire.right.netdev)
            pings(wire.right, LEFT)
            settles(5, wire.right, wire.left, mac)
        settles(0, wire.right, wire.left, before)
        with pytest.raises(AssertionError):
            wire.left.ip("link", "set", wire.left.netdev, "address", "01:00:5e:00:00:01")
    finally:
        wire.left.ip("link", "set", wire.left.netdev, "address", old)
        wire.right.ip("neigh", "flush", "dev", wire.right.netdev)
    pings(wire.right, LEFT)


def test_up_down(wire):
    """Filters and addresses outlive it, and nothing is left behind."""
    device = wire.left.netdev
    wire.left.batch(*(f"link set {device} {state}" for _ in range(50) for state in ("down", "up")))
    wire.left.wait_carrier()
    pings(wire.left, RIGHT)


def test_up_down_under_traffic(wire):
    with running(wire.right.popen("ping", "-f", "-w", "60", "-s", "1400", LEFT)):
        for _ in range(5):
            before = wire.left.up().received()
            # It is taken down while packets come in.
            wait_traffic(wire.left, before)
            wire.left.down()
    wire.left.up()
    pings(wire.right, LEFT)


def test_number_of_vfs(wire):
    """The PF's queues move to the pool after its VFs', and back, and go on."""
    for count in (7, 1, 3):
        wire.nic.numvfs = count
        wire.left.wait_carrier()
        pings(wire.left, RIGHT)
        pings(wire.right, LEFT)
    wire.nic.numvfs = 0
    pings(wire.left, RIGHT)


def test_function_reset(wire):
    """A reset by sysfs, which wipes the device, leaves the interface as it was."""
    wire.left.add_vlan(9, "203.0.113.1")
    wire.right.add_vlan(9, "203.0.113.2")
    try:
        before = wire.left.received()
        for _ in range(3):
            wire.nic.write("reset", 1)
            wire.left.wait_carrier()
            pings(wire.left, RIGHT)
            pings(wire.left, "203.0.113.2")
        assert wire.left.received() >= before + 18
    finally:
        for peer in wire:
            peer.ip("link", "del", "v9", check=False)
