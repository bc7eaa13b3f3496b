# SPDX-License-Identifier: GPL-2.0
"""The dynamic-trap region of a device (include/uapi/linux/vfio_mediate.h)."""

import struct
from dataclasses import dataclass

CAP_TYPE = 2
HEADER, WINDOW = 0x40, 24
CONTROL, EVENT, ACK, RETRY = 0x10, 0x14, 0x20, 0x28
OPT_IN, PREFAULT = 1, 2
NEVER_MAPPED, OPTIONAL = 1, 2


@dataclass
class View:
    """What there is to be read."""

    version: int
    size: int
    nr_windows: int
    window_size: int
    control: int
    event_fd: int
    wanted: int
    sequence: int
    ack: int
    trapped: int
    retry: int
    reserved: int
    fault_iova: int
    fault_len: int


class TrapRegion:
    """The region of an open device, which has one."""

    def __init__(self, device, index=9):
        self.device, self.region = device, device.region(index)
        assert CAP_TYPE in self.region.caps

    def view(self):
        return View(*struct.unpack("<5Ii6IQQ", self.device.read(self.region, 0, HEADER)))

    def windows(self):
        """(BAR, flags, offset, size) of each."""
        view = self.view()
        data = self.device.read(self.region, HEADER, view.nr_windows * WINDOW)
        return list(struct.iter_unpack("<IIQQ", data))

    def write(self, offset, value):
        return self.device.write(self.region, offset, struct.pack("<i" if value < 0 else "<I", value))
