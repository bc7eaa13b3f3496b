# SPDX-License-Identifier: GPL-2.0
"""Packets in tunnels that the device cuts, once it is asked to: on the wire they are what in-tree igb makes of them.

QEMU's model takes the headers of a tunnel for those of the packet inside, so that neither driver's
arrive. What the device is told is the same by both if what it does with it is.
"""

import socket
import struct
import zlib

import pytest

from conftest import Host
from rigtest.frames import ALL, BROADCAST, MOST, SECONDS, SOL_PACKET, TYPE, octets, packet_socket
from rigtest.net import peers
from rigtest.pci import modprobe
from rigtest.probe import checksum
from test_netdev import LEFT, RIGHT

# Of linux/if_packet.h and linux/virtio_net.h
VNET_HDR = 15
NEEDS_CSUM, TCPV4 = 1, 1
INSIDE, BEYOND = "203.0.113.1", "203.0.113.2"
BEYOND_MAC = "02:00:00:00:00:05"
ETHERNET, IPV4, TCP = 14, 20, 20
IP = 0x0800
SEGMENT = 1000
# Bytes of a frame that a failure shows.
HEADERS = 100
SWITCHES = ("tx-gso-partial", "tx-tcp-mangleid-segmentation", "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation",
            "tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-ipxip4-segmentation")
TUNNELS = {
    "vxlan": "vxlan id 5 dstport 4789 srcport 5000 5001 noudpcsum df set",
    "vxlan-csum": "vxlan id 5 dstport 4789 srcport 5000 5001 udpcsum df set",
    "gre": "gretap nopmtudisc",
    "gre-csum": "gretap ocsum nopmtudisc",
}


def inner(source, length):
    """A packet of TCP that is to be cut, with its headers as the stack leaves them to a device."""
    addresses = socket.inet_aton(INSIDE) + socket.inet_aton(BEYOND)
    head = struct.pack("!BBHHHBBH", 0x45, 0, IPV4 + TCP + length, 7, 0x4000, 64, socket.IPPROTO_TCP, 0) + addresses
    head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
    pseudo = ~checksum(addresses + struct.pack("!HH", socket.IPPROTO_TCP, TCP + length)) & 0xffff
    tcp = struct.pack("!HHIIBBHHH", 1000, 1001, 1, 1, TCP // 4 << 4, 0x18, 512, pseudo, 0)
    body = bytes(n * 7 & 0xff for n in range(length))
    return octets(BEYOND_MAC) + octets(source) + struct.pack("!H", IP) + head + tcp + body


def on_the_wire(left, right, interface, length):
    """What the other end sees of such a packet: of each frame whether the checksum of its outer header is right, its
    size, how it begins, and a sum of all but numbers and checksums that are right."""
    start = ETHERNET + IPV4
    header = struct.pack("=BBHHHH", NEEDS_CSUM, TCPV4, start + TCP, SEGMENT, start, 16)
    own = octets(left.link()["address"])
    found = []
    with packet_socket(right, right.netdev, promiscuous=True, kind=ALL) as ear, \
            packet_socket(left, interface, kind=IP) as mouth, packet_socket(left, left.netdev) as after:
        mouth.setsockopt(SOL_PACKET, VNET_HDR, 1)
        ear.settimeout(SECONDS)
        mouth.send(header + inner("02:00:00:00:00:04", length))
        after.send(octets(BROADCAST) + own + struct.pack("!H", TYPE) + bytes(46))
        for _ in range(MOST):
            frame = ear.recv(16384)
            kind, = struct.unpack("!H", frame[12:14])
            if frame[6:12] == own and kind == TYPE:
                return found
            if frame[6:12] == own and kind == IP:
                words = (frame[14] & 15) * 4
                valid = checksum(frame[14:14 + words]) == 0
                # Where the model does nothing, it is what the driver wants it to begin with.
                rest = frame[:18] + frame[20:24] + (b"" if valid else frame[24:26]) + frame[26:]
                found.append((valid, len(frame), rest[:HEADERS].hex(), zlib.crc32(rest)))
    raise AssertionError("there are only others' frames")


@pytest.fixture(scope="module")
def wires():
    """What is on the wire by (driver, tunnel, bytes, whether the device cuts)."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    for module in ("igb", "vxlan", "ip_gre"):
        modprobe(module)
    found = {}
    for driver in ("igb", "igb_rs"):
        host.nics[0].bind(driver)
        host.nics[1].bind("igb_rs")
        with peers((host.nics[0].netdev, LEFT), (host.nics[1].netdev, RIGHT)) as (left, right):
            # By one queue, so that none is overtaken.
            for peer in (left, right):
                peer("ethtool", "-L", peer.netdev, "combined", 1)
            # A tunnel is not to say anything of its own.
            left("sysctl", "-q", "net.ipv6.conf.default.disable_ipv6=1")
            right("ethtool", "-K", right.netdev, "gro", "off")
            right.ip("link", "set", right.netdev, "mtu", 9000)
            assert left.reaches(RIGHT)
            for cut in (True, False):
                for each in SWITCHES:
                    left("ethtool", "-K", left.netdev, each, "on" if cut else "off")
                for name, kind in TUNNELS.items():
                    left.batch(f"link add t0 type {kind} local {LEFT} remote {RIGHT} dev {left.netdev}",
                               "link set t0 up")
                    for length in (3 * SEGMENT, 3 * SEGMENT + 1):
                        found[driver, name, length, cut] = on_the_wire(left, right, "t0", length)
                    left.ip("link", "del", "t0")
    host.clean()
    yield found


@pytest.mark.parametrize("length", [3 * SEGMENT, 3 * SEGMENT + 1])
@pytest.mark.parametrize("name", TUNNELS)
def test_what_the_device_cuts_is_as_igb_s(wires, name, length):
    igb, ours = (wires[driver, name, length, True] for driver in ("igb", "igb_rs"))
    assert ours == igb and ours


@pytest.mark.parametrize("name", TUNNELS)
def test_it_is_the_device_that_cuts(wires, name):
    """Otherwise there would be no difference: the model makes of it what it should not."""
    assert wires["igb_rs", name, 3 * SEGMENT, True] != wires["igb_rs", name, 3 * SEGMENT, False]


@pytest.mark.parametrize("name", TUNNELS)
def test_what_the_stack_cuts_are_whole_packets(wires, name):
    """Four, of which the last has a byte, each with all that belongs before it."""
    frames = wires["igb_rs", name, 3 * SEGMENT + 1, False]
    assert all(valid for valid, *_ in frames)
    sizes = [size for _, size, *_ in frames]
    assert sizes == [sizes[0]] * 3 + [sizes[0] - SEGMENT + 1]
