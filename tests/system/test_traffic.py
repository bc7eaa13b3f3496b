# SPDX-License-Identifier: GPL-2.0
"""Packets between PFs and VFs, on one NIC and across the wire. The VFs are driven
by stock igbvf here in the host; test_guest.py has them in a guest."""

import subprocess
import time

import pytest

from rigtest import net, pci
from rigtest.net import exercise, iperf3, peers, run

A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"


@pytest.fixture
def nics(host):
    host.load("mediate", "igb_rs")
    pci.modprobe("igbvf")
    for nic in host.nics:
        nic.bind("igb_rs")
    yield host.nics
    for nic in host.nics:
        for vf in nic.vfs:
            vf.bind(None)


def vf_netdevs(nic, count):
    """VFs of a NIC, driven by igbvf."""
    nic.numvfs = count
    for vf in nic.vfs:
        vf.bind("igbvf")
    return [pci.wait_for(lambda vf=vf: vf.netdev, 20, f"netdev of {vf}") for vf in nic.vfs]


def test_two_pfs_across_the_wire(nics):
    with peers((nics[0].netdev, A), (nics[1].netdev, B)) as (first, second):
        exercise(first, second)


def test_a_pf_and_its_vf(nics):
    names = vf_netdevs(nics[0], 1)
    with peers((nics[0].netdev, A), (names[0], B)) as (pf, vf):
        exercise(pf, vf)


def test_two_vfs_of_one_nic(nics):
    names = vf_netdevs(nics[0], 2)
    run("ip", "link", "set", nics[0].netdev, "up")
    with peers((names[0], A), (names[1], B)) as (first, second):
        exercise(first, second)


def test_two_vfs_across_the_wire(nics):
    ours, theirs = vf_netdevs(nics[0], 1)[0], vf_netdevs(nics[1], 2)[1]
    for nic in nics:
        run("ip", "link", "set", nic.netdev, "up")
    with peers((ours, A), (theirs, B)) as (first, second):
        exercise(first, second)


def test_jumbo_frames(nics):
    names = vf_netdevs(nics[0], 1)
    with peers((nics[0].netdev, A), (nics[1].netdev, B), mtu=9000) as (first, second):
        assert first.reaches(B, size=8972, extra=("-M", "do"))
        assert iperf3(second, first) > 2e5
    with peers((nics[0].netdev, A), (names[0], B), mtu=9000) as (pf, vf):
        assert vf.reaches(A, size=8972, extra=("-M", "do")) and pf.reaches(B, size=8972, extra=("-M", "do"))


def test_vlans(nics):
    names = vf_netdevs(nics[0], 1)
    pairs = ((nics[0].netdev, A), (nics[1].netdev, B), (names[0], C))
    with peers(*pairs) as (pf, wire, vf):
        for n, peer in enumerate((pf, wire, vf), 1):
            peer.ip("link", "add", "link", peer.netdev, "name", "v100", "type", "vlan", "id", 100)
            peer.ip("link", "set", "v100", "up")
            peer.ip("addr", "add", f"203.0.113.{n}/24", "dev", "v100")
        assert pf.reaches("203.0.113.2") and wire.reaches("203.0.113.3") and vf.reaches("203.0.113.1")
        # Whoever leaves the VLAN hears it no more.
        pf.ip("link", "del", "v100")
        assert wire.ping("203.0.113.1", count=2) == 0 and wire.reaches(A)


def test_multicast_join_and_leave(nics):
    names = vf_netdevs(nics[0], 1)
    group = "239.1.2.3"
    with peers((nics[0].netdev, A), (nics[1].netdev, B), (names[0], C)) as (pf, wire, vf):
        for listener in (pf, vf):
            assert heard(wire, listener, group, join=True)
            assert not heard(wire, listener, "239.7.7.7", join=False)


def heard(sender, listener, group, join):
    """Whether datagrams to a group reach a listener's interface past its filters."""
    code = ("import select, socket, sys\n"
            f"s = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800)); s.bind(('{listener.netdev}', 0))\n"
            "m = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
            + (f"m.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton('{group}') + "
               f"socket.inet_aton('{listener.address}'))\n" if join else "") +
            "print('ready', flush=True)\n"
            "s.settimeout(0.2)\n"
            # Until the sender is done, which standard input tells.
            "while not select.select([sys.stdin], [], [], 0)[0]:\n"
            "    try: data, (_, _, kind, *_) = s.recvfrom(2048)\n"
            "    except TimeoutError: continue\n"
            f"    if data[16:20] == socket.inet_aton('{group}') and kind == 2: print('heard'); sys.exit()\n"
            "print('nothing')\n")
    words = ["ip", "netns", "exec", listener.name, "python3", "-c", code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout.readline() == "ready\n"
        time.sleep(0.3)
        sender("python3", "-c", "import socket, time\n"
               "s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)\n"
               f"s.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, socket.inet_aton('{sender.address}'))\n"
               "for _ in range(10):\n"
               f"    s.sendto(b'x' * 100, ('{group}', 5000)); time.sleep(0.1)\n")
        time.sleep(0.5)
        return process.communicate("\n", timeout=20)[0].strip() == "heard"


def test_mac_change(nics):
    names = vf_netdevs(nics[0], 1)
    with peers((nics[0].netdev, A), (nics[1].netdev, B), (names[0], C)) as (pf, wire, vf):
        for n, peer in enumerate((pf, wire, vf)):
            peer.ip("link", "set", peer.netdev, "down")
            peer.ip("link", "set", peer.netdev, "address", f"02:00:00:00:0a:{n:02x}")
            peer.ip("link", "set", peer.netdev, "up")
            peer.wait_carrier()
        for peer in (pf, wire, vf):
            peer.ip("neigh", "flush", "all")
        assert pf.reaches(B) and wire.reaches(C) and vf.reaches(A)
        assert "02:00:00:00:0a:00" in vf.ip("neigh", "show", A)


def test_promiscuity_without_vfs(nics):
    with peers((nics[0].netdev, A), (nics[1].netdev, B)) as (first, second):
        second.ip("neigh", "add", A, "lladdr", "02:00:00:00:99:99", "dev", second.netdev, "nud", "permanent")
        assert second.ping(A, count=2) == 0
        before = received(first)
        first.ip("link", "set", first.netdev, "promisc", "on")
        second.ping(A, count=5)
        assert received(first) >= before + 5
        first.ip("link", "set", first.netdev, "promisc", "off")
        second.ip("neigh", "del", A, "dev", second.netdev)
        assert second.reaches(A)


def received(peer):
    return int(peer("cat", f"/sys/class/net/{peer.netdev}/statistics/rx_packets"))
