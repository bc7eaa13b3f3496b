# SPDX-License-Identifier: GPL-2.0
"""The queues of an interface stopped and started again for a setting, while the carrier stays."""

import contextlib
import subprocess
import time
from pathlib import Path

import pytest

from conftest import two_nics
from rigtest.net import iperf3_server, running
from rigtest.pci import Deadline
from test_netdev import LEFT, RIGHT, pings, wait_traffic

# The core's watchdog looks at queues that do not send for longer.
TX_TIMEOUT = 5
# Sets the MTU by a shell that is slow from here on: it runs when nobody else wants its CPU.
STARVED = "exec 3>/sys/class/net/$0/mtu && taskset -pc $1 $$ && chrt -i -p 0 $$ && echo $2 >&3"
BUSY_CPU, OTHER_CPU = 1, 0


@pytest.fixture(scope="module")
def wire():
    with two_nics(LEFT, RIGHT) as wire:
        yield wire


def test_what_the_core_has_waits(wire):
    """A full ring is resized; its poll may wake the core's queue at the last moment."""
    _, left, right = wire
    before = left.link()["stats64"]["tx"]
    with iperf3_server(right), running(left.popen("iperf3", "-u", "-b", "0", "-l", "600", "-c", RIGHT, "-t", "900")):
        for size in (80, 88) * 20:
            wait_traffic(right, right.received())
            left("ethtool", "-G", left.netdev, "tx", size)
    after = left.link()["stats64"]["tx"]
    assert after["packets"] > before["packets"]
    assert after["dropped"] == before["dropped"]


def received(peer):
    """Packets; not by netlink, which would wait for who changes the interface."""
    with peer.inside():
        lines = Path("/proc/thread-self/net/dev").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[2]) for line in lines if line.strip().startswith(f"{peer.netdev}:"))


def longest_silence(peer, process, seconds, enough):
    """Seconds without a packet until the process ends, there were `enough`, or `seconds` have passed."""
    end, count, since, longest = Deadline(seconds), received(peer), time.monotonic(), 0
    while process.poll() is None and longest < enough and not end.over:
        time.sleep(0.1)
        before, count = count, received(peer)
        if count != before:
            since = time.monotonic()
        longest = max(longest, time.monotonic() - since)
    return longest


def test_a_host_short_of_processors(wire):
    """Queues that are stopped for longer than the core's watchdog waits do not hang."""
    _, left, right = wire
    before = left.counters()["tx_timeout_count"]
    left("ethtool", "-G", left.netdev, "rx", 4096)
    with running(right.popen("taskset", "-c", OTHER_CPU, "ping", "-f", "-w", "120", LEFT)):
        wait_traffic(left, left.received())
        with contextlib.ExitStack() as busy:
            busy.enter_context(running(subprocess.Popen(
                ["taskset", "-c", str(BUSY_CPU), "sh", "-c", "while :; do :; done"])))
            change = left.popen("ip", "netns", "exec", left.name, "sh", "-c", STARVED, left.netdev, BUSY_CPU, 4000)
            silence = longest_silence(left, change, 90, 2 * TX_TIMEOUT)
            busy.close()
            assert change.wait(60) == 0
        print(f"{silence:.1f} s without a packet")
        assert silence > 1.5 * TX_TIMEOUT, "the change was too fast to show anything"
        wait_traffic(left, left.received())
    assert left.link()["mtu"] == 4000
    assert left.counters()["tx_timeout_count"] == before
    pings(left, RIGHT)
