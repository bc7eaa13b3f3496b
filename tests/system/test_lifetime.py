# SPDX-License-Identifier: GPL-2.0
"""Nobody goes away under an open VF; who wants it back waits and says so."""

import os
import subprocess
import threading
import time
from pathlib import Path

import pytest

from conftest import MEDIATOR, SRC
from rigtest import pci
from rigtest.pci import wait_for
from rigtest.vfio import Device


@pytest.fixture
def nic(host):
    host.load("mediate", MEDIATOR, "igb_rs")
    host.make_vfs(host.nics[0], "igb_rs", 2)
    return host.nics[0]


def in_background(action):
    thread = threading.Thread(target=action, daemon=True)
    thread.start()
    return thread


def test_unloading_a_provider_with_an_open_vf_is_refused(host, nic):
    vf = nic.vfs[0]
    vf.bind(MEDIATOR)
    with Device(vf) as device:
        status, message = host.rmmod("igb_rs")
        assert status != 0 and "in use" in message
        assert host.rmmod("mediate")[0] != 0
        assert host.rmmod(MEDIATOR)[0] != 0
        assert device.region(0).size == 0x4000
    status, message = host.rmmod("igb_rs")
    assert status == 0, message


WAYS = {
    "sriov_numvfs": lambda nic: nic.write("sriov_numvfs", 0),
    "unbind": lambda nic: nic.unbind(),
    "remove": lambda nic: nic.write("remove", 1),
    "vf unbind": lambda nic: nic.vfs[0].unbind(),
}


# In-tree igb, unbound with VFs, removes them without the PCI rescan lock; lockdep
# says so on the debug kernel, whatever vfio driver they have.
@pytest.mark.parametrize("way, pf_driver", [(way, "igb_rs") for way in WAYS] + [("sriov_numvfs", "igb"), ("remove", "igb")])
def test_taking_an_open_vf_away_asks_and_waits(host, log, way, pf_driver):
    """The same with the in-tree PF driver: then it is vfio-pci's behaviour."""
    host.load("mediate", MEDIATOR)
    if pf_driver == "igb":
        pci.modprobe("igb")
    else:
        host.load("igb_rs")
    nic = host.nics[0]
    host.make_vfs(nic, pf_driver, 2)
    vf = nic.vfs[0]
    vf.bind(MEDIATOR)
    device = Device(vf)
    event = device.request_eventfd()
    thread = in_background(lambda: WAYS[way](nic))
    try:
        wait_for(lambda: asked(event), 30, "the VMM is asked")
        time.sleep(1)
        assert thread.is_alive(), "it must wait for the VMM"
        assert f"in use by the VMM with pid {os.getpid()}" in log()
        assert device.region(0).size == 0x4000
    finally:
        device.close()
    thread.join(60)
    assert not thread.is_alive(), "it must go on when the VMM has gone"
    if way == "remove":
        Path("/sys/bus/pci/rescan").write_text("1")
        wait_for(lambda: pci.pfs() == host.nics, 10, "the PF is back")


def asked(event):
    try:
        return os.eventfd_read(event)
    except BlockingIOError:
        return 0


def test_a_pf_comes_back_with_its_vfs(nic):
    """Unbind and bind, VFs and all, a few times."""
    for _ in range(3):
        nic.unbind()
        assert nic.numvfs == 0 and nic.vfs == []
        nic.bind("igb_rs")
        nic.numvfs = 7
        assert len(nic.vfs) == 7
        nic.vfs[6].bind(MEDIATOR)
        with Device(nic.vfs[6]) as device:
            assert device.region(0).size == 0x4000


def test_more_vfs_than_there_can_be_are_refused(nic):
    nic.write("sriov_numvfs", 0)
    with pytest.raises(OSError):
        nic.write("sriov_numvfs", 8)
    assert nic.numvfs == 0
    nic.write("sriov_numvfs", 3)
    with pytest.raises(OSError):
        nic.write("sriov_numvfs", 5)
    assert nic.numvfs == 3


def test_a_vmm_that_is_killed_leaves_nothing(host, nic):
    vf = nic.vfs[1]
    vf.bind(MEDIATOR)
    code = ("import sys, time; sys.path.insert(0, 'tests/system')\n"
            "from rigtest import pci; from rigtest.vfio import Device\n"
            f"device = Device(pci.Function('{vf.address}'))\n"
            "device.enable_memory(); bar0 = device.region(0)\n"
            "device.map(bar0, 0, 0x4000); print('open', flush=True); time.sleep(100)\n")
    with subprocess.Popen(["python3", "-c", code], stdout=subprocess.PIPE, text=True, cwd=SRC) as vmm:
        assert vmm.stdout.readline() == "open\n"
        assert host.rmmod("igb_rs")[0] != 0
        vmm.kill()
    wait_for(lambda: host.rmmod("igb_rs")[0] == 0, 20, "the provider is free again")
