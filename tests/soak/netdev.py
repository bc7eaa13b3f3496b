# SPDX-License-Identifier: GPL-2.0
"""Rings resized, queues added and taken away, MTU changed and offloads toggled under traffic."""

import contextlib
import tempfile

from rigtest.net import IPERF_PORT, listens, peers, running
from rigtest.pci import wait_for

ROUNDS = 300
LEFT, RIGHT = "198.51.100.1", "198.51.100.2"
OFFLOADS = ("tso", "gso", "gro", "sg", "tx", "rx", "rxvlan", "txvlan", "rxhash")
RINGS = (80, 256, 4096, 512, 88)
MOST_QUEUES = 8
MTUS = (1500, 9000, 1280, 9216, 4000)
# The interfaces are bound anew after so many rounds.
TOGETHER = 25
# What a kernel with KASAN under emulation answers to beside its other work; others have no limit.
BITRATES = ("0", "4M")
# Traffic that was lost with a ring starts again when TCP asks for it, at the latest then.
SECONDS = 60


class Traffic:
    """TCP both ways between two namespaces, until it is closed."""

    def __init__(self, host, n):
        with contextlib.ExitStack() as stack:
            host.load("mediate", "igb_rs")
            for nic in host.nics[:2]:
                nic.bind(None)
                nic.bind("igb_rs")
            pairs = ((host.nics[0].netdev, LEFT), (host.nics[1].netdev, RIGHT))
            self.left, self.right = stack.enter_context(peers(*pairs, mtu=max(MTUS)))
            assert self.left.reaches(RIGHT, count=1)
            self.words = [stack.enter_context(tempfile.TemporaryFile("w+")) for _ in range(2)]
            stack.enter_context(running(self.right.popen(
                "iperf3", "-s", "-B", RIGHT, "--forceflush", output=self.words[0])))
            wait_for(lambda: listens(self.right, IPERF_PORT), 60, "iperf3 listens")
            bitrate = BITRATES[n // TOGETHER % len(BITRATES)]
            self.client = stack.enter_context(running(self.left.popen(
                "iperf3", "-c", RIGHT, "-t", "86400", "--bidir", "-b", bitrate, "--connect-timeout", "20000",
                "--forceflush", output=self.words[1])))
            self.flows("at first")
            self.close = stack.pop_all().close

    def last_words(self, lines=40):
        """Of server and client."""
        for words in self.words:
            words.seek(0)
        return "".join(line for words in self.words for line in words.readlines()[-lines:])

    def flows(self, when, packets=20):
        assert self.client.poll() is None, f"the traffic has ended: {when}: {self.client.returncode}\n{self.last_words()}"
        wait_for(lambda received=self.left.received(): self.left.received() > received + packets, SECONDS,
                 f"traffic {when}")


# What rounds leave open for those after them.
held = []


def finish(_host):
    while held:
        held.pop().close()


def change(traffic, n):
    """One change of each kind, and another one in each round."""
    peer = traffic.left
    device = peer.netdev
    size, other = RINGS[n % len(RINGS)], RINGS[(n + 2) % len(RINGS)]
    peer("ethtool", "-G", device, "rx", size, "tx", other)
    peer("ethtool", "-L", device, "combined", 1 + n % MOST_QUEUES)
    # What is longer than its receiver's is lost, and TCP is not told of it.
    for end in (traffic.right, peer):
        end.ip("link", "set", end.netdev, "mtu", MTUS[n % len(MTUS)])
    offload = OFFLOADS[n % len(OFFLOADS)]
    peer("ethtool", "-K", device, offload, "off")
    traffic.flows(f"without {offload}")
    peer("ethtool", "-K", device, offload, "on")
    peer("ethtool", "-C", device, "rx-usecs", (0, 1, 3, 100)[n % 4])


def round(host, n):
    if n % TOGETHER == 0:
        finish(host)
    if not held:
        held.append(Traffic(host, n))
    traffic = held[0]
    change(traffic, n)
    assert traffic.left.has_carrier(), "the link is lost"
    traffic.flows("after all changes")
