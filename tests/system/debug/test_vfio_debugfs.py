# SPDX-License-Identifier: GPL-2.0
"""The kernel's own view of a migration, where it has one (VFIO_DEBUGFS)."""

from pathlib import Path

from mover import STATES, go, rig, vf, vfs  # noqa: F401 (fixtures are used by name)
from rigtest.vfio import Device, outcome
from test_migration_uapi import debugfs


def test_vfio_s_own_debugfs_agrees(vf):  # noqa: F811
    theirs = Path("/sys/kernel/debug/vfio", vf.address, "migration")
    with Device(vf) as device:
        assert (theirs / "features").read_text().split() == ["stop-copy", "p2p", "pre-copy"]
        for to in STATES:
            go(device, to)
            assert (theirs / "state").read_text() == debugfs(vf, "state") == f"{to.name}\n"
            device.reset()
    assert outcome((theirs / "state").read_text) == "EINVAL"
