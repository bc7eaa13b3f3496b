# SPDX-License-Identifier: GPL-2.0
"""What in-tree igb shows of a NIC, igb_rs shows of the same NIC."""

import re

import pytest

from conftest import Host
from rigtest.net import run
from rigtest.pci import modprobe

# Counters of what the driver has not: time stamps, and a BMC that shares the wire, which the
# 82576 has not either.
LEFT_OUT = {"tx_hwtstamp_timeouts", "tx_hwtstamp_skipped", "rx_hwtstamp_cleared", "os2bmc_rx_by_bmc",
            "os2bmc_tx_by_bmc", "os2bmc_tx_by_host", "os2bmc_rx_by_host"}

# Abilities of igb that Documentation/netdev.rst gives reasons to leave out.
NOT_OURS = {"tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-ipxip4-segmentation", "tx-ipxip6-segmentation",
            "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation", "tx-gso-partial"}


@pytest.fixture(scope="module")
def shown():
    """What ethtool says with an option, of the first NIC by each driver."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    modprobe("igb")
    texts = {}
    for driver in ("igb", "igb_rs"):
        host.nics[0].bind(driver)
        for option in ("-S", "-k", "-g", "-l", "-t"):
            # Of a test, the names: it fails without a link.
            texts[driver, option] = run("ethtool", option, host.nics[0].netdev, check=option != "-t")
    yield lambda option: (texts["igb", option], texts["igb_rs", option])
    host.clean()


def test_counters(shown):
    igb, ours = (set(re.findall(r"^ +(\w+): \d+$", text, re.M)) for text in shown("-S"))
    assert igb - ours == LEFT_OUT
    assert ours - igb == set()


def test_features(shown):
    igb, ours = (set(re.findall(r"^\s*([\w-]+): on", text, re.M)) for text in shown("-k"))
    assert igb - ours <= NOT_OURS


def test_rings(shown):
    igb, ours = ([line for line in text.splitlines() if re.match(r"[RT]X:", line)] for text in shown("-g"))
    assert igb == ours


def test_channels(shown):
    igb, ours = (re.findall(r"^(?:Other|Combined):\s+\S+$", text, re.M) for text in shown("-l"))
    assert igb == ours


def test_self_tests(shown):
    igb, ours = (re.findall(r"^(\w+ test) +\(", text, re.M) for text in shown("-t"))
    assert [name for name in igb if name != "Loopback test"] == ours and len(ours) == 4
