# SPDX-License-Identifier: GPL-2.0
"""The relay that holds and damages migration streams."""

import contextlib
import re
import socket
import sys
import threading
import time
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

from rigtest.relay import Cut, CutAt, Flip, Relay

SECONDS = 20


class Ends:
    """A relay between a source and a target."""

    def __init__(self, folder, **options):
        self.listener = socket.socket(socket.AF_UNIX)
        self.listener.bind(str(folder / "target"))
        self.listener.listen(1)
        self.relay = Relay(folder / "relay", folder / "target", **options)
        self.source = socket.socket(socket.AF_UNIX)

    def connect(self):
        self.source.connect(self.relay.path)
        self.source.settimeout(SECONDS)
        self.target, _ = self.listener.accept()
        self.target.settimeout(SECONDS)
        return self

    def arrive(self, count):
        got = b""
        while len(got) < count and (data := self.target.recv(1 << 16)):
            got += data
        return got


@pytest.fixture
def ends(tmp_path):
    made = []

    def make(**options):
        made.append(Ends(tmp_path, **options))
        return made[-1]
    yield make
    for each in made:
        each.relay.close()


def test_it_passes_both_ways(ends):
    pair = ends().connect()
    pair.source.sendall(b"there")
    assert pair.arrive(5) == b"there"
    pair.target.sendall(b"back")
    assert pair.source.recv(4) == b"back"


def test_who_connects_to_a_shut_one_waits(ends):
    pair = ends(shut=True)
    thread = threading.Thread(target=pair.connect)
    thread.start()
    thread.join(0.5)
    assert thread.is_alive()
    pair.relay.open()
    thread.join(SECONDS)
    pair.source.sendall(b"x")
    assert pair.arrive(1) == b"x"


def test_what_is_held_comes_later_or_never(ends):
    pair = ends().connect()
    pair.relay.hold()
    pair.source.sendall(b"kept")
    pair.target.settimeout(0.5)
    with pytest.raises(TimeoutError):
        pair.target.recv(1)
    assert pair.relay.came == 4
    pair.relay.release()
    pair.target.settimeout(SECONDS)
    assert pair.arrive(4) == b"kept"
    pair.relay.hold()
    pair.source.sendall(b"lost")
    end = time.monotonic() + SECONDS
    while pair.relay.came < 8 and time.monotonic() < end:
        time.sleep(0.01)
    pair.relay.close()
    assert pair.target.recv(1) == b""
    assert pair.source.recv(1) == b""


def test_the_source_is_told_of_the_target_s_death(ends):
    pair = ends().connect()
    pair.relay.hold()
    pair.source.sendall(b"x")
    pair.target.close()
    # What it had not read makes the end a reset.
    with contextlib.suppress(ConnectionResetError):
        assert pair.source.recv(1) == b""
    # Nobody takes what was kept; that is no error.
    pair.relay.release()


PIECES = (1, 3, 7, 64)


@pytest.mark.parametrize("piece", PIECES)
def test_a_pattern_is_found_across_pieces(piece):
    data = b"..mark+1....mark+2...marx+3"
    flip = Flip(b"mark.[0-9]", 6)
    out = b"".join(flip(data[at:at + piece], at) for at in range(0, len(data), piece))
    assert out == data.replace(b"mark+1", b"mark+\xce").replace(b"mark+2", b"mark+\xcd")
    assert flip.found == 2


@pytest.mark.parametrize("piece", PIECES)
@pytest.mark.parametrize("cut", (lambda: Cut(re.escape(b"mark"), 4), lambda: CutAt(6)))
def test_a_stream_is_cut(piece, cut):
    data, cut, got = b"..mark....mark", cut(), b""
    for at in range(0, len(data), piece):
        out = cut(data[at:at + piece], at)
        got += out
        if len(out) < len(data[at:at + piece]):
            break
    assert got == b"..mark" and cut.found
