# SPDX-License-Identifier: GPL-2.0
"""A transmit queue that hangs. In a rig of its own: the kernel says so, loudly."""

import contextlib
import mmap
import struct

import pytest

from rigtest.net import peers, run
from test_netdev import LEFT, RIGHT, pings

TXDCTL, STRIDE = 0xE028, 0x40


@contextlib.contextmanager
def registers(nic):
    """BAR0, beside the driver: the rig's kernel is told to allow that."""
    with open(nic.path / "resource0", "r+b") as file, mmap.mmap(file.fileno(), 0x20000) as bar:
        yield bar


def switch_off_queue(nic):
    """The PF's queue: that of the pool after its VFs'."""
    with registers(nic) as bar:
        at = TXDCTL + STRIDE * nic.numvfs
        before = struct.unpack("<I", bar[at:at + 4])[0]
        assert before & 1 << 25, f"the queue is not on: {before:#x}"
        bar[at:at + 4] = struct.pack("<I", 0)


@pytest.mark.parametrize("vfs", (0, 2))
def test_a_transmit_queue_that_hangs_is_restarted(nics, log, vfs):
    nic = nics[0]
    nic.numvfs = vfs
    # All packets are to take the queue that hangs.
    run("ethtool", "-L", nic.netdev, "combined", "1")
    with peers((nic.netdev, LEFT), (nics[1].netdev, RIGHT)) as (left, right):
        pings(left, RIGHT)
        for _ in range(2):
            switch_off_queue(nic)
            # The watchdog looks every five seconds, and the link comes back after.
            assert left.reaches(RIGHT, seconds=60)
            pings(right, LEFT)
    text = log()
    assert text.count("NETDEV WATCHDOG") == text.count("transmit queue hangs: head") == 2
    assert "does not restart" not in text
