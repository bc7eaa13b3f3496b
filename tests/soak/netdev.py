# SPDX-License-Identifier: GPL-2.0
"""Rings resized, queues added and taken away, MTU changed and offloads toggled under traffic."""

from rigtest.net import peers, running
from rigtest.pci import wait_for

ROUNDS = 300
LEFT, RIGHT = "198.51.100.1", "198.51.100.2"
OFFLOADS = ("tso", "gso", "gro", "sg", "tx", "rx", "rxvlan", "txvlan", "rxhash")
RINGS = (80, 256, 4096, 512, 88)
MOST_QUEUES = 8
MTUS = (1500, 9000, 1280, 9216, 4000)


def change(peer, n):
    """One change of each kind, and another one in each round."""
    device = peer.netdev
    size, other = RINGS[n % len(RINGS)], RINGS[(n + 2) % len(RINGS)]
    peer("ethtool", "-G", device, "rx", size, "tx", other)
    peer("ethtool", "-L", device, "combined", 1 + n % MOST_QUEUES)
    peer.ip("link", "set", device, "mtu", MTUS[n % len(MTUS)])
    offload = OFFLOADS[n % len(OFFLOADS)]
    peer("ethtool", "-K", device, offload, "off")
    wait_for(lambda received=peer.received(): peer.received() > received, 30, f"traffic without {offload}")
    peer("ethtool", "-K", device, offload, "on")
    peer("ethtool", "-C", device, "rx-usecs", (0, 1, 3, 100)[n % 4])


def round(host, n):
    host.load("mediate", "igb_rs")
    for nic in host.nics[:2]:
        if nic.driver != "igb_rs":
            nic.bind("igb_rs")
    pairs = ((host.nics[0].netdev, LEFT), (host.nics[1].netdev, RIGHT))
    with peers(*pairs, mtu=9216) as (left, right):
        assert left.reaches(RIGHT, count=1)
        with running(right.popen("iperf3", "-s", "-B", RIGHT)), \
                running(left.popen("iperf3", "-c", RIGHT, "-t", "600", "--bidir", "--connect-timeout", "20000")):
            wait_for(lambda received=left.received(): left.received() > received + 20, 60, "traffic")
            change(left, n)
            left.wait_carrier()
        assert left.reaches(RIGHT, count=1), "the link is lost"
