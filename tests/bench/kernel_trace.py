# SPDX-License-Identifier: GPL-2.0
"""When the kernel did what for a migration: the mediator's trace events, and probes at
the functions that a VMM's requests come to."""

import os
import re
from pathlib import Path

TRACING = Path("/sys/kernel/tracing")
BUFFER_KIB = 8192
# Name of a probe → when a function is called (p) or has returned (r), of those that are C:
# the kernel has none at Rust's.
PROBES = {
    "ioctl": ("p", "vfio_device_fops_unl_ioctl"), "announce": ("p", "igb_rs_transmit"),
    "container": ("p", "vfio_iommu_type1_ioctl"), "container_done": ("r", "vfio_iommu_type1_ioctl"),
}
# Others that there are anyhow, with a filter. Data files are read by system calls, which are
# larger than those of events.
READS = "syscalls/sys_enter_read"
EVENTS = {READS: "count > 64", "mediate/state": "0"}
LINE = re.compile(r"^\s*.+-(\d+)\s+\[\d+\]\s+\S+\s+([\d.]+): (\w+)(?:: |\()(.*)$")
STEP = re.compile(r"^(\S+) (\w+) -> (\w+) ret=(-?\d+)")


def parse(text):
    """[(time in s of the monotonic clock, process, event, details)] of a trace."""
    found = (LINE.match(line) for line in text.splitlines())
    return [(float(when), int(task), name, details) for task, when, name, details in (m.groups() for m in found if m)]


def write(name, text):
    """Appends to a file of tracefs, which cannot be told to seek."""
    fd = os.open(TRACING / name, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(fd, text.encode())
    finally:
        os.close(fd)


class Trace:
    """Traces while the context lasts; `events` are there after it."""

    def __init__(self):
        self.events = []
        symbols = {line.split()[2] for line in Path("/proc/kallsyms").read_text().splitlines()}
        self._probes = {name: probe for name, probe in PROBES.items() if probe[1] in symbols}
        self._enabled = [event for event in EVENTS if (TRACING / "events" / event).is_dir()]
        self._enabled += [f"bench/{name}" for name in self._probes]

    def __enter__(self):
        (TRACING / "trace").write_text("")
        (TRACING / "trace_clock").write_text("mono")
        (TRACING / "buffer_size_kb").write_text(str(BUFFER_KIB))
        for name, (kind, symbol) in self._probes.items():
            write("kprobe_events", f"{kind}:bench/{name} {symbol}\n")
        for event in self._enabled:
            write(f"events/{event}/filter", EVENTS.get(event, "0"))
            write(f"events/{event}/enable", "1")
        return self

    def __exit__(self, *_):
        for event in self._enabled:
            write(f"events/{event}/enable", "0")
            write(f"events/{event}/filter", "0")
        self.events = parse((TRACING / "trace").read_text())
        for name in self._probes:
            write("kprobe_events", f"-:bench/{name}\n")
