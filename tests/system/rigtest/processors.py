# SPDX-License-Identifier: GPL-2.0
"""What the rig's processors have done."""

from pathlib import Path

TICKS_PER_SECOND = 100


def busy_seconds():
    """Time that all of them have not been idle, since boot."""
    fields = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    _user, _nice, _system, idle, iowait, *_ = fields
    return (sum(fields) - idle - iowait) / TICKS_PER_SECOND
