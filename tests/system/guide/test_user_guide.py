# SPDX-License-Identifier: GPL-2.0
"""The user guide's blocks, run in its order as they stand, on two hosts with libvirt.

Nothing is substituted. What stands in for something: `ssh`, the hosts themselves
(rigtest/two_hosts.py), and modules that were built outside.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from conftest import SRC, Host
from rigtest import pci
from rigtest.guide import blocks
from rigtest.two_hosts import TwoHosts

BLOCK_SECONDS = 900
MODULES = ("mediate", "vfio_pci_mediate", "igb_rs")
RUN = [(block, place) for block in blocks(SRC / "Documentation/user-guide.rst") for place in block.places]


def lay_out_modules():
    """What `make modules_install` of the guide makes; the build took place outside."""
    updates = Path("/tmp/vf-mediate/lib/modules", os.uname().release, "updates")
    updates.mkdir(parents=True)
    for module in MODULES:
        shutil.copy(pci.built(SRC, Host.files[module]), updates)


@pytest.fixture(scope="module")
def hosts():
    with TwoHosts(SRC) as two:
        # As on a host that was only just installed: the NICs are the in-tree driver's.
        pci.load_kvm()
        pci.modprobe("igb")
        lay_out_modules()
        yield two


@pytest.fixture(scope="module")
def walk():
    """The first block that failed: those after it build on it."""
    return []


@pytest.mark.parametrize("block, place", RUN, ids=[f"{block.name}-{place.replace(' ', '-')}" for block, place in RUN])
def test_block(hosts, walk, block, place):
    assert not walk, f"{walk[0]} has failed"
    walk.append(f"{block.name} on {place}")
    status, output = hosts.run(place, block.text, BLOCK_SECONDS)
    print(output)
    detail = "" if status == 0 else f"{hosts.logs()}\n{kernel_log()}"
    assert status == 0, f"{walk[0]} ended with {status}:\n{block.text}\n{output}\n{detail}"
    assert re.search(block.prints, output, re.M), f"{walk[0]} does not print {block.prints!r}:\n{output}\n{kernel_log()}"
    walk.clear()


def kernel_log():
    text = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
    return "\n".join(line for line in text.splitlines()[-300:] if re.search("igb|vfio|mediate", line))
