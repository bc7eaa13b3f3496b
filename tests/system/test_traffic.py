# SPDX-License-Identifier: GPL-2.0
"""Packets between PFs and VFs, on one NIC and across the wire. The VFs are driven
by stock igbvf here in the host; test_guest.py has them in a guest."""

import contextlib
import socket

import pytest

from rigtest import pci
from rigtest.frames import settles
from rigtest.net import exercise, iperf3, peers, run

A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"
GROUP, GROUP_MAC = "239.1.2.3", "01:00:5e:01:02:03"


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
            peer.add_vlan(100, f"203.0.113.{n}")
        assert pf.reaches("203.0.113.2") and wire.reaches("203.0.113.3") and vf.reaches("203.0.113.1")
        # Whoever leaves the VLAN hears it no more.
        pf.ip("link", "del", "v100")
        assert wire.ping("203.0.113.1", count=2) == 0 and wire.reaches(A)


def test_a_vlan_of_the_pf_alone(nics):
    nics[0].numvfs = 1
    with peers((nics[0].netdev, A), (nics[1].netdev, B)) as (pf, wire):
        for n, peer in enumerate((pf, wire), 1):
            peer.add_vlan(101, f"203.0.113.{n}")
        # Whoever begins has to ask by a broadcast for the other.
        assert wire.reaches("203.0.113.1")


def test_multicast_join_and_leave(nics):
    names = vf_netdevs(nics[0], 1)
    with peers((nics[0].netdev, A), (nics[1].netdev, B), (names[0], C)) as (pf, wire, vf):
        for listener in (pf, vf):
            settles(0, wire, listener, GROUP_MAC)
            with joined(listener, GROUP):
                settles(5, wire, listener, GROUP_MAC)
            settles(0, wire, listener, GROUP_MAC)


@contextlib.contextmanager
def joined(peer, group):
    """The peer's interface is in a multicast group."""
    with peer.inside():
        member = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with member:
        member.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, socket.inet_aton(group) + socket.inet_aton(peer.address))
        yield


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
        settles(0, second, first, "02:00:00:00:99:99")
        first.ip("link", "set", first.netdev, "promisc", "on")
        settles(5, second, first, "02:00:00:00:99:99")
        first.ip("link", "set", first.netdev, "promisc", "off")
        settles(0, second, first, "02:00:00:00:99:99")
        assert second.reaches(A)
