# SPDX-License-Identifier: GPL-2.0
"""The PF's interface when its driver or its device goes away under it."""

from rigtest.net import peers, running
from test_netdev import LEFT, RIGHT, pings, wait_traffic


def test_unload_under_traffic(host):
    """The interfaces go away while they are used."""
    host.load("mediate", "igb_rs")
    with peers((host.nics[0].netdev, LEFT), (host.nics[1].netdev, RIGHT)) as (left, right):
        before = left.received(), right.received()
        with running(left.popen("ping", "-f", "-w", "60", "-s", "1400", RIGHT)), \
                running(right.popen("ping", "-f", "-w", "60", "-s", "64", LEFT)):
            wait_traffic(left, before[0])
            wait_traffic(right, before[1])
            host.unload("igb_rs")
    host.load("igb_rs")
    with peers((host.nics[0].netdev, LEFT), (host.nics[1].netdev, RIGHT)) as (left, _):
        pings(left, RIGHT)
