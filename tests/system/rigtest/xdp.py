# SPDX-License-Identifier: GPL-2.0
"""XDP programs on interfaces of peers, and frames that tell them what to do."""

import contextlib
import enum
import functools
import struct
import tempfile
from pathlib import Path

from .frames import TYPE, octets
from .net import run

SOURCE = Path(__file__).with_name("xdp.bpf.c")
METADATA = 0x4D455441
# How many bytes a frame loses or gains at an end.
ADDED = 4
# Addresses and type; command, how many programs have seen it, a number; a token.
HEAD = "!12sHBB"
SHORTEST, LONGEST = 60, 1514


class Command(enum.IntEnum):
    """What a frame wants of the program `obey`."""

    PASS, DROP, SEND_BACK, REDIRECT, ABORT, INVALID, MARK, GROW_HEAD, SHRINK, GROW = range(10)


@functools.cache
def programs():
    """The object that has them all."""
    path = Path(tempfile.mkdtemp(prefix="xdp")) / "xdp.o"
    run("clang-19", "-O2", "-Wall", "-Werror", "-target", "bpf", "-I/usr/include/x86_64-linux-gnu",
        "-D__section(name)=__attribute__((section(name)))", "-D__used=__attribute__((used))", "-c", SOURCE, "-o", path)
    return path


def attach(peer, program, netdev=None, force=False):
    """Lets the program see what the interface receives; with `force`, in the place of another."""
    peer.ip(*(["-force"] if force else []), "link", "set", "dev", netdev or peer.netdev, "xdpdrv", "obj", programs(),
            "program", program)


def detach(peer, netdev=None):
    peer.ip("link", "set", "dev", netdev or peer.netdev, "xdpdrv", "off")


@contextlib.contextmanager
def attached(peer, program, netdev=None):
    attach(peer, program, netdev)
    try:
        yield
    finally:
        detach(peer, netdev)


def frame(to, source, command, token, number=0, size=SHORTEST):
    """One of our type; the number is in the CPU's byte order, as programs read it."""
    head = struct.pack(HEAD, octets(to) + octets(source), TYPE, command, 0) + struct.pack("=I", number)
    return (head + token).ljust(size, b"\x55")


class Seen:
    """A frame as it was received."""

    def __init__(self, data):
        addresses, _, self.command, self.programs = struct.unpack_from(HEAD, data)
        self.to, self.source = addresses[:6], addresses[6:]
        self.number, = struct.unpack_from("=I", data, struct.calcsize(HEAD))
        self.data = data


def exchange(mouth, frames, ear, token, end, seen_end):
    """Sends frames, then `end`, and answers those with the token that come to the other
    socket before `seen_end`, as which that arrives."""
    for each in (*frames, end):
        mouth.send(each)
    ear.settimeout(30)
    seen = []
    while (data := ear.recv(4096)) != seen_end:
        if token in data:
            seen.append(Seen(data))
    return seen
