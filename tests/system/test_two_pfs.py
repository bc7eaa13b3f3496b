# SPDX-License-Identifier: GPL-2.0
"""A provider is asked only for VFs whose PF it has bound."""

from conftest import MEDIATOR
from rigtest import pci
from rigtest.vfio import Device


def test_each_vf_has_the_provider_of_its_own_pf(host, log):
    """NIC 0 on in-tree igb, NIC 1 on igb_rs, a VF of each open at once."""
    pci.modprobe("igb")
    host.load("mediate", MEDIATOR, "igb_rs")
    plain = host.make_vfs(host.nics[0], "igb", 1)[0]
    mediated = host.make_vfs(host.nics[1], "igb_rs", 1)[0]
    for vf in (plain, mediated):
        vf.bind(MEDIATOR)
    with Device(plain) as first:
        assert "opened with provider" not in log()
        with Device(mediated) as second:
            assert f'{mediated.address}: opened with provider "igb_rs"' in log()
            assert f"{plain.address}: opened with" not in log()
            assert first.region(0) == second.region(0)
        # The provider serves nobody now, though a VF of the other NIC is open.
        host.nics[1].numvfs = 0
        status, message = host.rmmod("igb_rs")
        assert status == 0, message
    plain.bind(None)


def test_two_providers_at_once(host, log):
    host.load("mediate", MEDIATOR, "igb_rs")
    assert host.insmod("test_provider")[0] == 0
    ours = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    theirs = host.make_vfs(host.nics[1], "test_provider", 1)[0]
    for vf in (ours, theirs):
        vf.bind(MEDIATOR)
    with Device(ours) as first, Device(theirs) as second:
        assert first.region(0).areas == [] and second.region(0).areas != []
    text = log()
    assert f'{ours.address}: opened with provider "igb_rs"' in text
    assert f'{theirs.address}: opened with provider "test_provider"' in text
