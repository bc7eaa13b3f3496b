# SPDX-License-Identifier: GPL-2.0
"""Each allocation of probe, then of `sriov_numvfs`, fails once (debug kernel only):
one round is all of them."""

from rigtest import failures
from rigtest.net import peers

ROUNDS = 1
A, B = "198.51.100.1", "198.51.100.2"


def round(host, n):
    host.load("mediate", "igb_rs", "test_failnth")
    nic, other = host.nics[:2]
    for each in (nic, other):
        each.bind("igb_rs")
    nic.unbind()
    print("probe: %d allocations; %d attempts, %d failed" % failures.bind(nic), flush=True)
    nic.bind("igb_rs")
    with peers((nic.netdev, A), (other.netdev, B)) as (left, right):
        assert left.reaches(B) and right.reaches(A)
        print("sriov_numvfs: %d allocations; %d attempts, %d failed" % failures.enable_vf(nic), flush=True)
        assert left.reaches(B) and right.reaches(A)
