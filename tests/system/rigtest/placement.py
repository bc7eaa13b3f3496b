# SPDX-License-Identifier: GPL-2.0
"""Where the parts of a comparison run: the same for each side, and not always the same. Of a rig's two
processors one may have a program and the interrupts of its queue, or not, which is worth a factor of
two by any driver."""

import contextlib
import os
from pathlib import Path

from .net import peers
from .vectors import queue_vectors

# The processors of programs.
CLIENT, SERVER = 1, 0


def flow(number):
    """iperf3's options: client and server stay on a processor each; of TCP the port chooses the queue, too."""
    return "-A", f"{CLIENT},{SERVER}", "--cport", str(40000 + number)


def spread(nic, peer):
    """Puts queue i of a NIC that is up on processor i, whose programs send by it, and has the hash choose
    between all in turn. Of itself igb_rs does the former and igb neither."""
    cpus = os.cpu_count()
    peer("ethtool", "-X", peer.netdev, "equal", cpus)
    for cpu in range(cpus):
        peer.send_from((cpu,), cpu)
    for irq, queue, _ in queue_vectors(nic):
        Path(f"/proc/irq/{irq}/smp_affinity_list").write_text(str(queue % cpus))


def receive_by(peer, queue):
    """Has one queue receive all."""
    peer("ethtool", "-X", peer.netdev, "start", queue, "equal", 1)


@contextlib.contextmanager
def placed_peers(number, near, far):
    """Both NICs in namespaces of their own, for round `number`: of UDP their addresses alone choose the
    queue."""
    here, there = f"198.51.100.{2 * number + 1}", f"198.51.100.{2 * number + 2}"
    with peers((near.netdev, here), (far.netdev, there)) as (ours, other):
        assert ours.reaches(there)
        spread(near, ours)
        spread(far, other)
        yield ours, other
