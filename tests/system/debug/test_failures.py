# SPDX-License-Identifier: GPL-2.0
"""Each allocation of probe and of `sriov_numvfs` fails once: all that came before is
released, which the log check and kmemleak see to, and the next try works."""

import errno
import time

import pytest

from rigtest.failures import every_allocation, write_failing
from rigtest.net import peers
from rigtest.pci import DRIVERS
from test_netdev import LEFT, RIGHT, pings

# More than any of these has: the loop ends where nothing is left to fail.
MOST = 5000


@pytest.fixture
def nics(host):
    host.load("mediate", "igb_rs")
    for nic in host.nics:
        nic.bind("igb_rs")
    return host.nics


def each_failure(attempt, undo):
    """Calls attempt(n) for n = 1, 2, … until nothing fails; answers (n, failed)."""
    failed = 0
    with every_allocation():
        for n in range(1, MOST):
            fired, error = attempt(n)
            if n % 50 == 0:
                print(f"{n} allocations, {failed} of them needed", flush=True)
            if error is None:
                undo()
            else:
                failed += 1
                assert error in (errno.ENOMEM, errno.ENODEV), error
            if not fired:
                assert error is None
                return n, failed
    raise AssertionError("there is no end of it")


def test_each_failure_of_probe(nics):
    nic, other = nics
    nic.unbind()
    nic.write("driver_override", "igb_rs\n")
    start = time.monotonic()

    def attempt(n):
        result = write_failing(DRIVERS / "igb_rs/bind", nic.address, n)
        assert (nic.driver is None) == (result[1] is not None)
        return result
    n, failed = each_failure(attempt, nic.unbind)
    print(f"{n} allocations, {failed} of them make probe fail, {time.monotonic() - start:.0f} s")
    assert failed > 50
    nic.bind("igb_rs")
    with peers((nic.netdev, LEFT), (other.netdev, RIGHT)) as (left, right):
        pings(left, RIGHT)
        pings(right, LEFT)


def test_each_failure_of_sriov_numvfs(nics):
    nic, other = nics
    nic.write("sriov_drivers_autoprobe", 0)
    start = time.monotonic()

    def attempt(n):
        result = write_failing(nic.path / "sriov_numvfs", "1", n)
        assert nic.numvfs == len(nic.vfs) == (1 if result[1] is None else 0)
        return result
    with peers((nic.netdev, LEFT), (other.netdev, RIGHT)) as (left, _):
        n, failed = each_failure(attempt, lambda: nic.write("sriov_numvfs", 0))
        print(f"{n} allocations, {failed} of them make it fail, {time.monotonic() - start:.0f} s")
        pings(left, RIGHT)
        nic.numvfs = 7
        left.wait_carrier()
        pings(left, RIGHT)
