# SPDX-License-Identifier: GPL-2.0
"""Which vectors tell a pair of queues what was received, and what was sent."""

import contextlib
import os
import re
from pathlib import Path

import pytest

from conftest import two_nics
from rigtest.net import iperf3
from rigtest.vectors import queue_vectors
from test_netdev import LEFT, RIGHT

# Microseconds between two interrupts of a vector, of which the model makes 34 milliseconds, and milliseconds
# of waiting that are not by chance.
LONGEST, CLEARLY = 8191, 6
# Up to so many pairs have a vector for either direction.
BORROWERS = 4
# The longest interval that follows what is sent, in microseconds, and the words of `ethtool -d` with those of vectors:
# after the first one each is a queue's.
LONGEST_OF_SENT, EITR_WORD = 392, 16
# With KASAN under emulation a packet takes longer than that, so that interrupts are as many by any interval.
TOO_SLOW = os.uname().release.endswith("-mediate-debug")
# Times as many interrupts by the shortest interval as by one that follows what is sent, by chance.
BY_CHANCE = 1.5


@pytest.fixture(scope="module")
def wire():
    with two_nics(LEFT, RIGHT) as wire:
        yield wire


@contextlib.contextmanager
def channels(peer, count, queue):
    """So many pairs of queues, of which one receives all, and the first sends what processor 0 sends."""
    peer("ethtool", "-L", peer.netdev, "combined", count)
    for each in range(2, count):
        peer.send_from((), each)
    weights = ["1" if each == queue else "0" for each in range(count)]
    peer("ethtool", "-X", peer.netdev, "weight", *weights)
    yield
    peer("ethtool", "-X", peer.netdev, "default")
    peer("ethtool", "-L", peer.netdev, "combined", 2)


def vectors(host):
    """The interrupt of each of the left NIC's queues, and how often it came."""
    return {queue: (irq, count) for irq, queue, count in queue_vectors(host.nics[0])}


def fired(host, peer):
    """The queues whose vectors fired for each of some questions, and the mean time of an answer in milliseconds."""
    before = vectors(host)
    # From the processor of queue 0.
    text = peer("taskset", "-c", 0, "ping", "-q", "-n", "-c", 40, "-i", "0.05", RIGHT)
    mean = float(re.search(r"= [\d.]+/([\d.]+)/", text).group(1))
    return {queue for queue, (_, count) in vectors(host).items() if count - before[queue][1] >= 40}, mean


@pytest.mark.parametrize("queue", [0, 1])
def test_what_was_sent_has_a_vector_of_its_own(wire, queue):
    host, left, _ = wire
    with channels(left, 2, queue):
        assert fired(host, left)[0] == {queue, BORROWERS}


def test_more_pairs_have_one_each(wire):
    host, left, _ = wire
    with channels(left, BORROWERS + 1, 0):
        assert fired(host, left)[0] == {0}
    with channels(left, BORROWERS + 1, BORROWERS):
        assert fired(host, left)[0] == {0, BORROWERS}


def test_an_answer_does_not_wait_for_what_was_sent(wire):
    """The end of a question's transmission begins an interval; with one vector for both the answer waits for its end."""
    host, left, right = wire
    left("ethtool", "-C", left.netdev, "rx-usecs", LONGEST)
    # On the asker's processor the answer may come before the poll that the transmission has asked for.
    right("ethtool", "-X", right.netdev, "start", 1, "equal", 1)
    try:
        with channels(left, BORROWERS + 1, 0):
            shared = fired(host, left)[1]
        with channels(left, 1, 0):
            of_its_own = fired(host, left)[1]
        print(f"{shared} ms with one vector, {of_its_own} ms with two")
        assert of_its_own + CLEARLY < shared
    finally:
        right("ethtool", "-X", right.netdev, "default")
        left("ethtool", "-C", left.netdev, "rx-usecs", 3)


def test_who_sends_few_is_seldom_interrupted(wire):
    """By an interval that follows what is sent, and is not that of the shortest packets then."""
    host, left, right = wire

    def sent_by(usecs):
        """Microseconds, as the device has been told, and interrupts for each packet."""
        left("ethtool", "-C", left.netdev, "tx-usecs", usecs)
        before, sent = vectors(host)[BORROWERS][1], left.link()["stats64"]["tx"]["packets"]
        # Processor 0 sends, by queue 0.
        iperf3(right, left, "-A", "0", "-u", "-b", "0", "-l", "18")
        interrupts = vectors(host)[BORROWERS][1] - before
        assert interrupts > 0
        interval = left.registers()[EITR_WORD + 1 + BORROWERS] >> 2 & 0x1fff
        return interval, interrupts / (left.link()["stats64"]["tx"]["packets"] - sent)
    try:
        interval, often = sent_by(49)
        assert interval == 49
        # How much longer is a question of the kernel's speed.
        interval, seldom = sent_by(3)
        assert 2 * 49 <= interval <= LONGEST_OF_SENT
        print(f"{often:.3f} interrupts a packet by the shortest interval, {seldom:.3f} by one that follows the load")
        assert TOO_SLOW or BY_CHANCE * seldom < often
        assert sent_by(77)[0] == 77
    finally:
        left("ethtool", "-C", left.netdev, "tx-usecs", 3)


def test_vectors_stay_where_users_put_them(wire):
    """Until they are another queue's."""
    host, left, _ = wire
    affinity = Path(f"/proc/irq/{vectors(host)[BORROWERS][0]}/smp_affinity_list")
    assert affinity.read_text().strip() == "0"
    affinity.write_text("1")
    left("ethtool", "-G", left.netdev, "rx", 512)
    assert affinity.read_text().strip() == "1"
    with channels(left, BORROWERS + 1, 0):
        pass
    assert affinity.read_text().strip() == "0"
