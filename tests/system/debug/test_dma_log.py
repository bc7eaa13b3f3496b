# SPDX-License-Identifier: GPL-2.0
"""A device's own log of what it writes, DMA_LOGGING_…: what may be asked, and what is told.
Of a provider that claims what the test wants; what a VF really writes is `make truth`."""

import os
import struct

import pytest

from conftest import MEDIATOR, Host
from mover import (  # noqa: F401 (fixtures are used by name)
    DEFAULTS, REG_SCRATCH, TRANSPORT, device, go, level, log, parameter, registers,
)
from rigtest import migration as mig
from rigtest.migration import DataFile, S, log_report, log_start, log_stop, set_state
from rigtest.vfio import Device, IommufdDevice, outcome
from test_migration_uapi import debugfs

# Of test_provider.c.
REG_DIRTY_IOVA, REG_DIRTY_LEN = 0x120, 0x128
K, M = 1 << 10, 1 << 20
PAGES = (4 * K, 64 * K, 2 * M)
BASE, SIZE = 4 * M, 16 * M
# Where a VMM has its guest's memory, which here nobody needs to map.
RAM = [(0, 0xC000_0000), (1 << 32, 1 << 32)]


@pytest.fixture(scope="module")
def rig():
    rig = Host()
    rig.clean()
    rig.load("mediate", MEDIATOR)
    assert rig.insmod("test_provider", "logs=1") == (0, "")
    rig.vf = rig.make_vfs(rig.nics[0], "test_provider", 1)[0]
    rig.vf.bind(MEDIATOR)
    yield rig
    rig.clean()


@pytest.fixture
def vf(rig):
    for name, value in DEFAULTS.items():
        parameter(name, value)
    TRANSPORT.write_text("fixed")
    return rig.vf


def writes(device, *pieces):
    """The device is to have written so many bytes at each of these addresses."""
    bar0 = device.region(0)
    for iova, count in pieces:
        device.write(bar0, REG_DIRTY_IOVA, struct.pack("<Q", iova))
        device.write(bar0, REG_DIRTY_LEN, struct.pack("<Q", count))


def channel(vf):
    return debugfs(vf, "report_channel").strip()


def test_it_is_offered(device, vf):
    for feature in (mig.LOGGING_START, mig.LOGGING_STOP):
        mig.feature(device, mig.PROBE | mig.SET | feature, b"")
    mig.feature(device, mig.PROBE | mig.GET | mig.LOGGING_REPORT, b"")
    assert channel(vf) == "none"


def test_what_was_written_is_told_once(device, vf):
    found = int(debugfs(vf, "dirty_pages"))
    assert log_start(device, RAM) == 4 * K
    assert channel(vf) == "log"
    writes(device, (BASE, 1), (BASE + 5 * 4 * K - 1, 2), (RAM[0][1] - 1, 2 + RAM[1][0] - RAM[0][1]),
           (RAM[1][0], 4 * K + 1))
    assert log_report(device, BASE, SIZE) == [0, 4, 5]
    assert log_report(device, BASE, SIZE) == []
    # The hole is left out.
    assert log_report(device, *RAM[0]) == [RAM[0][1] // (4 * K) - 1]
    assert log_report(device, *RAM[1]) == [0, 1]
    writes(device, (BASE, 1))
    assert log_report(device, BASE, 4 * K) == [0]
    assert int(debugfs(vf, "dirty_pages")) == found + 7
    log_stop(device)
    assert channel(vf) == "none"


@pytest.mark.parametrize("reported", PAGES)
@pytest.mark.parametrize("logged", PAGES)
def test_pages_of_any_size_are_told_by_pages_of_any_size(device, logged, reported):
    assert log_start(device, [(BASE, SIZE)], logged) == logged
    pieces = [(BASE + 10, 1), (BASE + 6 * M - 1, 2), (BASE + SIZE - 1, 1)]
    expected = set()
    for iova, count in pieces:
        first = (iova - BASE) // logged * logged
        last = (iova + count - 1 - BASE) // logged * logged + logged - 1
        expected.update(range(first // reported, last // reported + 1))
    writes(device, *pieces)
    assert log_report(device, BASE, SIZE, reported) == sorted(expected)
    assert log_report(device, BASE, SIZE, reported) == []


def test_small_pages_are_those_of_the_host(device):
    assert log_start(device, [(BASE, 512), (BASE + 1024, 512)], 512) == 4 * K
    writes(device, (BASE + 1100, 1))
    assert log_report(device, BASE, 4 * K) == [0]


def test_a_page_that_is_told_in_part_is_told_again(device):
    log_start(device, [(BASE, SIZE)], 64 * K)
    writes(device, (BASE, 128 * K))
    assert log_report(device, BASE + 32 * K, 96 * K) == list(range(24))
    assert log_report(device, BASE, 128 * K) == list(range(16))
    assert log_report(device, BASE, 128 * K) == []


HUGE = 1 << 60


@pytest.mark.parametrize("ranges, page, errno", (
    ([], 4 * K, "EINVAL"),
    ([(BASE, 4 * K), (BASE, 4 * K)], 4 * K, "EINVAL"),
    ([(BASE + 4 * K, 8 * K), (BASE, 8 * K)], 4 * K, "EINVAL"),
    ([(BASE + 1, 4 * K)], 4 * K, "EINVAL"),
    ([(BASE, 4 * K + 1)], 4 * K, "EINVAL"),
    ([(BASE + 4 * K, 64 * K)], 64 * K, "EINVAL"),
    ([(BASE, 0)], 4 * K, "EINVAL"),
    ([(0, 0)], 4 * K, "EINVAL"),
    ([(0, 0)], 0, "EINVAL"),
    ([(0, 4 * K)], 0, "EINVAL"),
    ([(0, 12 * K)], 12 * K, "EINVAL"),
    ([(1 << 63, 1 << 63)], 4 * K, "EOVERFLOW"),
    ([(8 * K * at, 4 * K) for at in range(257)], 4 * K, "E2BIG"),
    ([(0, HUGE)], 4 * K, "ENOMEM"),
    ([(0, 1 << 63)], 1, "ENOMEM"),
    ([(HUGE * at, HUGE // 2) for at in range(8)], 4 * K, "ENOMEM"),
))
def test_ranges_that_cannot_be_logged(device, vf, ranges, page, errno):
    assert outcome(lambda: log_start(device, ranges, page)) == errno
    assert channel(vf) == "none"
    assert outcome(lambda: log_report(device, BASE, SIZE)) == "EINVAL"
    # It can be begun all the same.
    log_start(device, RAM)


def test_ranges_that_are_not_there(device):
    payload = struct.pack("<QIIQ", 4 * K, 2, 0, 8)
    assert outcome(lambda: mig.feature(device, mig.SET | mig.LOGGING_START, payload)) == "EFAULT"


def test_no_memory_is_said(device, log):
    assert outcome(lambda: log_start(device, [(0, HUGE)])) == "ENOMEM"
    assert "no log; free memory, or let the VMM log fewer or larger pages" in log()


def test_as_many_ranges_as_there_may_be(device):
    ranges = [(8 * K * at, 4 * K) for at in range(256)]
    log_start(device, ranges[::-1])
    writes(device, (0, 255 * 8 * K), (255 * 8 * K, 1))
    for iova, size in ranges:
        assert log_report(device, iova, size) == [0]
        assert log_report(device, iova, size) == []


def test_huge_pages_of_a_huge_range(device):
    """A bit for each page, and no more."""
    assert log_start(device, [(0, 1 << 62)], 1 << 50) == 1 << 50
    writes(device, (1 << 61, 1))
    assert log_report(device, 0, 1 << 62, 1 << 50) == [1 << 11]


@pytest.mark.parametrize("iova, size, page, errno", (
    (BASE - 4 * K, 8 * K, 4 * K, "EINVAL"),
    (BASE + SIZE - 4 * K, 8 * K, 4 * K, "EINVAL"),
    (BASE + SIZE, 4 * K, 4 * K, "EINVAL"),
    (0, 4 * K, 4 * K, "EINVAL"),
    (0, 1 << 62, 1 << 50, "EINVAL"),
    (BASE, 0, 4 * K, "EINVAL"),
    (BASE, 4 * K, 2 * K, "EINVAL"),
    (BASE, 12 * K, 12 * K, "EINVAL"),
    ((1 << 64) - 4 * K, 8 * K, 4 * K, "EOVERFLOW"),
))
def test_reports_of_what_is_not_logged(device, iova, size, page, errno):
    log_start(device, [(BASE, SIZE)])
    writes(device, (BASE, 1))
    assert outcome(lambda: log_report(device, iova, size, page)) == errno
    assert log_report(device, BASE, SIZE) == [0]


def test_without_a_beginning_there_is_no_report(device):
    assert outcome(lambda: log_report(device, BASE, SIZE)) == "EINVAL"
    log_stop(device)
    log_start(device, RAM)
    assert outcome(lambda: log_start(device, RAM)) == "EINVAL"
    writes(device, (BASE, 1))
    assert log_report(device, BASE, SIZE) == [0]
    for _ in range(2):
        log_stop(device)
        assert outcome(lambda: log_report(device, BASE, SIZE)) == "EINVAL"


def test_a_close_ends_it(vf):
    with Device(vf) as device:
        device.enable_memory()
        log_start(device, RAM)
        assert channel(vf) == "log"
    assert channel(vf) == "none"
    with Device(vf) as device:
        assert outcome(lambda: log_report(device, BASE, SIZE)) == "EINVAL"


def test_a_migration_that_is_cancelled_ends_it(device, vf):
    log_start(device, RAM)
    # It runs: nothing has ended.
    go(device, S.RUNNING)
    assert channel(vf) == "log"
    with DataFile(set_state(device, S.PRE_COPY)) as data:
        assert channel(vf) == "log"
        writes(device, (BASE, 1))
        data.info()
        go(device, S.STOP_COPY)
        assert log_report(device, BASE, SIZE) == [0]
        go(device, S.RUNNING)
    assert channel(vf) == "none"
    assert outcome(lambda: log_report(device, BASE, SIZE)) == "EINVAL"
    log_stop(device)


def test_a_reset_does_not_end_it(device, vf):
    log_start(device, RAM)
    device.reset()
    device.enable_memory()
    writes(device, (BASE, 1))
    assert log_report(device, BASE, SIZE) == [0]
    assert channel(vf) == "log"


def test_a_container_is_told_if_nobody_wants_a_log(device, vf):
    """By a VMM with a device that has none, say. What began first goes on when the other ends."""
    fd = set_state(device, S.PRE_COPY)
    assert channel(vf) == "scope"
    log_start(device, RAM)
    assert channel(vf) == "log scope"
    log_stop(device)
    assert channel(vf) == "scope"
    go(device, S.RUNNING)
    assert channel(vf) == "none"
    os.close(fd)


def test_a_device_that_is_loaded_has_none(device):
    with DataFile(set_state(device, S.RESUMING)):
        assert outcome(lambda: log_start(device, RAM)) == "EINVAL"
    device.reset()
    log_start(device, RAM)


def test_hooks_that_fail(device, vf, log):
    parameter("fail", "log_start")
    parameter("fail_errno", 28)
    assert outcome(lambda: log_start(device, RAM)) == "ENOSPC"
    assert channel(vf) == "none"
    assert "beginning to log what the VF writes failed with " in log()
    parameter("fail", "")
    log_start(device, RAM)
    writes(device, (BASE, 1))
    parameter("fail", "log_sync")
    assert outcome(lambda: log_report(device, BASE, SIZE)) == "ENOSPC"
    parameter("fail", "")
    assert log_report(device, BASE, SIZE) == [0]


class TestIommufd:
    """Memory is read that a VMM has given to a device of its own iommufd."""

    @pytest.fixture(params=(False, True), ids=("space", "table"))
    def device(self, vf, request):
        with IommufdDevice(vf, table=request.param) as device:
            device.enable_memory()
            yield device

    def test_it_is_moved_and_logged(self, device, vf):
        assert mig.flags(device)
        log_start(device, RAM)
        with DataFile(set_state(device, S.PRE_COPY)) as data:
            # There is no container to be told.
            assert channel(vf) == "log"
            writes(device, (BASE, 4 * K))
            assert log_report(device, BASE, SIZE) == [0]
            go(device, S.STOP_COPY)
            assert data.drain()
        log_stop(device)
        go(device, S.RUNNING)
        with DataFile(set_state(device, S.PRE_COPY)):
            assert channel(vf) == "none"
        go(device, S.RUNNING)

    def test_its_memory_is_read_and_written(self, device):
        with device.dma_memory(BASE, 8 * K) as memory:
            memory[:8] = struct.pack("<Q", 0x0123_4567_89AB_CDEF)
            parameter("dma_iova", BASE)
            go(device, S.STOP)
            with DataFile(set_state(device, S.STOP_COPY)) as data:
                data.drain()
            go(device, S.RUNNING)
            assert level() == 0 and registers(device)[0] == 0x0123_4567_89AB_CDEF
            assert memory[8:16] == memory[:8]
            # Beyond the mapping there is none.
            go(device, S.STOP)
            parameter("dma_iova", BASE + 8 * K)
            assert outcome(lambda: set_state(device, S.STOP_COPY)) == "EFAULT"

    def test_a_device_that_is_attached_elsewhere_fails_its_migration(self, device, log):
        log_start(device, RAM)
        device.detach()
        assert outcome(lambda: log_report(device, BASE, SIZE)) == "EIO"
        assert "could not be recorded: start the migration anew" in log()
        log_stop(device)
        device.attach(device.ioas)
        log_start(device, RAM)
        assert log_report(device, BASE, SIZE) == []

    def test_which_memory_is_meant_must_be_clear(self, vf, log):
        with IommufdDevice(vf) as device:
            device.new_ioas()
            # An address space is what it is.
            device.attach(device.ioas)
            assert mig.flags(device)
            # But a table could be of either.
            device.attach(device.new_table())
            assert mig.flags(device) == 0
            assert outcome(lambda: mig.state(device)) == "ENOTSUP"
            assert outcome(lambda: set_state(device, S.STOP)) == "ENOTSUP"
            assert outcome(lambda: log_start(device, RAM)) == "ENOTSUP"
            assert "cannot be read" in log()
            device.attach(device.ioas)
            assert mig.flags(device) and mig.state(device) == S.RUNNING


def test_registers_are_where_the_provider_has_them(device):
    """What the others stand on."""
    assert outcome(lambda: device.read(device.region(0), REG_DIRTY_IOVA, 8)) == "EINVAL"
    assert device.read(device.region(0), REG_SCRATCH, 8) == bytes(8)
