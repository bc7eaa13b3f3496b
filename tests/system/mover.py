# SPDX-License-Identifier: GPL-2.0
"""The VFs of test_provider.c as devices that migrate: fixtures and helpers."""

import os
import struct
from pathlib import Path

import pytest

from conftest import MEDIATOR, Host
from rigtest import migration as mig
from rigtest.migration import DataFile, S, set_state
from rigtest.vfio import Device, outcome

# Of test_provider.c.
REG_SCRATCH, REG_SECOND = 0x100, 0x118
RUN, P2P, STOP = 0, 1, 2
LEVELS = {
    S.RUNNING: RUN, S.PRE_COPY: RUN, S.RUNNING_P2P: P2P, S.PRE_COPY_P2P: P2P,
    S.STOP: STOP, S.STOP_COPY: STOP, S.RESUMING: STOP,
}
STATES = tuple(LEVELS)
OFFERED = mig.STOP_COPY_FLAG | mig.P2P_FLAG | mig.PRE_COPY_FLAG
TRANSPORT = Path("/sys/module/vfio_pci_mediate/parameters/transport")


def parameter(name, value=None):
    file = Path("/sys/module/test_provider/parameters", name)
    if value is not None:
        file.write_text(f"{value}\n")
    return file.read_text().strip()


def level():
    return int(parameter("level"))


DEFAULTS = {"fail": "", "fail_errno": 5, "explain": 0, "compat": 1, "padding": 0, "lie": "", "dma_iova": 0}


@pytest.fixture(scope="module")
def rig():
    """Two VFs of the test provider, for all tests of this file."""
    rig = Host()
    rig.clean()
    rig.load("mediate", MEDIATOR)
    status, message = rig.insmod("test_provider")
    assert status == 0, message
    rig.vfs = rig.make_vfs(rig.nics[0], "test_provider", 2)
    for vf in rig.vfs:
        vf.bind(MEDIATOR)
    yield rig
    rig.clean()


@pytest.fixture
def log(rig):
    mark = rig.log_mark()
    return lambda: rig.log_since(mark)


@pytest.fixture
def vfs(rig):
    for name, value in DEFAULTS.items():
        parameter(name, value)
    TRANSPORT.write_text("fixed")
    return rig.vfs


@pytest.fixture
def vf(vfs):
    return vfs[0]


@pytest.fixture
def device(vf):
    with Device(vf) as device:
        device.enable_memory()
        yield device


def registers(device, values=None):
    """The two registers of the test provider's state."""
    bar0 = device.region(0)
    if values is not None:
        device.write(bar0, REG_SCRATCH, struct.pack("<Q", values[0]))
        device.write(bar0, REG_SECOND, struct.pack("<Q", values[1]))
    return tuple(struct.unpack("<Q", device.read(bar0, reg, 8))[0] for reg in (REG_SCRATCH, REG_SECOND))


def go(device, to):
    """Go to a state; a data file that comes of it is closed."""
    fd = set_state(device, to)
    if fd is not None:
        os.close(fd)
    return fd is not None


def reaches(device, start, goal):
    """Go from one state to another as vfio_mig_get_next_state() has it: STOP_COPY to
    pre-copy is refused, and leaving RESUMING without a stream is an error; all else is
    reached. Whether a data file came of it; None where the goal is not reached."""
    reached = goal
    if start == S.STOP_COPY and goal in (S.PRE_COPY, S.PRE_COPY_P2P):
        reached = start
    elif start == S.RESUMING and goal != start:
        reached = S.ERROR
    opened = None
    if reached == goal:
        opened = go(device, goal)
    else:
        assert outcome(lambda: go(device, goal)) == "EINVAL"
    assert mig.state(device) == reached
    return opened


def saved(device):
    """A whole stream of the device, which is left in STOP_COPY."""
    with DataFile(set_state(device, S.STOP_COPY)) as data:
        return data.drain()


def stream(compat=1, state=(1, 2), **words):
    return mig.sealed(mig.prelude() + mig.identity(**words) + mig.record(mig.PRECOPY, struct.pack("<I", compat))
                      + mig.record(mig.STATE, struct.pack("<QQ", *state)))


def refused(device, data, piece=1 << 16):
    """What becomes of a stream: the errno of a write, or of leaving RESUMING."""
    with DataFile(set_state(device, S.RESUMING)) as file:
        written = outcome(lambda: file.write_all(data, piece))
        if written is not None:
            assert outcome(lambda: file.write(b"x")) == "ENODEV"
        left = outcome(lambda: set_state(device, S.STOP))
    assert mig.state(device) == (S.STOP if left is None else S.ERROR)
    device.reset()
    return written or left


GOOD = stream()
