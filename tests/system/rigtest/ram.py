# SPDX-License-Identifier: GPL-2.0
"""A guest's memory on both sides of a move: what differs was not sent again."""

import mmap
import struct
import time

PAGE = 4096
# struct pvclock_wall_clock: a version, seconds and nanoseconds.
WALL_CLOCK = struct.Struct("<III")
DAY_SECONDS = 86400


def _dump(guest):
    """All of its memory as QEMU has it, in a file."""
    path = guest.folder / "ram"
    guest.qmp.command("pmemsave", val=0, size=guest.memory << 20, filename=str(path))
    return path


def _is_wall_clock(here, there):
    """Whether two pages differ in nothing but the time at which the guest was started, which
    KVM tells it anew on the destination."""
    differ = [at for at in range(PAGE) if here[at] != there[at]]
    first, last = differ[0] // 4 * 4, differ[-1]
    for base in range(max(0, first - 8), first + 4, 4):
        if base + WALL_CLOCK.size <= PAGE and last < base + WALL_CLOCK.size:
            seconds = [WALL_CLOCK.unpack_from(page, base)[1] for page in (here, there)]
            if all(abs(second - time.time()) < DAY_SECONDS for second in seconds):
                return True
    return False


def stale_pages(source, target):
    """Numbers of the pages in which a guest that was moved and what has become of it differ;
    neither runs."""
    paths = [_dump(guest) for guest in (source, target)]
    try:
        with open(paths[0], "rb") as one, open(paths[1], "rb") as other, \
                mmap.mmap(one.fileno(), 0, access=mmap.ACCESS_READ) as here, \
                mmap.mmap(other.fileno(), 0, access=mmap.ACCESS_READ) as there:
            assert len(here) == len(there) > 0
            pages = ((here[at:at + PAGE], there[at:at + PAGE]) for at in range(0, len(here), PAGE))
            return [number for number, (old, new) in enumerate(pages) if old != new and not _is_wall_clock(old, new)]
    finally:
        for path in paths:
            path.unlink()
