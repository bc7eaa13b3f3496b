# SPDX-License-Identifier: GPL-2.0
"""VFIO migration v2 by raw ioctls: states, data files, and the mediator's stream."""

import array
import enum
import errno
import fcntl
import os
import select
import struct
import zlib

# include/uapi/linux/vfio.h
DEVICE_FEATURE, MIG_GET_PRECOPY_INFO = 0x3B75, 0x3B79
GET, SET, PROBE = 1 << 16, 1 << 17, 1 << 18
MIGRATION, MIG_DEVICE_STATE, MIG_DATA_SIZE, MIG_PRECOPY_INFO_V2 = 1, 2, 9, 12
LOGGING_START, LOGGING_STOP, LOGGING_REPORT = 6, 7, 8
STOP_COPY_FLAG, P2P_FLAG, PRE_COPY_FLAG = 1, 2, 4
REINIT = 1

# Documentation/stream-format.rst
MAGIC = b"\x89VFM\r\n\x1a\n"
HEADER, PRECOPY, STATE, END = 1, 2, 3, 4
MAX_STATE, MAX_STREAM = 1 << 20, 8 << 20


class S(enum.IntEnum):
    """enum vfio_device_mig_state."""

    ERROR, STOP, RUNNING, STOP_COPY, RESUMING, RUNNING_P2P, PRE_COPY, PRE_COPY_P2P = range(8)


def feature(device, flags, payload):
    """VFIO_DEVICE_FEATURE; answers the payload as the kernel left it."""
    argument = bytearray(struct.pack("<II", 8 + len(payload), flags) + payload)
    fcntl.ioctl(device.fd, DEVICE_FEATURE, argument)
    return bytes(argument[8:])


def flags(device):
    return struct.unpack("<Q", feature(device, GET | MIGRATION, bytes(8)))[0]


def state(device):
    return S(struct.unpack("<Ii", feature(device, GET | MIG_DEVICE_STATE, struct.pack("<Ii", 0, -1)))[0])


def data_size(device):
    return struct.unpack("<Q", feature(device, GET | MIG_DATA_SIZE, bytes(8)))[0]


def opt_in(device):
    """Be told of new initial data in pre-copy."""
    feature(device, SET | MIG_PRECOPY_INFO_V2, b"")


def set_state(device, to):
    """Go to a state; answers a data file descriptor, or None."""
    payload = feature(device, SET | MIG_DEVICE_STATE, struct.pack("<Ii", to, -1))
    fd = struct.unpack("<Ii", payload)[1]
    return None if fd < 0 else fd


def log_start(device, ranges, page_size=4096):
    """Have the device log what it writes to ranges (first byte, bytes); answers the page size."""
    pairs = array.array("Q", [number for pair in ranges for number in pair])
    address = pairs.buffer_info()[0] if pairs else 0
    payload = struct.pack("<QIIQ", page_size, len(ranges), 0, address)
    return struct.unpack("<QIIQ", feature(device, SET | LOGGING_START, payload))[0]


def log_stop(device):
    feature(device, SET | LOGGING_STOP, b"")


def log_report(device, iova, length, page_size=4096):
    """The pages of a range that the device has written to, by their numbers in it."""
    # Some more than there are pages, which must stay untouched.
    pages = min(-(-length // page_size), 1 << 20)
    words = array.array("Q", bytes(8 * (pages // 64 + 2)))
    feature(device, GET | LOGGING_REPORT, struct.pack("<QQQQ", iova, length, page_size, words.buffer_info()[0]))
    found = [64 * at + bit for at, word in enumerate(words) if word for bit in range(64) if word >> bit & 1]
    assert not found or found[-1] < pages
    return found


class DataFile:
    """A data file that is closed at the end of a block."""

    def __init__(self, fd):
        assert fd is not None, "no data file"
        self.fd = fd

    def __enter__(self):
        return self

    def __exit__(self, *_):
        os.close(self.fd)

    def read(self, count=1 << 20):
        return os.read(self.fd, count)

    def write(self, data):
        return os.write(self.fd, data)

    def write_all(self, data, piece=1 << 16):
        for at in range(0, len(data), piece):
            part = data[at:at + piece]
            assert self.write(part) == len(part)

    def drain(self, count=1 << 20):
        """All bytes up to the end, or up to where it ends for now."""
        data = bytearray()
        try:
            while part := self.read(count):
                data += part
        except OSError as error:
            if error.errno != errno.ENOMSG:
                raise
        return bytes(data)

    def poll(self, timeout=0):
        """The events of poll(2) that are pending."""
        poller = select.poll()
        poller.register(self.fd, select.POLLIN | select.POLLRDNORM | select.POLLRDHUP)
        found = poller.poll(timeout)
        return found[0][1] if found else 0

    def info(self, argsz=24, user_flags=0):
        """(flags, initial_bytes, dirty_bytes) of VFIO_MIG_GET_PRECOPY_INFO."""
        info = array.array("B", struct.pack("<IIQQ", argsz, user_flags, 0, 0))
        fcntl.ioctl(self.fd, MIG_GET_PRECOPY_INFO, info)
        _, found, initial, dirty = struct.unpack("<IIQQ", info)
        return found, initial, dirty


def record(tag, payload, record_flags=0):
    return struct.pack("<HHI", tag, record_flags, len(payload)) + payload


def prelude(version=1, magic=MAGIC, reserved=0):
    return magic + struct.pack("<II", version, reserved)


def identity(provider=b"test_provider", vendor=0x8086, device=0x10CA, abi=4):
    return record(HEADER, struct.pack("<IHH", abi, vendor, device) + provider)


def sealed(body):
    """A stream's records with the END record that belongs to them."""
    return body + record(END, struct.pack("<I", zlib.crc32(body)))


def parse(stream):
    """The records of a stream as (tag, payload); its frame is checked."""
    assert stream[:16] == prelude()
    records, at = [], 16
    while at < len(stream):
        tag, found, size = struct.unpack_from("<HHI", stream, at)
        assert found == 0
        payload = stream[at + 8:at + 8 + size]
        assert len(payload) == size
        if tag == END:
            assert payload == struct.pack("<I", zlib.crc32(stream[:at]))
        records.append((tag, payload))
        at += 8 + size
    return records
