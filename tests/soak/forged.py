# SPDX-License-Identifier: GPL-2.0
"""Forged streams into the kernel's loader, 100 a round: refused or valid, and a
neighbour VF does not notice."""

import subprocess

from conftest import MEDIATOR, SRC
from rigtest.client import vfclient
from rigtest.pci import load_vfio_driver

# 100 rounds are 10,000 streams.
ROUNDS = 100
STREAMS = 100


def round(host, n):
    host.load("mediate", "igb_rs")
    load_vfio_driver(MEDIATOR, SRC, "transport=fixed")
    for nic in host.nics[:2]:
        if nic.driver != "igb_rs" or nic.numvfs != 2:
            for vf in host.make_vfs(nic, "igb_rs", 2):
                vf.bind(MEDIATOR)
            subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    first, second = (nic.vfs for nic in host.nics[:2])
    answer = vfclient("forged", first[0], second[0], "--neighbour", second[1], "--count", STREAMS, "--seed", n + 1,
                      "--driver", ("dpdk", "igbvf")[n % 2], timeout=1200)
    assert sum(answer["refused"].values()) + answer["loaded"] == STREAMS
