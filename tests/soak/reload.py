# SPDX-License-Identifier: GPL-2.0
"""Modules come and go, VFs come and go, a VF is opened and closed in between."""

from conftest import MEDIATOR
from rigtest.vfio import Device

ROUNDS = 100


def round(host, n):
    host.load("mediate", *(("igb_rs", MEDIATOR) if n % 2 else (MEDIATOR, "igb_rs")))
    nic = host.nics[n % len(host.nics)]
    vf = host.make_vfs(nic, "igb_rs", 7)[n % 7]
    vf.bind(MEDIATOR)
    with Device(vf) as device:
        device.enable_memory()
        bar0 = device.region(0)
        with device.mapped(bar0, 0, bar0.size):
            assert len(device.read(bar0, 0x2800, 4)) == 4
        assert host.rmmod("igb_rs")[0] != 0, "a provider with an open VF must stay"
        device.reset()
    if n % 3:
        vf.bind(None)
    nic.numvfs = 0
    host.unload(*(("igb_rs", MEDIATOR) if n % 2 else (MEDIATOR, "igb_rs")), "mediate")
