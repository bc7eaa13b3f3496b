# SPDX-License-Identifier: GPL-2.0
"""One migration through the raw uAPI, between two VFs whose guest and VMM is this
process: for phases that QEMU goes through without stopping.
"""

import contextlib
import errno
import struct

from . import mailbox as mbx
from .held import P2P, RESUMING, STOPCOPY
from .mailbox import VfUser, granted
from .migration import DataFile, S, set_state, state
from .pci import wait_for

RAM, RAM_SIZE = 0x100000, 1 << 16
RING, SLOTS, BUFFER = RAM, 64, RAM + 0x8000
TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL = 0x3800, 0x3804, 0x3808, 0x3810, 0x3818, 0x3828
ENABLE, THRESHOLDS = 1 << 25, 0x10108
PACKET = 60
# End of packet, insert FCS, report status; an advanced data descriptor.
COMMAND = 1 << 24 | 1 << 25 | 1 << 27 | 3 << 20 | 1 << 29
FRAME = b"\xff" * 6 + b"\x02" + bytes(4) + b"\x11" + b"\x88\xb5" + bytes(PACKET - 14)
MAX_FRAME = 3000


class Side:
    """The VF of a place, its guest's memory, and the data file if it has one; a
    context manager."""

    def __init__(self, place):
        self.place, self.file = place, None
        self._stack = contextlib.ExitStack()

    def __enter__(self):
        self.user = self._stack.enter_context(VfUser(self.place.vf))
        self.device = self.user.device
        self.memory = self._stack.enter_context(self.device.dma_memory(RAM, RAM_SIZE))
        self.device.enable_bus_master()
        return self

    def __exit__(self, *_):
        self._stack.close()

    close = __exit__

    def reopen(self):
        """As a new VMM, after the old one has died."""
        self.close()
        return self.__enter__()

    def go(self, to):
        fd = set_state(self.device, to)
        if fd is not None:
            self.file = self._stack.enter_context(DataFile(fd))

    @property
    def state(self):
        return state(self.device)

    def start(self):
        """As a guest's driver does when its interface goes up."""
        self.user.reset()
        self.set_up()

    def set_up(self):
        """What the driver has to do again after a reset."""
        for register, value in ((TDBAL, RING), (TDBAH, 0), (TDLEN, 16 * SLOTS), (TXDCTL, ENABLE | THRESHOLDS)):
            self.user.write(register, value)
        self.user.write(TDT, self.user.read(TDH))

    def reset(self):
        """A function-level reset, after which a VMM lets its guest in again."""
        self.device.reset()
        self.device.enable_memory()
        self.device.enable_bus_master()

    def works(self):
        """Whether it runs: it sends a packet, and the PF answers."""
        assert self.state == S.RUNNING, self.state
        tail = self.user.read(TDT)
        slot = RING - RAM + 16 * tail
        self.memory[BUFFER - RAM:BUFFER - RAM + PACKET] = FRAME
        self.memory[slot:slot + 16] = struct.pack("<QQ", BUFFER, PACKET << 46 | COMMAND | PACKET)
        tail = (tail + 1) % SLOTS
        self.user.write(TDT, tail)
        wait_for(lambda: self.user.read(TDH) == tail, 20, "a packet sent")
        assert granted(self.user.ask(mbx.MAX_FRAME, MAX_FRAME, seconds=20), mbx.MAX_FRAME)


class Pair:
    """A guest that works on the place `source`, goes to `target`, and is held at a
    phase on the way; a context manager."""

    def __init__(self, source, target, phase):
        self.source, self.target, self.phase = Side(source), Side(target), phase
        self.stream = b""

    def __enter__(self):
        self._stack = contextlib.ExitStack()
        try:
            for side in (self.source, self.target):
                self._stack.enter_context(side)
            self.source.start()
            self.source.works()
        except BaseException:
            self._stack.close()
            raise
        return self

    def __exit__(self, *_):
        self._stack.close()

    def read(self):
        """What there is of the stream by now."""
        data = self.source.file.drain()
        self.stream += data
        return data

    def write(self, data):
        """Hand a part of the stream to the target."""
        if self.target.state != S.RESUMING:
            self.target.go(S.RESUMING)
        self.target.file.write_all(data)

    def reach(self):
        """Go to the phase.

        pre-copy P2P    all of pre-copy was handed over
        stop-copy       the source is in STOP_COPY, and nothing of that was read
        resuming        the target lacks nothing but the last byte
        before RUNNING  the state is in the target, which has not run yet
        """
        self.source.go(S.PRE_COPY)
        self.write(self.read())
        self.source.go(S.PRE_COPY_P2P)
        if self.phase == P2P:
            return
        self.source.go(S.STOP_COPY)
        if self.phase == STOPCOPY:
            return
        self.write(self.read()[:-1])
        if self.phase == RESUMING:
            return
        self.write(self.stream[-1:])
        self.target.go(S.STOP)

    def finish(self):
        """The rest of the way, from P2P."""
        self.source.go(S.STOP_COPY)
        self.write(self.read())
        self.target.memory[:] = self.source.memory[:]
        self.target.go(S.RUNNING)


def refusal(action):
    """The errno's name of what must fail."""
    try:
        action()
    except OSError as error:
        return errno.errorcode[error.errno]
    raise AssertionError("it was not refused")
