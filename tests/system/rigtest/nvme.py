# SPDX-License-Identifier: GPL-2.0
"""SR-IOV NVMe controllers of the rig: PFs under the kernel's nvme driver, and their VFs.

A VF is a secondary controller. It answers once the PF has given it queues and
an interrupt and has set it online, which the Virtualization Management command
of the NVMe specification does.
"""

import ctypes
import fcntl
import struct

from . import pci
from .pci import wait_for

IDENT = (0x1B36, 0x0010)
# include/uapi/linux/nvme_ioctl.h
ADMIN_CMD, RESET = 0xC0484E41, 0x4E44
COMMAND = struct.Struct("<BBHIIIQQII6III")
TIMEOUT_MS = 30000
# Admin commands, and what is used of them.
IDENTIFY, VIRTUALIZATION = 0x06, 0x1C
SECONDARY_LIST, LIST_SIZE = 0x15, 4096
PRIMARY_FLEXIBLE, ASSIGN, ONLINE = 0x1, 0x8, 0x9
QUEUES, INTERRUPTS = 0, 1
# What a VF needs at least.
NEEDS = {QUEUES: 2, INTERRUPTS: 1}


class Controller:
    """One PF; it has as many VFs as it has secondary controllers."""

    def __init__(self, function):
        self.function = function
        function.bind("nvme")
        folder = function.path / "nvme"
        name = wait_for(lambda: [p.name for p in folder.glob("nvme*")], 30, f"nvme of {function}")[0]
        self._node = f"/dev/{name}"
        # Admin commands are answered when the driver has set the controller up.
        state = folder / name / "state"
        self._live = lambda: wait_for(lambda: state.read_text().strip() == "live", 60, f"{name} is live")
        self._live()

    def _ioctl(self, request, argument=0):
        with open(self._node, "rb") as node:
            status = fcntl.ioctl(node, request, argument)
        assert status == 0, f"{self._node}: NVMe status {status:#x}"

    def _admin(self, opcode, word10, word11=0, data=None):
        where = (ctypes.addressof(data), len(data)) if data is not None else (0, 0)
        words = (word10, word11, 0, 0, 0, 0)
        command = COMMAND.pack(opcode, 0, 0, 0, 0, 0, 0, where[0], 0, where[1], *words, TIMEOUT_MS, 0)
        self._ioctl(ADMIN_CMD, bytearray(command))

    def _manage(self, action, controller=0, resource=QUEUES, count=0):
        self._admin(VIRTUALIZATION, action | resource << 8 | controller << 16, count)

    def _secondary(self, vf_number):
        """The controller id of a VF, which the specification counts from 1."""
        data = (ctypes.c_char * LIST_SIZE)()
        self._admin(IDENTIFY, SECONDARY_LIST, data=data)
        entries = (struct.unpack_from("<HHBBBBH", data, at) for at in range(32, 32 + 32 * data.raw[0], 32))
        return next(entry[0] for entry in entries if entry[6] == vf_number)

    def make_vfs(self, count):
        """Switch on VFs and set them online; answers them."""
        for resource in NEEDS:
            self._manage(PRIMARY_FLEXIBLE, resource=resource)
        # The PF gives back what is flexible in a reset.
        self._ioctl(RESET)
        self._live()
        self.function.numvfs = count
        for number in range(1, count + 1):
            secondary = self._secondary(number)
            for resource, needed in NEEDS.items():
                self._manage(ASSIGN, secondary, resource, needed)
            self._manage(ONLINE, secondary)
        return self.function.vfs

    def close(self):
        """As after boot: no VFs, and no driver."""
        self.function.numvfs = 0
        self.function.bind(None)


def controllers():
    """The PFs, bound to the kernel's driver."""
    pci.modprobe("nvme")
    return [Controller(f) for f in pci.find(IDENT) if f.pf is None]
