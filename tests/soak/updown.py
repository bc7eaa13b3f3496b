# SPDX-License-Identifier: GPL-2.0
"""Up and down, VF FLR, VFs on and off, module reload: the link works after each."""

from rigtest import pci
from rigtest.net import peers, run

ROUNDS = 300
A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def start(host):
    host.load("mediate", "igb_rs")
    pci.modprobe("igbvf")
    for nic in host.nics:
        nic.bind("igb_rs")


def works(host):
    """Ping PF to PF across the wire and PF to VF, VFs driven by igbvf."""
    first, second = host.nics[:2]
    vf = first.vfs[0]
    vf.bind("igbvf")
    netdev = pci.wait_for(lambda: vf.netdev, 20, "netdev of the VF")
    with peers((first.netdev, A), (second.netdev, B), (netdev, C)) as (pf, wire, virtual):
        assert wire.reaches(A, count=3) and virtual.reaches(A, count=3) and wire.reaches(C, count=3)


def round(host, n):
    start(host)
    nic = host.nics[0]
    # VFs on and off.
    nic.numvfs = 7
    assert len(nic.vfs) == 7
    nic.numvfs = 0
    nic.numvfs = 1 + n % 7
    # FLR of a VF that no driver has.
    nic.vfs[-1].write("reset", 1)
    # Up and down.
    for each in host.nics:
        run("ip", "link", "set", each.netdev, "up")
        run("ip", "link", "set", each.netdev, "down")
    works(host)
    for vf in nic.vfs:
        vf.bind(None)
    # Reload, sometimes with VFs on.
    if n % 2:
        nic.numvfs = 0
    host.unload("igb_rs")
