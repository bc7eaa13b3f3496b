# SPDX-License-Identifier: GPL-2.0
"""What in-tree igb shows of a NIC, igb_rs shows of the same NIC."""

import json
import re

import pytest

from conftest import Host
from rigtest.net import run
from rigtest.pci import modprobe

# Counters of what the driver has not: time stamps, and a BMC that shares the wire, which the
# 82576 has not either.
LEFT_OUT = {"tx_hwtstamp_timeouts", "tx_hwtstamp_skipped", "rx_hwtstamp_cleared", "os2bmc_rx_by_bmc",
            "os2bmc_tx_by_bmc", "os2bmc_tx_by_host", "os2bmc_rx_by_host"}

# Abilities that are to be switched on, for a reason that Documentation/netdev.rst gives.
OFF_AT_FIRST = {"tx-gre-segmentation", "tx-gre-csum-segmentation", "tx-ipxip4-segmentation", "tx-ipxip6-segmentation",
                "tx-udp_tnl-segmentation", "tx-udp_tnl-csum-segmentation"}


class Shown:
    """What ethtool says with an option, of the first NIC by each driver: igb's, and ours."""

    def __init__(self, texts, devlink, address):
        self.texts, self.devlink, self.address = texts, devlink, address

    def __call__(self, option):
        return self.texts["igb", option], self.texts["igb_rs", option]


@pytest.fixture(scope="module")
def shown():
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    modprobe("igb")
    texts = {}
    for driver in ("igb", "igb_rs"):
        host.nics[0].bind(driver)
        for option in (None, "-S", "-k", "-g", "-l", "-i"):
            words = [option] if option else []
            texts[driver, option] = run("ethtool", *words, host.nics[0].netdev)
        # The names; it fails without a link. igb's offline test leaves a buffer mapped.
        texts[driver, "-t"] = run("ethtool", "-t", host.nics[0].netdev, "online", check=False)
    address = host.nics[0].address
    devlink = run("devlink", "-j", "dev", "info", f"pci/{address}")
    yield Shown(texts, devlink, address)
    host.clean()


def test_counters(shown):
    igb, ours = (set(re.findall(r"^ +(\w+): \d+$", text, re.M)) for text in shown("-S"))
    assert igb - ours == LEFT_OUT
    assert ours - igb == set()


def test_features(shown):
    igb, ours = (set(re.findall(r"^\s*([\w-]+): on", text, re.M)) for text in shown("-k"))
    assert igb - ours == OFF_AT_FIRST
    igb, ours = (set(re.findall(r"^\s*([\w-]+): (?:on|off)$", text, re.M)) for text in shown("-k"))
    assert igb - ours == set()


def test_rings(shown):
    igb, ours = ([line for line in text.splitlines() if re.match(r"[RT]X:", line)] for text in shown("-g"))
    assert igb == ours


def test_channels(shown):
    igb, ours = (re.findall(r"^(?:Other|Combined):\s+\S+$", text, re.M) for text in shown("-l"))
    assert igb == ours


def test_self_tests(shown):
    igb, ours = (re.findall(r"^(\w+ test) +\(", text, re.M) for text in shown("-t"))
    assert igb == ours and len(ours) == 5


def test_wake_ups(shown):
    igb, ours = (re.findall(r"^\s*(?:Supports )?Wake-on: \w+$", text, re.M) for text in shown(None))
    assert igb == ours


def test_firmware(shown):
    """The version of the NVM, and igb's is not empty."""
    igb, ours = (re.findall(r"^firmware-version: \S.*$", text, re.M) for text in shown("-i"))
    assert igb == ours and len(ours) == 1


def test_devlink(shown):
    """igb has none, so what it shows is compared with what ethtool does."""
    info = json.loads(shown.devlink)["info"][f"pci/{shown.address}"]
    assert info["driver"] == "igb_rs"
    _, ours = shown("-i")
    versions = info["versions"]
    assert f"firmware-version: {versions['running']['fw']}\n" in ours
    assert re.fullmatch(r"[0-9A-F]{6}-0[0-9A-F]{2}", versions["fixed"]["board.id"])
