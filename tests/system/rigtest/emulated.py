# SPDX-License-Identifier: GPL-2.0
"""What the module test_svm has seen of the emulated processor (Documentation/rig.rst)."""

from pathlib import Path

PARAMETERS = Path("/sys/module/test_svm/parameters")


def here():
    """Whether guests run on a processor that QEMU emulates."""
    return PARAMETERS.exists()


def mixed():
    """How often it has taken a guest for its host so far: that guest is lost."""
    return int((PARAMETERS / "mixed").read_text()) if here() else 0
