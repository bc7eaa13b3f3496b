# SPDX-License-Identifier: GPL-2.0
"""What a provider overrides is what a VMM sees; the rest is vfio-pci's."""

import ctypes
import struct
from pathlib import Path

import pytest

from conftest import MEDIATOR
from rigtest.vfio import CAP_SPARSE_MMAP, FLAG_CAPS, FLAG_MMAP, Device, outcome

PAGE = 0x1000
# Of test_provider.c.
REG_SCRATCH, REG_OPENS, REG_FAILS = 0x100, 0x108, 0x110
# A plain register of queue 0 that keeps what is written: RX ring base.
RING_BASE = 0x2800


def parameter(name, value=None):
    file = Path("/sys/module/test_provider/parameters", name)
    if value is not None:
        file.write_text(f"{value}\n")
    return file.read_text().strip()


def counts():
    return int(parameter("opens")), int(parameter("releases"))


@pytest.fixture
def vf(host):
    host.load("mediate", MEDIATOR)
    status, message = host.insmod("test_provider")
    assert status == 0, message
    vf = host.make_vfs(host.nics[0], "test_provider", 2)[1]
    vf.bind(MEDIATOR)
    yield vf
    vf.bind(None)


def test_open_and_release_are_paired(vf, log):
    assert counts() == (0, 0)
    for n in range(1, 4):
        with Device(vf):
            assert counts() == (n, n - 1)
        assert counts() == (n, n)
    assert 'opened with provider "test_provider"' in log()


def test_region_info_is_narrowed(vf):
    with Device(vf) as device:
        bar0, bar3 = device.region(0), device.region(3)
    assert bar0.size == 0x4000 and bar0.flags & FLAG_MMAP and bar0.flags & FLAG_CAPS
    assert bar0.areas == [(0x1000, 0x2000), (0x3000, 0x1000)]
    assert CAP_SPARSE_MMAP not in bar3.caps and bar3.size == 0x4000


def test_mappings_are_kept_to_the_areas(vf):
    with Device(vf) as device:
        bar0 = device.region(0)

        def map_it(offset, size):
            address = device.map(bar0, offset, size)
            device.unmap(address, size)
            return "mapped"
        assert outcome(lambda: map_it(0, PAGE)) == "EINVAL"
        assert outcome(lambda: map_it(0, 4 * PAGE)) == "EINVAL"
        assert outcome(lambda: map_it(PAGE, 2 * PAGE)) == "mapped"
        assert outcome(lambda: map_it(2 * PAGE, PAGE)) == "mapped"
        assert outcome(lambda: map_it(3 * PAGE, 2 * PAGE)) == "EINVAL"
        # Inside an area, but the provider's own mmap hook says no.
        assert outcome(lambda: map_it(3 * PAGE, PAGE)) == "EACCES"
        assert outcome(lambda: map_it(PAGE, 3 * PAGE)) == "EACCES"


def test_registers_are_overridden(vf):
    with Device(vf) as device:
        device.enable_memory()
        bar0 = device.region(0)
        device.write(bar0, REG_SCRATCH, b"\x11\x22\x33\x44\x55\x66\x77\x88")
        assert device.read(bar0, REG_SCRATCH, 8) == b"\x11\x22\x33\x44\x55\x66\x77\x88"
        assert device.read(bar0, REG_SCRATCH, 4) == b"\x11\x22\x33\x44"
        # Straddling: two registers of the provider and what is between.
        assert device.read(bar0, REG_SCRATCH, 12)[:8] == b"\x11\x22\x33\x44\x55\x66\x77\x88"
        assert struct.unpack("<I", device.read(bar0, REG_OPENS, 4)) == (counts()[0],)
        assert outcome(lambda: device.read(bar0, REG_FAILS, 4)) == "EPERM"
        assert outcome(lambda: device.write(bar0, REG_FAILS, b"\0" * 4)) == "EPERM"
        assert outcome(lambda: device.read(bar0, REG_OPENS, 2)) == "EINVAL"


def test_what_is_passed_reaches_the_device(vf):
    with Device(vf) as device:
        device.enable_memory()
        bar0 = device.region(0)
        device.write(bar0, RING_BASE, struct.pack("<I", 0x12345680))
        assert device.read(bar0, RING_BASE, 4) == struct.pack("<I", 0x12345680)
        with device.mapped(bar0, 2 * PAGE, PAGE) as address:
            register = ctypes.c_uint32.from_address(address + RING_BASE - 2 * PAGE)
            assert register.value == 0x12345680
            register.value = 0x9ABCDE00
        assert device.read(bar0, RING_BASE, 4) == struct.pack("<I", 0x9ABCDE00)


def test_a_provider_may_refuse_to_open(vf, log):
    parameter("open_errno", 13)
    assert outcome(lambda: Device(vf).close()) == "EACCES"
    assert "its provider refuses to open it" in log()
    # ENODEV means "not mine": the VF is then vfio-pci's alone.
    parameter("open_errno", 19)
    with Device(vf) as device:
        assert device.region(0).areas == []
    parameter("open_errno", 0)
    with Device(vf) as device:
        assert device.region(0).areas != []


def test_a_malformed_view_is_refused(vf, log):
    parameter("bad_region", 1)
    assert outcome(lambda: Device(vf).close()) == "EINVAL"
    assert "its size 0x8000 is beyond the BAR" in log()
    assert counts() == (1, 1)
    parameter("bad_region", 0)
    with Device(vf):
        pass
