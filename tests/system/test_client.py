# SPDX-License-Identifier: GPL-2.0
"""vfclient on mediated VFs: a guest's register sequences and packets, by hand."""

import json
import subprocess
from pathlib import Path

import pytest

from conftest import MEDIATOR, SRC
from rigtest.client import vfclient
from rigtest.pci import load_vfio_driver

BACKENDS = ["container"] + (["iommufd"] if Path("/dev/iommu").exists() else [])
VFSTATE = Path(__file__).resolve().parents[2] / "build/target/release/vfstate"


@pytest.fixture
def nics(host, request):
    """Two NICs on one wire, with seven VFs each that the mediator has."""
    transport = getattr(request, "param", "fixed")
    host.load("mediate", "igb_rs")
    load_vfio_driver(MEDIATOR, SRC, f"transport={transport}")
    for nic in host.nics[:2]:
        for vf in host.make_vfs(nic, "igb_rs", 7):
            vf.bind(MEDIATOR)
        subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    for nic in host.nics[:2]:
        nic.wait_carrier()
    return host.nics[:2]


each_driver = pytest.mark.parametrize("driver", ("igbvf", "dpdk"))
each_backend = pytest.mark.parametrize("backend", BACKENDS)


@each_driver
@each_backend
@pytest.mark.parametrize("nics", ("none", "fixed"), indirect=True)
def test_packets_come_once_and_whole(nics, driver, backend):
    """To a VF of the same NIC, to one on the wire, and to itself."""
    for peer in (("--peer", nics[0].vfs[1]), ("--peer", nics[1].vfs[6]), ()):
        answer = vfclient("traffic", "--from", nics[0].vfs[0], *peer, "--driver", driver, "--backend", backend)
        assert answer["there"]["came"] > 100 and (not peer or answer["back"]["came"] > 100)
        # Heads are somewhere in the ring, and the second queue was used.
        assert answer["registers"]["TDH0"] and (driver == "igbvf" or answer["registers"]["TDH1"])


@pytest.mark.parametrize("nics", ("none",), indirect=True)
def test_without_a_transport_all_of_bar_0_is_mapped_and_nothing_offered(nics):
    answer = vfclient("info", nics[0].vfs[0])
    assert answer["regions"][0]["mmap"] == [[0, 0x4000]]
    assert not answer["migration"]["flags"] and answer["interrupts"][2] == 3


@each_backend
def test_fixed_keeps_pages_0_and_2_and_offers_migration(nics, backend):
    answer = vfclient("info", nics[0].vfs[0], "--backend", backend)
    assert answer["regions"][0]["mmap"] == [[0x1000, 0x1000], [0x3000, 0x1000]]
    assert answer["migration"]["flags"] == ["stop-copy", "p2p", "pre-copy"]
    assert answer["migration"]["state"] == "Running" and answer["migration"]["data_size"] > 0
    # A log of the device's own takes iommufd in the kernel.
    assert answer["migration"]["log"] == ("iommufd" in BACKENDS)


@each_driver
@each_backend
def test_a_guest_moves_and_nothing_is_lost(nics, driver, backend, tmp_path):
    """Every register, packets on both sides of the stop, to NIC 1 and back to
    NIC 0; its peer is on either NIC."""
    options = ("--driver", driver, "--backend", backend)
    for seed, (here, there, peer) in enumerate(((0, 1, 0), (1, 0, 0), (0, 1, 1)), 1):
        saved = tmp_path / f"{seed}.vfstate"
        answer = vfclient("roundtrip", "--from", nics[here].vfs[0], "--to", nics[there].vfs[3], "--peer",
                          nics[peer].vfs[5], "--seed", seed, "--save", saved, *options)
        assert answer["registers_compared"] > 50 and answer["held_in_p2p"] > 0
        shown = json.loads(subprocess.run([VFSTATE, "show", "--json", saved], capture_output=True, check=True).stdout)
        state = shown["records"][2]
        # What the registers were, the stream has.
        registers = answer["registers"]
        for index in range(2):
            assert state["rx"][index]["head"] == registers[f"RDH{index}"]
            assert state["tx"][index]["tail"] == registers[f"TDT{index}"]
        assert state["guest"]["vlans"] == [100, 200] and state["guest"]["cts"]
        assert driver == "igbvf" or any(any(queue) for queue in state["tx_contexts"])


def test_seven_guests_move_at_once(nics):
    answer = vfclient("many", *(f"{a.address}={b.address}" for a, b in zip(nics[0].vfs, reversed(nics[1].vfs))))
    assert len(answer["moves"]) == 7


def test_forged_streams_gain_nothing(nics):
    answer = vfclient("forged", nics[0].vfs[0], nics[1].vfs[0], "--neighbour", nics[1].vfs[1], "--count", 100,
                      timeout=600)
    assert answer["refused"] and answer["loaded"] and len(answer["claims_refused"]) == 6
