# SPDX-License-Identifier: GPL-2.0
"""Failing allocations of this thread, one at a time (debug kernel only)."""

import contextlib
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
        control.write(b"%d" % nth)
        try:
            file.write(data)
            errno = None
        except OSError as error:
            errno = error.errno
        control.seek(0)
        left = int(control.read(16))
        control.seek(0)
        control.write(b"0")
    return left == 0, errno
