# SPDX-License-Identifier: GPL-2.0
"""Allocations of `sriov_numvfs` fail: all that came before is released, which the log
check and kmemleak see to, and the next try works.

Here the first ones, and every so many of the others; `make soak PART=failures KERNEL=debug` has each one, and
those of probe.
"""

import errno
import itertools

import pytest

from rigtest import failures
from rigtest.net import peers
from test_netdev import LEFT, RIGHT, pings

# Without these it fails. Most of the others are buffers of a ring that may be filled later:
# no divisor of what comes in a loop.
FIRST, STRIDE = 12, 61


@pytest.fixture
def nics(host):
    host.load("mediate", "igb_rs", "test_failnth")
    for nic in host.nics:
        nic.bind("igb_rs")
    return host.nics


def test_failures_of_sriov_numvfs(nics):
    nic, other = nics
    with peers((nic.netdev, LEFT), (other.netdev, RIGHT)) as (left, _):
        total, attempts, failed = failures.enable_vf(nic, itertools.chain(range(1, FIRST), range(FIRST, failures.MOST, STRIDE)))
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
