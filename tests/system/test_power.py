# SPDX-License-Identifier: GPL-2.0
"""The PF when the host sleeps, ends, or is to be woken."""

import json
import re
from pathlib import Path

import pytest

from rigtest.net import peers, running
from rigtest.played import Steps, make_vfs_under, vf_reaches
from test_netdev import LEFT, RIGHT, pings, wait_traffic

# The debug kernel has no power management: nobody tells the function to wake the host.
HAS_PM = Path("/sys/power").is_dir()


@pytest.fixture
def sleep(host, nics):
    """Lets one function sleep while all others are awake (test_sleep.c)."""
    return Steps(host, "test_sleep", nics[0])


@pytest.fixture
def wakeable(sleep, nics):
    """NIC 0 can wake the host. The rig's firmware says so of what is there when it starts, but
    not of what was removed and is found again, as other tests have it."""
    sleep.step("wakeable")
    nics[0].unbind()
    nics[0].bind("igb_rs")


@pytest.fixture
def wire(nics):
    with peers((nics[0].netdev, LEFT), (nics[1].netdev, RIGHT)) as (left, right):
        pings(left, RIGHT)
        yield left, right


def test_sleep_under_traffic(sleep, nics, wire):
    """VLANs, settings and counters are as before."""
    left, right = wire
    left.add_vlan(5, "203.0.113.1")
    right.add_vlan(5, "203.0.113.2")
    left("ethtool", "-G", left.netdev, "rx", "512")
    with running(right.popen("ping", "-f", "-w", "120", LEFT)):
        for _ in range(3):
            before, counted = left.received(), left.counters()["rx_packets"]
            sleep.step("sleep")
            assert nics[0].read("power_state") == "D3hot"
            # Nobody reads counters of a device that does not answer.
            assert left.received() >= before
            sleep.step("wake")
            assert nics[0].read("power_state") == "D0"
            left.wait_carrier()
            wait_traffic(left, left.received())
            assert counted < left.counters()["rx_packets"] < counted + 1_000_000
    pings(left, RIGHT)
    pings(left, "203.0.113.2")
    assert json.loads(left("ethtool", "--json", "-g", left.netdev))[0]["rx"] == 512


def test_nothing_is_received_asleep(sleep, wire):
    left, right = wire
    sleep.step("sleep")
    assert right.ping(LEFT, count=2) == 0
    sleep.step("wake")
    left.wait_carrier()
    pings(right, LEFT)


def test_sleep_while_the_interface_is_down(sleep, wire):
    left, _ = wire
    left.down()
    sleep.step("sleep")
    sleep.step("wake")
    left.up()
    pings(left, RIGHT)


def test_sleep_with_vfs(sleep, nics, wire):
    """Their drivers start anew."""
    left, _ = wire
    make_vfs_under(left, nics[0], 3)
    sleep.step("sleep")
    sleep.step("wake")
    assert len(nics[0].vfs) == 3
    left.wait_carrier()
    pings(left, RIGHT)
    vf_reaches(nics[0], 2, (LEFT, RIGHT))


def test_shutdown(sleep, nics, wire):
    """The device is quiet; here the machine goes on, and it is bound anew."""
    left, right = wire
    with running(right.popen("ping", "-f", "-w", "60", LEFT)):
        wait_traffic(left, left.received())
        sleep.step("shutdown")
        assert right.ping(LEFT, count=2) == 0
    left.close()
    nics[0].unbind()
    nics[0].bind("igb_rs")
    with peers((nics[0].netdev, LEFT)):
        pings(right, LEFT)


def wake_ups(peer):
    """What can wake the host, and what does."""
    text = peer("ethtool", peer.netdev)
    return [re.search(rf"^\s*{name}: (\w+)$", text, re.M).group(1) for name in ("Supports Wake-on", "Wake-on")]


@pytest.mark.usefixtures("wakeable")
def test_wake_on_lan(sleep, nics, wire):
    """What is set, and who is told; QEMU's NIC has no PME to wake anybody with."""
    left, _ = wire

    def wakes(on):
        """The PM core knows, if there is one."""
        return not HAS_PM or nics[0].read("power/wakeup") == ("enabled" if on else "disabled")
    assert wake_ups(left) == ["pumbg", "g"] and wakes(True)
    for wanted, is_on in (("d", False), ("pumbg", True), ("um", True)):
        left("ethtool", "-s", left.netdev, "wol", wanted)
        assert sorted(wake_ups(left)[1]) == sorted(wanted)
        assert wakes(is_on)
        sleep.step("sleep")
        assert nics[0].read("power_state") == "D3hot"
        sleep.step("wake")
        left.wait_carrier()
        pings(left, RIGHT)
    with pytest.raises(AssertionError):
        left("ethtool", "-s", left.netdev, "wol", "a")
    assert sorted(wake_ups(left)[1]) == ["m", "u"]
    left("ethtool", "-s", left.netdev, "wol", "g")
