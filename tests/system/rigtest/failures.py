# SPDX-License-Identifier: GPL-2.0
"""Failing allocations of this thread, one at a time (debug kernel only)."""

import contextlib
import os
from pathlib import Path

DEBUGFS = Path("/sys/kernel/debug")
SETTINGS = {
    # No back traces: the log check would take them for faults.
    "failslab": {"verbose": 0, "ignore-gfp-wait": "N", "cache-filter": "Y"},
    "fail_page_alloc": {"verbose": 0, "ignore-gfp-wait": "N", "ignore-gfp-highmem": "N", "min-order": 0},
}
# Caches left alone. Of the tools that watch, which get by without: each allocation would
# count twice. And of /proc: register_irq_proc() does not mind that an entry was not made,
# but unregister_irq_proc() warns that it is not there.
SPARED = ("kmemleak", "debug_objects", "proc_dir_entry")
# Of test_failnth.c
PARAMETERS = Path("/sys/module/test_failnth/parameters")
ARM, LEFT, LATER = PARAMETERS / "nth", PARAMETERS / "left", PARAMETERS / "later"
# More than any operation allocates: the loop ends where nothing is left to fail.
MOST = 20000


@contextlib.contextmanager
def every_allocation():
    """All allocations count, those that may sleep and single pages too."""
    files = {DEBUGFS / kind / name: value for kind, values in SETTINGS.items() for name, value in values.items()}
    for file in Path("/sys/kernel/slab").glob("*/failslab"):
        files[file] = 0 if file.parent.name.startswith(SPARED) else 1
    before = {file: file.read_text() for file in files}
    try:
        for file, value in files.items():
            # A merged cache has no switch of its own.
            with contextlib.suppress(OSError):
                file.write_text(f"{value}")
        yield
    finally:
        for file, value in before.items():
            with contextlib.suppress(OSError):
                file.write_text(value)


def write_failing(path, text, nth, arm=None):
    """Write to a file while the `nth` allocation fails, from here on or, with the file
    `arm`, from where test_failnth.c says.

    Answers (how many there were before it, or None if it failed; errno or None)."""
    with open(path, "wb", buffering=0) as file, open("/proc/thread-self/fail-nth", "r+b", buffering=0) as control:
        data, number = text.encode(), b"%d" % nth
        if arm:
            arm.write_bytes(number)
        else:
            os.pwrite(control.fileno(), number, 0)
        try:
            file.write(data)
            error = None
        except OSError as raised:
            error = raised.errno
        left = int(os.pread(control.fileno(), 16, 0))
        os.pwrite(control.fileno(), b"0", 0)
    assert not arm or int(arm.read_text()) == 0, "it did not come that far"
    return nth - left if left else None, error


def each_failure(attempt, undo, numbers=range(1, MOST)):
    """Calls attempt(n), as `write_failing` is called, for each n of `numbers` until
    nothing is left to fail. Answers (allocations, attempts, of them failed)."""
    attempts = failed = 0
    with every_allocation():
        for n in numbers:
            total, error = attempt(n)
            attempts += 1
            # Which errno is the kernel's affair: no region is EBUSY, no vector ENOSPC.
            if error is None:
                undo()
            else:
                failed += 1
            if total is not None:
                assert error is None
                return total, attempts, failed
            if attempts % 50 == 0:
                print(f"{n} allocations, {failed} of {attempts} made it fail", flush=True)
    raise AssertionError("there is no end of it")


def bind(nic):
    """Probe of the PF, which is unbound, after its device is enabled; ends unbound.
    test_failnth is loaded."""
    nic.write("driver_override", "igb_rs\n")

    def attempt(n):
        total, error = write_failing("/sys/bus/pci/drivers/igb_rs/bind", nic.address, n, ARM)
        assert (nic.driver is None) == (error is not None)
        return total, error
    return each_failure(attempt, nic.unbind)


def enable_vf(nic, numbers=range(1, MOST)):
    """`sriov_numvfs` from 0 to 1, before the PCI core adds the VF; ends with 0."""
    nic.write("sriov_drivers_autoprobe", 0)

    def attempt(n):
        LEFT.write_text("0")
        _, error = write_failing(nic.path / "sriov_numvfs", "1", n)
        assert nic.numvfs == len(nic.vfs) == (1 if error is None else 0)
        left = int(LEFT.read_text())
        return n - left if left else None, error
    return each_failure(attempt, lambda: nic.write("sriov_numvfs", 0), numbers)


def add_vf(nic):
    """The PCI core's first allocation for VFs fails; answers the errno."""
    LATER.write_text("1")
    try:
        with every_allocation():
            return write_failing(nic.path / "sriov_numvfs", "1", 0)[1]
    finally:
        LATER.write_text("0")
