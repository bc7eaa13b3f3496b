# SPDX-License-Identifier: GPL-2.0
"""Failing allocations of this thread, one at a time (debug kernel only)."""

import contextlib
import os
from pathlib import Path

DEBUGFS = Path("/sys/kernel/debug")
SETTINGS = {
    # No back traces: the log check would take them for faults.
    "failslab": {"verbose": 0, "ignore-gfp-wait": "N"},
    "fail_page_alloc": {"verbose": 0, "ignore-gfp-wait": "N", "ignore-gfp-highmem": "N", "min-order": 0},
}


@contextlib.contextmanager
def every_allocation():
    """All allocations count, those that may sleep and single pages too."""
    files = {DEBUGFS / kind / name: value for kind, values in SETTINGS.items() for name, value in values.items()}
    before = {file: file.read_text() for file in files}
    try:
        for file, value in files.items():
            file.write_text(f"{value}")
        yield
    finally:
        for file, value in before.items():
            file.write_text(value)


def write_failing(path, text, nth):
    """Write to a file while the `nth` allocation from here on fails.

    Answers (whether it came to fail, errno or None)."""
    with open(path, "wb", buffering=0) as file, open("/proc/thread-self/fail-nth", "r+b", buffering=0) as control:
        data = text.encode()
        os.pwrite(control.fileno(), b"%d" % nth, 0)
        try:
            file.write(data)
            errno = None
        except OSError as error:
            errno = error.errno
        left = int(os.pread(control.fileno(), 16, 0))
        os.pwrite(control.fileno(), b"0", 0)
    return left == 0, errno
