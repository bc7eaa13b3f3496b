# SPDX-License-Identifier: GPL-2.0
"""Module load, VFs on, VF FLR, up and down, a working link, VFs off, module unload."""

from rigtest import pci
from rigtest.net import peers, run

ROUNDS = 300
A, B, C = "198.51.100.1", "198.51.100.2", "198.51.100.3"


def round(host, n):
    host.load("mediate", "igb_rs")
    pci.modprobe("igbvf")
    nic, other = host.nics[:2]
    for each in (nic, other):
        each.bind("igb_rs")
    nic.numvfs = 7
    assert len(nic.vfs) == 7
    # FLR of a VF that no driver has; QEMU's igb hangs the machine when igbvf has it.
    nic.vfs[1 + n % 6].write("reset", 1)
    run("ip", "-batch", "-", input="".join(
        f"link set {each.netdev} {state}\n" for each in (nic, other) for state in ("up", "down")))
    vf = nic.vfs[n % 7]
    vf.bind("igbvf")
    with peers((nic.netdev, A), (other.netdev, B), (vf.wait_netdev(), C)) as (pf, wire, virtual):
        assert wire.reaches(A, count=1) and virtual.reaches(A, count=1) and wire.reaches(C, count=1)
    vf.bind(None)
    nic.numvfs = 0
    # Unloading takes VFs along.
    if n % 10 == 9:
        nic.numvfs = 3
    host.unload("igb_rs")
