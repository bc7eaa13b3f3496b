# SPDX-License-Identifier: GPL-2.0
"""The interrupts of a NIC's queues, by igb's name and by ours."""

import re
from pathlib import Path

ROW = re.compile(r"^ *(\d+):((?: +\d+)+) .*-(\d+)$", re.M)


def queue_vectors(nic):
    """(interrupt, number of the queue, how often it came) of each."""
    own = {irq.name for irq in (nic.path / "msi_irqs").iterdir()}
    rows = ROW.findall(Path("/proc/interrupts").read_text())
    return [(irq, int(queue), sum(map(int, counts.split()))) for irq, counts, queue in rows if irq in own]
