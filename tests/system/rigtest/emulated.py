# SPDX-License-Identifier: GPL-2.0
"""What the module test_svm has seen of the emulated processor (Documentation/rig.rst)."""

from pathlib import Path

from . import pci

MODULE = "test_svm"


def here():
    """Whether guests run on a processor that QEMU emulates."""
    return pci.loaded(MODULE)


def count(name):
    """What the module, which is loaded, has counted under a name."""
    return int(Path("/sys/module", MODULE, "parameters", name).read_text())


def lost():
    """How many guests it has lost so far, as far as that can be told: taken for its host, or shut
    down by a triple fault."""
    return count("mixed") + count("shutdowns") if here() else 0
