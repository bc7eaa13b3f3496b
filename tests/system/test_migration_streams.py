# SPDX-License-Identifier: GPL-2.0
"""What the mediator makes of streams that are forged, cut, reordered or foreign."""

import struct

import pytest

from mover import (  # noqa: F401 (fixtures are used by name)
    GOOD, device, log, parameter, refused, registers, rig, stream, vf, vfs,
)
from rigtest import migration as mig
from rigtest.migration import DataFile, S, set_state
from rigtest.vfio import outcome

BODY = GOOD[:-12]
HEAD = mig.prelude() + mig.identity()
COMPARED = mig.record(mig.PRECOPY, struct.pack("<I", 1))
FINAL = mig.record(mig.STATE, bytes(16))
FORGED = {
    "nothing": (b"", "EINVAL", "ends early, after 0 bytes"),
    "magic": (b"\0" + GOOD[1:], "EINVAL", "it is not a migration stream"),
    "text mode": (GOOD.replace(b"\r\n", b"\n"), "EINVAL", "it is not a migration stream"),
    "version": (mig.sealed(mig.prelude(2) + BODY[16:]), "ENOTSUP", "format version 2"),
    "reserved": (mig.sealed(mig.prelude(reserved=1) + BODY[16:]), "EINVAL", "reserved word"),
    "other provider": (stream(provider=b"igb_rs"), "EXDEV", "another PF driver made it"),
    "longer name": (stream(provider=b"test_provider2"), "EXDEV", "another PF driver made it"),
    "no name": (stream(provider=b""), "EFBIG", "record 1 has 8 bytes"),
    "long name": (stream(provider=b"x" * 32), "EFBIG", "record 1 has 40 bytes"),
    "other vendor": (stream(vendor=0x15B3), "EXDEV", "a device 15b3:10ca"),
    "other device": (stream(device=0x1520), "EXDEV", "a device 8086:1520"),
    "compat": (stream(compat=2), "EINVAL", "compat differs: set it alike"),
    "checksum": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "EBADMSG", "checksum is wrong"),
    "changed state": (GOOD[:-13] + b"\x77" + GOOD[-12:], "EBADMSG", "checksum is wrong"),
    "trailing": (GOOD + b"\0", "EINVAL", "something follows its end"),
    "twice": (GOOD + GOOD, "EINVAL", "something follows its end"),
    "flags": (mig.sealed(HEAD + mig.record(mig.PRECOPY, b"\1\0\0\0", 2) + FINAL), "EINVAL", "flags 0x2"),
    "optional": (mig.sealed(HEAD + COMPARED + mig.record(mig.STATE, bytes(16), 1)), "EINVAL", "flags 0x1"),
    "unknown": (mig.sealed(HEAD + COMPARED + mig.record(9, b"") + FINAL), "ENOTSUP", "record 9 is unknown"),
    "no header": (mig.sealed(mig.prelude() + COMPARED + FINAL), "EINVAL", "record 2 is out of order"),
    "two headers": (mig.sealed(HEAD + mig.identity() + COMPARED + FINAL), "EINVAL", "record 1 is out of order"),
    "no precopy": (mig.sealed(HEAD + FINAL), "EINVAL", "record 3 is out of order"),
    "no state": (mig.sealed(HEAD + COMPARED), "EINVAL", "record 4 is out of order"),
    "two states": (mig.sealed(HEAD + COMPARED + FINAL + FINAL), "EINVAL", "record 3 is out of order"),
    "reordered": (mig.sealed(HEAD + FINAL + COMPARED), "EINVAL", "record 3 is out of order"),
    "precopy too late": (mig.sealed(HEAD + COMPARED + FINAL + COMPARED), "EINVAL", "record 2 is out of order"),
    "no end": (BODY, "EINVAL", "ends early"),
    "short state": (mig.sealed(HEAD + COMPARED + mig.record(mig.STATE, b"x")), "EINVAL", "loading the VF's state"),
    "large state": (HEAD + COMPARED + struct.pack("<HHI", mig.STATE, 0, mig.MAX_STATE + 1), "EFBIG", "record 3 has"),
    "huge state": (HEAD + COMPARED + struct.pack("<HHI", mig.STATE, 0, 0xFFFFFFFF), "EFBIG", "record 3 has"),
    "end's size": (BODY + mig.record(mig.END, bytes(5)), "EFBIG", "record 4 has 5 bytes"),
}


@pytest.mark.parametrize("case", FORGED)
@pytest.mark.parametrize("piece", (1, 1 << 16))
def test_forged_streams(device, log, case, piece):
    data, errno, words = FORGED[case]
    registers(device, (5, 6))
    assert refused(device, data, piece) == errno
    assert words in log()
    # A whole stream is loaded when its last byte has come, before anybody knows what follows.
    was_whole = piece == 1 and data.startswith(GOOD)
    assert registers(device) == ((1, 2) if was_whole else (5, 6))
    assert refused(device, GOOD) is None, "a right stream works afterwards"
    assert registers(device) == (1, 2)


def test_truncated_streams(device):
    registers(device, (5, 6))
    for length in range(len(GOOD)):
        assert refused(device, GOOD[:length]) == "EINVAL"
    assert registers(device) == (5, 6)


def test_optional_records_are_skipped(device):
    extra = mig.record(0x7777, b"from the future", 1)
    assert refused(device, mig.sealed(HEAD + extra + COMPARED + extra + FINAL + extra)) is None


def test_the_last_precopy_record_counts(device):
    other = mig.record(mig.PRECOPY, struct.pack("<I", 2))
    assert refused(device, mig.sealed(HEAD + COMPARED + COMPARED + FINAL)) is None
    assert refused(device, mig.sealed(HEAD + COMPARED + other + FINAL)) == "EINVAL"


def test_endless_streams_are_cut_off(device):
    filler = mig.record(0x7777, bytes(1 << 19), 1)
    assert refused(device, HEAD + 20 * filler) == "EFBIG"


def test_an_incompatible_destination_fails_early(device):
    """With the PRECOPY record, before there is any state."""
    with DataFile(set_state(device, S.RESUMING)) as data:
        data.write(HEAD)
        assert outcome(lambda: data.write(mig.record(mig.PRECOPY, struct.pack("<I", 2)))) == "EINVAL"


def test_a_write_from_nowhere(device):
    """A fault of the user's memory is an error, or a short write."""
    import ctypes
    import mmap
    libc = ctypes.CDLL(None, use_errno=True)
    area = mmap.mmap(-1, 3 * mmap.PAGESIZE)
    address = ctypes.addressof(ctypes.c_char.from_buffer(area))
    libc.mprotect(ctypes.c_void_p(address + 2 * mmap.PAGESIZE), mmap.PAGESIZE, 0)
    start = address + 2 * mmap.PAGESIZE - len(GOOD)
    ctypes.memmove(start, GOOD, len(GOOD))
    with DataFile(set_state(device, S.RESUMING)) as data:
        hole = ctypes.c_void_p(address + 2 * mmap.PAGESIZE)
        assert libc.write(data.fd, hole, 10) == -1 and ctypes.get_errno() == 14
        assert libc.write(data.fd, ctypes.c_void_p(start), len(GOOD)) == len(GOOD)
        assert set_state(device, S.STOP) is None
