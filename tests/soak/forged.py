# SPDX-License-Identifier: GPL-2.0
"""Forged streams into the kernel's loader, 100 a round: refused or valid, and a
neighbour VF does not notice."""

import subprocess

from conftest import MEDIATOR, SRC
from rigtest.client import vfclient
from rigtest.pci import load_vfio_driver

# A ring may be anywhere, as a guest may have it: the IOMMU keeps the NIC from memory that is not the
# VF's. None but the VF that the streams go to may do so, and it does in each round.
EXPECT = r"DMAR: (DRHD: handling fault status|\[DMA (Read|Write) NO_PASID\] Request device \[0000:02:10\.0\])"
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
                      "--elsewhere", "--driver", ("dpdk", "igbvf")[n % 2], timeout=1200)
    assert sum(answer["refused"].values()) + answer["loaded"] == STREAMS
