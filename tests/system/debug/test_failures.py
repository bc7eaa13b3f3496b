# SPDX-License-Identifier: GPL-2.0
"""Allocations of probe and of `sriov_numvfs` fail: all that came before is released,
which the log check and kmemleak see to, and the next try works.

Here every so many of them; `make soak PART=failures KERNEL=debug` has each one.
"""

import errno

import pytest

from rigtest import failures
from rigtest.net import peers
from test_netdev import LEFT, RIGHT, pings

# No divisor of what comes in a loop.
STRIDE = 17


@pytest.fixture
def nics(host):
    host.load("mediate", "igb_rs", "test_failnth")
    for nic in host.nics:
        nic.bind("igb_rs")
    return host.nics


def test_failures_of_probe(nics):
    nic, other = nics
    nic.unbind()
    total, attempts, failed = failures.bind(nic, STRIDE)
    print(f"{total} allocations; {failed} of {attempts} made probe fail")
    assert failed > 5
    nic.bind("igb_rs")
    with peers((nic.netdev, LEFT), (other.netdev, RIGHT)) as (left, right):
        pings(left, RIGHT)
        pings(right, LEFT)


def test_failures_of_sriov_numvfs(nics):
    nic, other = nics
    with peers((nic.netdev, LEFT), (other.netdev, RIGHT)) as (left, _):
        total, attempts, failed = failures.enable_vf(nic, STRIDE)
        print(f"{total} allocations; {failed} of {attempts} made it fail")
        assert failed > 1
        left.wait_carrier()
        pings(left, RIGHT)
        assert failures.add_vf(nic) == errno.ENOMEM and nic.numvfs == 0
        left.wait_carrier()
        pings(left, RIGHT)
        nic.numvfs = 7
        left.wait_carrier()
        pings(left, RIGHT)
