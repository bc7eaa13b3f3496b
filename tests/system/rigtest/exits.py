# SPDX-License-Identifier: GPL-2.0
"""Exits of a guest on the window with its VF's doorbells, as KVM's tracepoints count them.

A write that is trapped is a fault (`kvm_page_fault`, with the bit of a write); where the
VMM emulates it, `kvm_mmio`. A page that is not mapped faults too, once or twice, before it is:
so have the guest use it before anything is counted.
"""

import re
import time
from dataclasses import dataclass
from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
# Of BAR 0: registers of receive queues.
WINDOW = range(0x2000, 0x3000)
WRITE = 2
# Nothing is under way any more after so long.
QUIET_SECONDS = 0.5
BUFFER_KIB = 8192
FAULT = re.compile(r"kvm_page_fault: .*error_code (0x[0-9a-f]+)")
MMIO = re.compile(r"kvm_mmio: ")


@dataclass
class Exits:
    """What KVM has counted, and what the mediator has."""

    counted: int
    trapped: int


class WindowExits:
    """Counts a guest's exits; a context manager."""

    def __init__(self, guest, vf):
        self.guest, self.vf = guest, vf
        self.folder = TRACING / "instances/window"

    def __enter__(self):
        self.folder.mkdir()
        lines = self.guest.run(f"cat /sys/class/net/{self.guest.vf_netdev}/device/resource").splitlines()
        bar = int(lines[0].split()[0], 16)
        first, end = bar + WINDOW.start, bar + WINDOW.stop
        (self.folder / "buffer_size_kb").write_text(str(BUFFER_KIB))
        for event, field in (("kvm_page_fault", "fault_address"), ("kvm_mmio", "gpa")):
            (self.folder / "events/kvm" / event / "filter").write_text(f"{field} >= {first:#x} && {field} < {end:#x}")
            (self.folder / "events/kvm" / event / "enable").write_text("1")
        return self

    def trapped_writes(self):
        return int(Path("/sys/kernel/debug/vfio_pci_mediate", self.vf.address, "trapped_writes").read_text())

    def start(self):
        """Count from here on."""
        (self.folder / "trace").write_text("")
        self._before = self.trapped_writes()

    def stop(self):
        """Exits since `start`."""
        trapped = self.trapped_writes() - self._before
        text = (self.folder / "trace").read_text()
        codes = [int(code, 16) for code in FAULT.findall(text)]
        return Exits(sum(code & WRITE != 0 for code in codes) + len(MMIO.findall(text)), trapped)

    def during(self, happens):
        """Exits while something happens."""
        time.sleep(QUIET_SECONDS)
        self.start()
        happens()
        time.sleep(QUIET_SECONDS)
        return self.stop()

    def __exit__(self, *_):
        (self.folder / "events/enable").write_text("0")
        self.folder.rmdir()
