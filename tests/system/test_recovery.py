# SPDX-License-Identifier: GPL-2.0
"""The PF's interface when its driver or its device goes away under it."""

import pytest

from rigtest.net import peers, running
from rigtest.played import Steps, make_vfs_under, vf_reaches
from test_netdev import LEFT, RIGHT, pings, wait_traffic

# pci_ers_result_t of linux/pci.h
CAN_RECOVER, NEED_RESET, DISCONNECT, RECOVERED = 2, 3, 4, 5


class Errors(Steps):
    """Calls a PF's error handlers as the PCI core would (test_errors.c)."""

    def step(self, name):
        super().step(name)
        return int(self.file.read_text())

    def reset_slot(self):
        """What follows an answer that asks for a reset."""
        self.step("reset")
        assert self.step("slot_reset") == RECOVERED
        self.step("resume")


@pytest.fixture
def errors(host, nics):
    return Errors(host, "test_errors", nics[0])


@pytest.fixture
def wire(nics):
    with peers((nics[0].netdev, LEFT), (nics[1].netdev, RIGHT)) as (left, right):
        pings(left, RIGHT)
        yield left, right


def test_an_error_that_does_no_harm(errors, wire):
    left, right = wire
    with running(right.popen("ping", "-f", "-w", "60", LEFT)):
        assert errors.step("normal") == CAN_RECOVER
        errors.step("resume")
        wait_traffic(left, left.received())
    pings(left, RIGHT)


def test_a_frozen_bus(errors, wire):
    """Under traffic; VLANs are received as before."""
    left, right = wire
    left.add_vlan(5, "203.0.113.1")
    right.add_vlan(5, "203.0.113.2")
    with running(right.popen("ping", "-f", "-w", "60", LEFT)):
        for _ in range(3):
            assert errors.step("frozen") == NEED_RESET
            assert not left.has_carrier() or "PRESENT" not in left.link()["flags"]
            errors.reset_slot()
            left.wait_carrier()
            wait_traffic(left, left.received())
    pings(left, RIGHT)
    pings(left, "203.0.113.2")


def test_a_frozen_bus_while_the_interface_is_down(errors, wire):
    left, _ = wire
    left.down()
    assert errors.step("frozen") == NEED_RESET
    errors.reset_slot()
    left.up()
    pings(left, RIGHT)


def test_a_frozen_bus_with_vfs(errors, nics, wire):
    """The reset takes the VFs' registers along; their drivers start anew."""
    left, _ = wire
    make_vfs_under(left, nics[0], 3)
    assert errors.step("frozen") == NEED_RESET
    errors.reset_slot()
    assert len(nics[0].vfs) == 3
    left.wait_carrier()
    pings(left, RIGHT)
    vf_reaches(nics[0], 2, (LEFT, RIGHT))


def test_a_device_that_is_lost(errors, nics, wire):
    """It is left alone, and comes back when it is bound anew."""
    left, right = wire
    assert errors.step("permanent") == DISCONNECT
    assert left.ping(RIGHT, count=1) == 0
    left.close()
    nics[0].unbind()
    nics[0].bind("igb_rs")
    with peers((nics[0].netdev, LEFT)):
        pings(right, LEFT)


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
