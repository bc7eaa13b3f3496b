# SPDX-License-Identifier: GPL-2.0
"""The PF's own interface, across the wire. Run in a rig of two NICs."""

import re
import subprocess
import time

import pytest
from wire import DRIVER, Wire, load, log, run, unload, wait


@pytest.fixture(scope="module")
def wire():
    made = Wire()
    yield made
    made.close()
    unload()


@pytest.fixture(autouse=True)
def no_fault():
    """No test leaves a line of a fault in the log."""
    before = log().count("\n")
    yield
    new = log().splitlines()[before:]
    bad = [line for line in new if re.search(r"WARNING|BUG|DMA-API|DMAR:.*fault|hangs|Call Trace", line)]
    assert not bad, bad


def test_ping(wire):
    wire.left.ping("10.9.0.2")
    wire.right.ping("10.9.0.1")


@pytest.mark.parametrize("size", [0, 1, 17, 18, 214, 215, 1471, 1472])
def test_sizes(wire, size):
    """Around the shortest frame, the head of a received packet, and the MTU."""
    wire.left.ping("10.9.0.2", count=1, size=size, more=("-M", "do"))


@pytest.mark.parametrize("options", [(), ("-R",), ("-u", "-b", "20M"), ("-u", "-b", "20M", "-R")])
def test_throughput(wire, options):
    rate = wire.left.iperf(wire.right, "10.9.0.2", *options)
    print(f"{' '.join(options) or 'tcp'}: {rate / 1e6:.0f} Mb/s")
    assert rate > 2e6


def test_statistics(wire):
    before, hardware = wire.left.link()["stats64"], wire.left.counters()
    wire.left.ping("10.9.0.2", count=10, size=1000)
    after, hardware_after = wire.left.link()["stats64"], wire.left.counters()
    for way in ("rx", "tx"):
        assert after[way]["packets"] - before[way]["packets"] >= 10
        assert after[way]["bytes"] - before[way]["bytes"] >= 10 * 1042
        assert after[way]["errors"] == before[way]["errors"]
        assert hardware_after[way + "_packets"] - hardware[way + "_packets"] >= 10
        assert hardware_after[way + "_bytes"] - hardware[way + "_bytes"] >= 10 * 1042


def test_ethtool(wire):
    info = wire.left("ethtool", "-i", wire.left.name)
    assert "driver: igb_rs\n" in info
    assert f"bus-info: {wire.left.bdf}\n" in info
    settings = wire.left("ethtool", wire.left.name)
    for line in ("Speed: 1000Mb/s", "Duplex: Full", "Port: Twisted Pair", "Link detected: yes"):
        assert line in settings


def test_negotiation(wire):
    """The link goes and comes back, and the log says so."""
    before = log().count("link is up")
    wire.left("ethtool", "-r", wire.left.name)
    wait(lambda: log().count("link is up") > before, what="link")
    wire.left.ping("10.9.0.2")


@pytest.mark.parametrize("mtu", [68, 576, 1501, 4078, 4079, 4100, 9000, 9216])
def test_mtu(wire, mtu):
    for nic in (wire.left, wire.right):
        nic.ip("link", "set", nic.name, "mtu", str(mtu))
    try:
        wire.left.ping("10.9.0.2", size=mtu - 28, more=("-M", "do"))
        # Without checksums of its own a packet is not compared: TCP's are.
        if mtu >= 1500:
            assert wire.left.iperf(wire.right, "10.9.0.2", seconds=1) > 2e6
    finally:
        for nic in (wire.left, wire.right):
            nic.ip("link", "set", nic.name, "mtu", "1500")
    wire.left.ping("10.9.0.2")


def test_mtu_limits(wire):
    for mtu in ("67", "9217"):
        with pytest.raises(AssertionError):
            wire.left.ip("link", "set", wire.left.name, "mtu", mtu)


def test_too_long_is_dropped(wire):
    """A frame beyond the receiver's MTU does not arrive."""
    wire.left.ip("link", "set", wire.left.name, "mtu", "3000")
    try:
        assert wire.left.ping("10.9.0.2", count=2, size=2900, more=("-M", "do"), check=False) == 0
    finally:
        wire.left.ip("link", "set", wire.left.name, "mtu", "1500")
    wire.left.ping("10.9.0.2")


def test_vlan(wire):
    for nic, address in ((wire.left, "10.9.5.1/24"), (wire.right, "10.9.5.2/24")):
        nic.ip("link", "add", "link", nic.name, "name", "v5", "type", "vlan", "id", "5")
        nic.ip("addr", "add", address, "dev", "v5")
        nic.ip("link", "set", "v5", "up")
    try:
        wire.left.ping("10.9.5.2", size=1472, more=("-M", "do"))
        # Without the receiver's filter, the tag does not pass.
        wire.right.ip("link", "del", "v5")
        before = wire.right.counters()["rx_packets"]
        count = received(wire.right, "vlan 5", lambda: wire.left.ping("10.9.5.2", check=False))
        assert count == 0, before
    finally:
        for nic in (wire.left, wire.right):
            nic.ip("link", "del", "v5", check=False)
    wire.left.ping("10.9.0.2")


def received(nic, expression, act, promiscuous=False):
    """How many packets of `expression` reach `nic` while `act()` runs."""
    more = () if promiscuous else ("-p",)
    dump = subprocess.Popen(["ip", "netns", "exec", nic.namespace, "tcpdump", "-n", "-i", nic.name,
                             "-Q", "in", "--immediate-mode", "-U", "-w", "/tmp/dump", *more, expression],
                            stderr=subprocess.PIPE, text=True)
    try:
        for line in dump.stderr:
            if "listening on" in line:
                break
        time.sleep(0.3)
        act()
        time.sleep(1)
    finally:
        dump.terminate()
        dump.wait()
    return len(run("tcpdump", "-n", "-r", "/tmp/dump").splitlines())


def send(nic, mac, count=5):
    """Sends frames to `mac` that nobody answers: UDP by way of a fixed neighbour."""
    nic.ip("neigh", "replace", "10.9.0.77", "lladdr", mac, "dev", nic.name)
    script = ("import socket; s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM);"
              f"[s.sendto(b'x' * 64, ('10.9.0.77', 7777)) for _ in range({count})]")
    nic("python3", "-c", script)


def test_promiscuous(wire):
    """Frames to somebody else arrive only if asked for."""
    stranger = "52:54:00:77:77:77"
    assert received(wire.right, "udp port 7777", lambda: send(wire.left, stranger)) == 0
    assert received(wire.right, "udp port 7777", lambda: send(wire.left, stranger), promiscuous=True) == 5
    assert received(wire.right, "udp port 7777", lambda: send(wire.left, stranger)) == 0


def test_multicast(wire):
    """Groups arrive when joined, and not when left."""
    group = "01:00:5e:0a:0b:0c"
    see = lambda: received(wire.right, "udp port 7777", lambda: send(wire.left, group))
    assert see() == 0
    wire.right.ip("maddr", "add", group, "dev", wire.right.name)
    assert see() == 5
    wire.right.ip("maddr", "del", group, "dev", wire.right.name)
    assert see() == 0
    wire.right.ip("link", "set", wire.right.name, "allmulticast", "on")
    assert see() == 5
    wire.right.ip("link", "set", wire.right.name, "allmulticast", "off")
    assert see() == 0


def test_unicast_filters(wire):
    """Addresses of a macvlan arrive, up to more than there are entries for."""
    macs = [f"52:54:00:66:00:{i:02x}" for i in range(10)]
    for i, mac in enumerate(macs):
        wire.right.ip("link", "add", "link", wire.right.name, "name", f"mv{i}", "address", mac,
                      "type", "macvlan", "mode", "bridge")
        wire.right.ip("link", "set", f"mv{i}", "up")
        if i in (0, 6, 7, 9):
            assert received(wire.right, "udp port 7777", lambda: send(wire.left, mac)) == 5
    for i in range(10):
        wire.right.ip("link", "del", f"mv{i}")
    assert received(wire.right, "udp port 7777", lambda: send(wire.left, macs[0])) == 0


def test_mac(wire):
    """The new address is received, the one before it is not."""
    old = wire.left.link()["address"]
    # QEMU's model compares unicasts with the multicast table too, so no address may end
    # like that of a group that is joined: those of the rig do.
    before, new = "52:54:00:aa:bb:cc", "52:54:00:aa:cc:dd"
    try:
        for mac in (before, new):
            wire.left.ip("link", "set", wire.left.name, "address", mac)
            assert wire.left.link()["address"] == mac
            wire.right.ip("neigh", "flush", "all")
            wire.right.ping("10.9.0.1")
        assert received(wire.left, "udp port 7777", lambda: send(wire.right, before)) == 0
        with pytest.raises(AssertionError):
            wire.left.ip("link", "set", wire.left.name, "address", "01:00:5e:00:00:01")
    finally:
        wire.left.ip("link", "set", wire.left.name, "address", old)
        wire.right.ip("neigh", "flush", "all")
    wire.right.ping("10.9.0.1")


def test_up_down(wire):
    """Filters and addresses outlive it, and nothing is left behind."""
    for _ in range(50):
        wire.left.down()
        wire.left.ip("link", "set", wire.left.name, "up")
    wire.left.up()
    wire.left.ping("10.9.0.2")


def test_up_down_under_traffic(wire):
    flood = wire.right.popen("ping", "-f", "-w", "20", "-s", "1400", "10.9.0.1")
    for _ in range(10):
        wire.left.down()
        wire.left.up()
        time.sleep(0.2)
    flood.terminate()
    flood.wait()
    wire.right.ping("10.9.0.1")


def test_number_of_vfs(wire):
    """The PF's queues move to the pool after its VFs', and back, and go on."""
    control = DRIVER / wire.left.bdf / "sriov_numvfs"
    (DRIVER / wire.left.bdf / "sriov_drivers_autoprobe").write_text("0")
    for count in (7, 1, 3):
        control.write_text(str(count))
        try:
            wait(lambda: "LOWER_UP" in wire.left.link()["flags"], what="carrier")
            wire.left.ping("10.9.0.2")
            wire.right.ping("10.9.0.1")
        finally:
            control.write_text("0")
        wire.left.ping("10.9.0.2")


def test_function_reset(wire):
    """A reset by sysfs, which wipes the device, leaves the interface as it was."""
    wire.left.ip("link", "add", "link", wire.left.name, "name", "v9", "type", "vlan", "id", "9")
    wire.right.ip("link", "add", "link", wire.right.name, "name", "v9", "type", "vlan", "id", "9")
    try:
        for nic, address in ((wire.left, "10.9.9.1/24"), (wire.right, "10.9.9.2/24")):
            nic.ip("addr", "add", address, "dev", "v9")
            nic.ip("link", "set", "v9", "up")
        before = wire.left.link()["stats64"]["rx"]["packets"]
        for _ in range(3):
            (DRIVER / wire.left.bdf / "reset").write_text("1")
            wait(lambda: "LOWER_UP" in wire.left.link()["flags"], what="carrier")
            wire.left.ping("10.9.0.2")
            wire.left.ping("10.9.9.2")
        assert wire.left.link()["stats64"]["rx"]["packets"] >= before + 18
    finally:
        for nic in (wire.left, wire.right):
            nic.ip("link", "del", "v9", check=False)


def test_unload_under_traffic(wire):
    """The last test of the module: the interfaces go away while they are used."""
    loads = [wire.left.popen("ping", "-f", "-w", "30", "-s", "1400", "10.9.0.2"),
             wire.right.popen("ping", "-f", "-w", "30", "-s", "64", "10.9.0.1")]
    time.sleep(1)
    unload()
    for load_ in loads:
        load_.terminate()
        load_.wait()
    for name in ("left", "right"):
        run("ip", "netns", "del", name)
    load()
    wire.__init__()
    wire.left.ping("10.9.0.2")
