# SPDX-License-Identifier: GPL-2.0
"""Modules that play a part of the kernel for one function (modules/one_function.h), and what
tests of several such parts ask."""

from pathlib import Path

from . import pci
from .net import peers

VIRTUAL = "198.51.100.3"


class Steps:
    """A part of the kernel, which does what it is told."""

    def __init__(self, host, module, function):
        status, message = host.insmod(module, f"pf={function.address}")
        assert status == 0, message
        self.file = Path("/sys/module", module, "parameters/step")

    def step(self, name):
        self.file.write_text(name)


def vf_reaches(nic, index, addresses):
    """The VF works: igbvf starts on it, and reaches everybody."""
    vf = nic.vfs[index]
    vf.bind("igbvf")
    with peers((vf.wait_netdev(), VIRTUAL)) as (virtual,):
        assert all(virtual.reaches(address) for address in addresses)
    vf.bind(None)


def make_vfs_under(peer, nic, count):
    """VFs of a PF whose interface is in use."""
    pci.modprobe("igbvf")
    nic.numvfs = count
    peer.wait_carrier()
