# SPDX-License-Identifier: GPL-2.0
"""The emulated processor of the rig's host, as a guest sees it."""

from rigtest import emulated, pci
from rigtest.bare import EXIT_MMIO, exits

WRITES = 50


def test_an_exception_before_an_emulated_write_does_not_end_a_guest():
    """What the module test_svm is for: else this guest is ended with an internal error."""
    pci.load_kvm()
    assert list(exits(WRITES)) == [EXIT_MMIO] * WRITES
    if emulated.here():
        assert emulated.count("spared") > 0, "this QEMU does not need test_svm any more"
