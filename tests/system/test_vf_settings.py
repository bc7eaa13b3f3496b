# SPDX-License-Identifier: GPL-2.0
"""`ip link set DEV vf N …`: each setting by its effect. What QEMU's model lacks
(spoof check, rate limit) shows in `ip link` here, and its effect on the fake
device of the host tests."""

import json
import subprocess

import pytest

from rigtest import pci
from rigtest.frames import tag
from rigtest.net import peers, run
from test_traffic import A, B, C, nics, vf_netdevs  # noqa: F401 (nics is a fixture)


def settings(netdev, vf=0):
    return json.loads(run("ip", "-j", "-d", "link", "show", netdev))[0]["vfinfo_list"][vf]


def refused(*words):
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode != 0
    return done.stderr


@pytest.fixture
def pf(nics):  # noqa: F811
    """PF 0 with two VFs that no driver has yet."""
    nics[0].numvfs = 2
    run("ip", "link", "set", nics[0].netdev, "up")
    return nics[0]


def start(vf):
    vf.bind("igbvf")
    return vf.wait_netdev()


def test_mac(pf):
    run("ip", "link", "set", pf.netdev, "vf", 0, "mac", "02:00:00:00:00:55")
    assert settings(pf.netdev)["address"] == "02:00:00:00:00:55"
    netdev = start(pf.vfs[0])
    assert run("cat", f"/sys/class/net/{netdev}/address").strip() == "02:00:00:00:00:55"
    # The guest cannot change what the administrator set; its driver is told.
    subprocess.run(["ip", "link", "set", netdev, "address", "02:00:00:00:00:56"], capture_output=True)
    assert settings(pf.netdev)["address"] == "02:00:00:00:00:55"
    assert "nvalid" in refused("ip", "link", "set", pf.netdev, "vf", "0", "mac", "01:00:00:00:00:55")
    refused("ip", "link", "set", pf.netdev, "vf", "7", "mac", "02:00:00:00:00:57")


def test_the_pf_takes_no_address_of_a_vfs(pf):
    """Neither one that is set for a VF, nor one that a VF's driver has chosen."""
    own = "02:00:00:00:00:58"

    def address():
        return json.loads(run("ip", "-j", "link", "show", pf.netdev))[0]["address"]
    run("ip", "link", "set", pf.netdev, "vf", 1, "mac", "02:00:00:00:00:55")
    run("ip", "link", "set", start(pf.vfs[0]), "address", "02:00:00:00:00:56")
    for taken in ("02:00:00:00:00:55", "02:00:00:00:00:56"):
        assert "Address already in use" in refused("ip", "link", "set", pf.netdev, "address", taken)
    before = address()
    assert before != own
    run("ip", "link", "set", pf.netdev, "address", own)
    assert address() == own
    # Nor do VFs take the PF's, and what it has left is free.
    assert "Address already in use" in refused("ip", "link", "set", pf.netdev, "vf", "0", "mac", own)
    run("ip", "link", "set", pf.netdev, "vf", 0, "mac", before)
    assert "Address already in use" in refused("ip", "link", "set", pf.netdev, "address", before)
    run("ip", "link", "set", pf.netdev, "vf", 0, "mac", "00:00:00:00:00:00")
    run("ip", "link", "set", pf.netdev, "address", before)


def test_vlan(nics, pf):  # noqa: F811
    run("ip", "link", "set", pf.netdev, "vf", 0, "vlan", 300, "qos", 3)
    entry = settings(pf.netdev)["vlan_list"][0]
    assert (entry["vlan"], entry["qos"]) == (300, 3)
    netdev = start(pf.vfs[0])
    with peers((nics[1].netdev, B), (netdev, C)) as (wire, vf):
        assert vf.ping(B, count=2) == 0, "the VF is in VLAN 300 and the wire is not"
        wire.ip("addr", "del", f"{B}/24", "dev", wire.netdev)
        wire.add_vlan(300, B)
        assert vf.reaches(B)
    run("ip", "link", "set", pf.netdev, "vf", 0, "vlan", 0)
    assert not settings(pf.netdev).get("vlan_list") or settings(pf.netdev)["vlan_list"][0].get("vlan", 0) == 0
    assert "not supported" in refused("ip", "link", "set", pf.netdev, "vf", "0", "vlan", "300", "proto", "802.1ad")
    for vid in ("4095", "5000"):
        refused("ip", "link", "set", pf.netdev, "vf", "0", "vlan", vid)


def test_priority(nics, pf):  # noqa: F811
    netdev = start(pf.vfs[0])
    with peers((nics[1].netdev, B), (netdev, C)) as (wire, vf):
        wire.add_vlan(300, "203.0.113.1")
        assert vf.reaches(B) and tag(vf, wire) is None
        # The last is a priority alone.
        for vid, qos in ((300, 3), (300, 7), (0, 5)):
            run("ip", "link", "set", pf.netdev, "vf", 0, "vlan", vid, "qos", qos)
            entry = settings(pf.netdev)["vlan_list"][0]
            assert (entry.get("vlan", 0), entry["qos"]) == (vid, qos)
            assert tag(vf, wire) == qos << 13 | vid


def test_state(nics, pf):  # noqa: F811
    netdev = start(pf.vfs[0])
    with peers((nics[1].netdev, B), (netdev, C)) as (_, vf):
        assert vf.reaches(B)
        run("ip", "link", "set", pf.netdev, "vf", 0, "state", "disable")
        assert settings(pf.netdev)["link_state"] == "disable"
        assert vf.ping(B, count=2) == 0
        run("ip", "link", "set", pf.netdev, "vf", 0, "state", "enable")
        vf.wait_carrier()
        assert pci.wait_for(lambda: vf.reaches(B), 30, "the VF is back")
        run("ip", "link", "set", pf.netdev, "vf", 0, "state", "auto")
        assert settings(pf.netdev)["link_state"] == "auto"


def test_rate_spoofchk_trust_are_kept_and_shown(pf):
    pf.wait_carrier()
    run("ip", "link", "set", pf.netdev, "vf", 1, "max_tx_rate", 100)
    run("ip", "link", "set", pf.netdev, "vf", 1, "spoofchk", "off", "trust", "on")
    shown = settings(pf.netdev, 1)
    assert shown["rate"]["max_tx"] == 100 and shown["spoofchk"] is False and shown["trust"] is True
    shown = settings(pf.netdev, 0)
    assert shown["rate"]["max_tx"] == 0 and shown["spoofchk"] is True and shown["trust"] is False
    refused("ip", "link", "set", pf.netdev, "vf", "1", "max_tx_rate", "100000")
    refused("ip", "link", "set", pf.netdev, "vf", "1", "min_tx_rate", "10")


def test_statistics(nics, pf):  # noqa: F811
    netdev = start(pf.vfs[0])
    with peers((nics[1].netdev, B), (netdev, C)) as (_, vf):
        assert vf.reaches(B, count=20)
    stats = json.loads(run("ip", "-j", "-s", "link", "show", pf.netdev))[0]["vfinfo_list"][0]["stats"]
    assert stats["rx"]["packets"] >= 19 and stats["tx"]["tx_packets"] >= 19
    assert stats["rx"]["bytes"] > 19 * 84 and stats["tx"]["tx_bytes"] > 19 * 84
