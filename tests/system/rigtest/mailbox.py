# SPDX-License-Identifier: GPL-2.0
"""A VF's side of the mailbox, by hand: a vfio user that writes the registers as
igbvf and DPDK's driver do, or as no driver would."""

import ctypes
import time

from .vfio import Device

VTCTRL, VMBMEM, V2PMAILBOX = 0x0000, 0x0800, 0x0C40
CTRL_RST = 1 << 26
REQ, ACK_BIT, VFU, PFU, PFSTS, PFACK, RSTI, RSTD = 1, 2, 4, 8, 0x10, 0x20, 0x40, 0x80
WORDS = 16

ACK, NACK, CTS = 1 << 31, 1 << 30, 1 << 29
RESET, SET_MAC, MULTICAST, VLAN, MAX_FRAME, PROMISCUOUS = 1, 2, 3, 4, 5, 6
MAC_CLEAR, MAC_ADD = 1 << 16, 2 << 16
PF_CONTROL = 0x100


def mac_words(mac):
    octets = bytes.fromhex(mac.replace(":", ""))
    return [int.from_bytes(octets[:4], "little"), int.from_bytes(octets[4:], "little")]


class Silent(Exception):
    """The PF did not answer in time."""


class VfUser:
    """An open VF with its registers mapped; a context manager."""

    def __init__(self, function):
        self.device = Device(function)
        self.device.enable_memory()
        self._bar0 = bar0 = self.device.region(0)
        self._size = bar0.size
        # Where parts of it are not to be mapped, use the file for all of it.
        self._base = None if bar0.areas else self.device.map(bar0, 0, bar0.size)
        self._seen = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self._base is not None:
            self.device.unmap(self._base, self._size)
        self.device.close()

    def read(self, offset):
        if self._base is None:
            return int.from_bytes(self.device.read(self._bar0, offset, 4), "little")
        return ctypes.c_uint32.from_address(self._base + offset).value

    def write(self, offset, value):
        if self._base is None:
            self.device.write(self._bar0, offset, value.to_bytes(4, "little"))
            return
        ctypes.c_uint32.from_address(self._base + offset).value = value

    def _status(self):
        """The mailbox's flags; some are cleared by the read, so keep them."""
        self._seen |= self.read(V2PMAILBOX)
        return self._seen

    def _wait(self, flag, seconds):
        end = time.monotonic() + seconds
        while not self._status() & flag:
            if time.monotonic() > end:
                raise Silent(f"flag {flag:#x} of the mailbox: not within {seconds} s")
            time.sleep(0.001)
        self._seen &= ~flag

    def _own(self, seconds=2):
        end = time.monotonic() + seconds
        while True:
            self.write(V2PMAILBOX, VFU)
            if self._status() & VFU:
                self._seen &= ~VFU
                return
            if time.monotonic() > end:
                raise Silent("the mailbox stays the PF's")
            time.sleep(0.001)

    def send(self, words):
        """Hand a message over without waiting for an answer."""
        self._own()
        self._status()
        self._seen = 0
        for index, word in enumerate(words):
            self.write(VMBMEM + 4 * index, word)
        self.write(V2PMAILBOX, REQ)

    def answer(self, seconds=3):
        """The first three words of the PF's answer."""
        self._wait(PFACK, seconds)
        self._wait(PFSTS, seconds)
        self._own()
        words = [self.read(VMBMEM + 4 * index) for index in range(3)]
        self.write(V2PMAILBOX, ACK_BIT)
        return words

    def ask(self, *words, seconds=3):
        """Send a message, answer with the first word of the answer."""
        self.send(words)
        return self.answer(seconds)[0]

    def reset(self):
        """As a driver's reset: VTCTRL, wait for the PF, RESET message. Answers
        the three words of the reply."""
        self.write(VTCTRL, CTRL_RST)
        end = time.monotonic() + 3
        while self.read(V2PMAILBOX) & (RSTI | RSTD) and time.monotonic() < end:
            time.sleep(0.001)
        self._seen = 0
        # The PF learns of the reset by the same interrupt as of the message.
        self.send([RESET])
        return self.answer()


def granted(word, head):
    """Whether an answer repeats its request's head with ACK and without NACK."""
    return word & ACK and not word & NACK and word & 0xFFFF == head & 0xFFFF


def refused(word, head):
    return word & NACK and not word & ACK and word & 0xFFFF == head & 0xFFFF
