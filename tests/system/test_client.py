# SPDX-License-Identifier: GPL-2.0
"""vfclient on mediated VFs: a guest's register sequences and packets, by hand."""

import subprocess
from pathlib import Path

import pytest

from conftest import MEDIATOR
from rigtest.client import vfclient
from rigtest.pci import wait_for

BACKENDS = ["container"] + (["iommufd"] if Path("/dev/iommu").exists() else [])


@pytest.fixture
def nics(host):
    """Two NICs on one wire, with seven VFs each that the mediator has."""
    host.load("mediate", MEDIATOR, "igb_rs")
    for nic in host.nics[:2]:
        for vf in host.make_vfs(nic, "igb_rs", 7):
            vf.bind(MEDIATOR)
        subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    for nic in host.nics[:2]:
        carrier = Path(f"/sys/class/net/{nic.netdev}/carrier")
        wait_for(lambda c=carrier: c.read_text().strip() == "1", 20, f"carrier of {nic.netdev}")
    return host.nics[:2]


@pytest.mark.parametrize("driver", ("igbvf", "dpdk"))
@pytest.mark.parametrize("backend", BACKENDS)
def test_packets_come_once_and_whole(nics, driver, backend):
    """To a VF of the same NIC, and to one on the wire."""
    for peer in (nics[0].vfs[1], nics[1].vfs[6]):
        answer = vfclient("traffic", "--from", nics[0].vfs[0], "--peer", peer, "--driver", driver, "--backend", backend)
        assert answer["there"]["came"] > 100 and answer["back"]["came"] > 100
        # Heads are somewhere in the ring, and the second queue was used.
        assert answer["registers"]["TDH0"] and (driver == "igbvf" or answer["registers"]["TDH1"])


def test_info_tells_what_is_offered(nics):
    answer = vfclient("info", nics[0].vfs[0])
    assert len(answer["regions"]) >= 8 and answer["interrupts"][2] == 3
