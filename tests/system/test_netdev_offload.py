# SPDX-License-Identifier: GPL-2.0
"""What the PF's device does for the stack: segmentation, checksums, VLAN tags, hashes, queues."""

import contextlib
import os
import re
import socket
import struct

import pytest

from conftest import two_nics
from rigtest.frames import settles
from rigtest.net import transfer
from rigtest.pci import modprobe, wait_for

LEFT, RIGHT = "198.51.100.1", "198.51.100.2"


@pytest.fixture(scope="module")
def wire():
    with two_nics(LEFT, RIGHT) as wire:
        yield wire


def switch(peer, offload, on):
    peer("ethtool", "-K", peer.netdev, offload, "on" if on else "off")


def test_features(wire):
    """Those of igb that we have are on, and no driver's limit keeps them so."""
    _, left, _ = wire
    features = dict(line.strip().split(": ", 1) for line in left("ethtool", "-k", left.netdev).splitlines()[1:])
    for name in ("rx-checksumming", "tx-checksum-ip-generic", "tx-checksum-sctp", "scatter-gather",
                 "tx-tcp-segmentation", "tx-tcp6-segmentation", "tx-udp-segmentation", "generic-receive-offload",
                 "rx-vlan-offload", "tx-vlan-offload", "receive-hashing"):
        assert features[name] == "on", name


@pytest.mark.parametrize("tso", [True, False])
def test_segmentation(wire, tso):
    """What is cut by hardware arrives whole, and is counted as what was on the wire."""
    _, left, right = wire
    switch(left, "tso", tso)
    try:
        before, sent = left.counters(), left.link()["stats64"]["tx"]["packets"]
        transfer(left, right, 1_000_000)
        cut = left.counters()["tx_tcp_seg_good"] - before["tx_tcp_seg_good"]
        assert cut > 0 if tso else cut == 0
        # The device's own counter takes what it cuts for one, in QEMU's model.
        assert left.link()["stats64"]["tx"]["packets"] - sent >= 1_000_000 // 1460
    finally:
        switch(left, "tso", True)


@pytest.mark.parametrize("offload", ["tx", "rx", "sg", "gro", "gso", "rxvlan", "txvlan", "rxhash"])
def test_without(wire, offload):
    """Traffic flows both ways whatever is off."""
    _, left, right = wire
    switch(left, offload, False)
    try:
        transfer(left, right)
        transfer(right, left)
    finally:
        # Without one, others go off with it.
        for each in ("tx", "rx", "sg", "gso", "gro", "tso", offload):
            switch(left, each, True)
    transfer(left, right)


@contextlib.contextmanager
def tunnel(near, far, address):
    """One of VXLAN from a peer to another one's address, with an address in it."""
    near.batch(f"link add vx0 type vxlan id 5 dstport 4789 local {near.address} remote {far.address} dev {near.netdev}",
               f"addr add {address}/24 dev vx0", "link set vx0 up")
    try:
        yield
    finally:
        near.ip("link", "del", "vx0")


def test_tunnels(wire):
    """The device knows no headers in others: what it does for packets is not asked of it there."""
    _, left, right = wire
    modprobe("vxlan")
    inner = "203.0.113.1", "203.0.113.2"
    with tunnel(left, right, inner[0]), tunnel(right, left, inner[1]):
        assert left.reaches(inner[1])
        transfer(left, right, address=inner[1])
        transfer(right, left, address=inner[0])


@pytest.mark.parametrize("length", [0, 1, 17, 18, 19, 1471, 1472])
def test_udp_checksum(wire, length):
    """Datagrams around the shortest and the longest frame arrive, and as they were sent."""
    _, left, right = wire
    data = os.urandom(length)
    with right.inside():
        receiver = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with left.inside():
        sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    with receiver, sender:
        receiver.bind((RIGHT, 0))
        receiver.settimeout(20)
        assert left.ping(RIGHT, count=1, wait=10) == 1
        sender.sendto(data, receiver.getsockname())
        assert receiver.recv(2048) == data


def test_bad_checksum_is_counted(wire):
    """A datagram with a wrong checksum is passed up, counted, and dropped by the stack."""
    _, left, right = wire
    source, target = (bytes.fromhex(peer.link()["address"].replace(":", "")) for peer in (left, right))
    payload = b"x" * 64
    udp = struct.pack(">HHHH", 4000, 4001, 8 + len(payload), 0xbad0) + payload
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 1, 0, 64, 17, 0, socket.inet_aton(LEFT),
                     socket.inet_aton(RIGHT))
    total = sum(struct.unpack(">10H", ip))
    total = (total & 0xffff) + (total >> 16)
    ip = ip[:10] + struct.pack(">H", ~((total & 0xffff) + (total >> 16)) & 0xffff) + ip[12:]

    def errors():
        return sum(value for name, value in right.counters().items() if name.endswith("csum_err"))
    before = errors()
    with left.inside():
        raw = socket.socket(socket.AF_PACKET, socket.SOCK_RAW)
    with raw:
        raw.bind((left.netdev, 0))
        for _ in range(5):
            raw.send(target + source + b"\x08\x00" + ip + udp)
    wait_for(lambda: errors() >= before + 5, 20, "wrong checksums counted")


@pytest.mark.parametrize("rx, tx", [(True, True), (True, False), (False, True), (False, False)])
def test_vlan_tags(wire, rx, tx):
    """By hardware or by software, a tag goes on here and comes off there."""
    _, left, right = wire
    switch(left, "txvlan", tx)
    switch(right, "rxvlan", rx)
    left.add_vlan(6, "203.0.113.1")
    right.add_vlan(6, "203.0.113.2")
    try:
        assert left.all_answered("203.0.113.2", size=1472, extra=("-M", "do"))
        settles(5, left, right, right.link()["address"], vlan=6, interface="v6")
    finally:
        for peer in (left, right):
            peer.ip("link", "del", "v6", check=False)
            switch(peer, "txvlan", True)
            switch(peer, "rxvlan", True)


def queue_counts(peer, way="rx"):
    found = peer.counters()
    return [value for name, value in sorted(found.items()) if name.startswith(f"{way}_queue_") and
            name.endswith("_packets")]


def flows(left, right, count=24):
    """Some connections from different ports, a little data each."""
    for _ in range(count):
        transfer(left, right, 2000)


def test_several_queues(wire):
    """The hash spreads connections over the queues, and the table says where to."""
    _, left, right = wire
    queues = len(queue_counts(right))
    assert queues >= 2, "the rig has two CPUs"
    before = queue_counts(right)
    flows(left, right)
    assert all(now > then for now, then in zip(queue_counts(right)[:2], before))
    right("ethtool", "-X", right.netdev, "equal", "1")
    try:
        before = queue_counts(right)
        flows(left, right, 8)
        now = queue_counts(right)
        assert now[0] > before[0] and now[1:] == before[1:]
        right("ethtool", "-X", right.netdev, "weight", "0", "1")
        before = queue_counts(right)
        flows(left, right, 8)
        # What is no IP, like ARP, has no hash and goes to the first.
        assert queue_counts(right)[1] - before[1] > 8
    finally:
        right("ethtool", "-X", right.netdev, "default")


def test_sent_by_several_queues(wire):
    _, left, right = wire
    before = queue_counts(left, "tx")
    for cpu in (0, 1):
        left("taskset", "-c", cpu, "ping", "-c", 3, "-i", "0.1", "-W", 10, RIGHT)
    assert all(now > then for now, then in zip(queue_counts(left, "tx")[:2], before))


def test_queues_beside_vfs(wire):
    """With VFs the PF keeps two pairs of queues, and traffic."""
    host, left, right = wire
    host.nics[0].numvfs = 2
    try:
        left.wait_carrier()
        assert re.findall(r"^Combined:\s+(\d+)$", left("ethtool", "-l", left.netdev), re.M) == ["2", "2"]
        transfer(left, right)
        transfer(right, left)
    finally:
        host.nics[0].numvfs = 0
    transfer(left, right)
