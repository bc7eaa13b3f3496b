# SPDX-License-Identifier: GPL-2.0
"""Single Ethernet frames between peers, and who hears them.

After the frames goes a broadcast, which everybody receives and the wire does not
overtake: when it is there, so is all that was to come.
"""

import contextlib
import os
import socket
import struct

from .pci import wait_for

# For local experiments, so nobody else sends it.
TYPE = 0x88B5
VLAN = 0x8100
BROADCAST = "ff:ff:ff:ff:ff:ff"
# Of linux/if_ether.h and linux/if_packet.h
ALL = 3
SOL_PACKET, ADD_MEMBERSHIP, AUXDATA, MR_PROMISC = 263, 1, 8, 1
# struct tpacket_auxdata: status, two lengths, two offsets, tag, type of the tag
AUX, TAG_VALID = "=IIIHHHH", 1 << 4
SECONDS = 30
# More frames than anybody else sends in a test.
MOST = 1000


def octets(mac):
    return bytes.fromhex(mac.replace(":", ""))


@contextlib.contextmanager
def packet_socket(peer, interface, promiscuous=False, kind=TYPE):
    """A socket for frames of our type, or of `kind`, on an interface of the peer."""
    with peer.inside():
        sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
        index = socket.if_nametoindex(interface)
    with sock:
        if promiscuous:
            sock.setsockopt(SOL_PACKET, ADD_MEMBERSHIP, struct.pack("iHH8s", index, MR_PROMISC, 0, b""))
        sock.bind((interface, kind))
        yield sock


def send(sender, mac, count):
    """Frames to `mac` that mean nothing to anybody."""
    head = octets(mac) + octets(sender.link()["address"]) + struct.pack("!H", TYPE)
    with packet_socket(sender, sender.netdev) as mouth:
        for _ in range(count):
            mouth.send(head.ljust(60, b"\0"))


def heard(sender, listener, mac, count=5, vlan=None, interface=None):
    """How many of `count` frames to `mac` the listener's NIC lets in, as seen on
    `interface` if that is another one above it."""
    token, last = os.urandom(8), os.urandom(8)
    own = octets(sender.link()["address"])
    tag = b"" if vlan is None else struct.pack("!HH", VLAN, vlan)
    frames = [octets(mac) + own + tag + struct.pack("!H", TYPE) + token.ljust(64, b"\0")] * count
    frames.append(octets(BROADCAST) + own + struct.pack("!H", TYPE) + last.ljust(64, b"\0"))
    with contextlib.ExitStack() as stack:
        ear = stack.enter_context(packet_socket(listener, listener.netdev))
        above = stack.enter_context(packet_socket(listener, interface)) if interface else ear
        mouth = stack.enter_context(packet_socket(sender, sender.netdev))
        for frame in frames:
            mouth.send(frame)
        ear.settimeout(SECONDS)
        number = 0
        # Its time-out says that not even a broadcast comes through.
        while last not in (frame := ear.recv(2048)):
            number += above is ear and token in frame
        above.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while above is not ear:
                number += token in above.recv(2048)
        return number


def tag(sender, listener):
    """The tag (priority and VLAN) that the sender's broadcast has on the listener's wire,
    None if it has none."""
    token = os.urandom(8)
    frame = octets(BROADCAST) + octets(sender.link()["address"]) + struct.pack("!H", TYPE) + token.ljust(64, b"\0")
    # Those for one type come too late: without tag.
    with packet_socket(listener, listener.netdev, kind=ALL) as ear, packet_socket(sender, sender.netdev) as mouth:
        ear.setsockopt(SOL_PACKET, AUXDATA, 1)
        ear.settimeout(SECONDS)
        mouth.send(frame)
        for _ in range(MOST):
            data, told, _, _ = ear.recvmsg(2048, socket.CMSG_SPACE(struct.calcsize(AUX)))
            if token in data:
                (_, _, aux), = told
                status, _, _, _, _, number, _ = struct.unpack(AUX, aux)
                return number if status & TAG_VALID else None
    raise AssertionError("there are only others' frames")


def settles(count, *words, seconds=20, **options):
    """Waits until as many are heard: the kernel writes filters from a worker."""
    wait_for(lambda: heard(*words, **options) == count, seconds, f"{count} frames of {words} {options}")
