# SPDX-License-Identifier: GPL-2.0
"""The transport `region` by raw system calls: nothing is trapped while it is mapped, and
nothing is mapped while it is trapped."""

import os
import struct
import threading
import time
from pathlib import Path

import pytest

from conftest import MEDIATOR, SRC, Host
from rigtest import migration as mig
from rigtest import pci
from rigtest.migration import DataFile, S
from rigtest.trap_region import ACK, CONTROL, EVENT, NEVER_MAPPED, OPT_IN, OPTIONAL, PREFAULT, RETRY, TrapRegion
from rigtest.vfio import Device, outcome

PAGE, RX, TX = 0x1000, 0x2000, 0x3000
TRANSPORT = Path("/sys/module/vfio_pci_mediate/parameters/transport")


@pytest.fixture(scope="module")
def vf():
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC)
    vf = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    vf.bind(MEDIATOR)
    yield vf
    host.clean()


class Opened:
    """An open device, its BAR 0 and its region."""

    def __init__(self, device, vf):
        self.device, self.vf = device, vf
        self.bar, self.trap = device.region(0), TrapRegion(device)
        self.mapped = {}

    def map(self, *pages):
        for page in pages:
            self.mapped[page] = self.device.map(self.bar, page, PAGE)

    def unmap(self, *pages):
        for page in pages:
            self.device.unmap(self.mapped.pop(page), PAGE)

    def debugfs(self, name):
        return Path("/sys/kernel/debug/vfio_pci_mediate", self.vf.address, name).read_text().strip()

    def pre_copy(self):
        """Into pre-copy and out of it; what becomes of that, and what was trapped."""
        def walk():
            with DataFile(mig.set_state(self.device, S.PRE_COPY)):
                seen = self.trap.view().trapped, self.debugfs("trapped")
                mig.set_state(self.device, S.RUNNING)
                return seen
        return outcome(walk)


@pytest.fixture
def auto(vf):
    TRANSPORT.write_text("auto")
    with Device(vf) as device:
        device.enable_memory()
        yield Opened(device, vf)


@pytest.fixture
def opened(auto):
    auto.trap.write(CONTROL, OPT_IN)
    auto.bar = auto.device.region(0)
    yield auto


def test_a_vf_is_as_under_vfio_pci_until_the_vmm_opts_in(auto):
    assert mig.flags(auto.device) == 0 and auto.debugfs("transport") == "none"
    assert outcome(lambda: mig.set_state(auto.device, S.STOP)) == "ENOTSUP"
    auto.map(0, RX)
    assert outcome(lambda: auto.trap.write(CONTROL, OPT_IN)) == "EBUSY"
    auto.unmap(0)
    assert outcome(lambda: auto.trap.write(CONTROL, OPT_IN)) == "EBUSY"
    auto.unmap(RX)
    assert (auto.debugfs("transport"), auto.trap.view().control) == ("none", 0)
    auto.trap.write(CONTROL, OPT_IN)
    assert (auto.debugfs("transport"), auto.trap.view().control) == ("region", OPT_IN)
    assert mig.flags(auto.device) == 7 and mig.state(auto.device) == S.RUNNING
    assert outcome(lambda: auto.map(0)) == "EINVAL"
    assert auto.device.region(0).areas == [(PAGE, 3 * PAGE)]
    auto.map(PAGE, RX, TX)
    # It stays, and may be said again.
    auto.trap.write(CONTROL, OPT_IN)
    assert outcome(lambda: auto.trap.write(CONTROL, 0)) == "EINVAL"
    auto.unmap(PAGE, RX, TX)


def test_with_the_next_open_all_begins_anew(auto):
    assert mig.flags(auto.device) == 0 and auto.trap.view().control == 0
    auto.map(0)
    auto.unmap(0)


def test_the_choice_can_be_forced(vf):
    TRANSPORT.write_text("region")
    with Device(vf) as device:
        device.enable_memory()
        opened = Opened(device, vf)
        assert (opened.debugfs("transport"), mig.flags(device)) == ("region", 7)
        assert outcome(lambda: opened.map(0)) == "EINVAL"
        assert opened.pre_copy()[0] == 0b01
    TRANSPORT.write_text("none")
    with Device(vf) as device:
        assert outcome(lambda: device.region(9)) == "EINVAL"


def test_windows_are_described(opened):
    view = opened.trap.view()
    assert (view.version, view.size, view.nr_windows, view.window_size) == (1, 0x70, 2, 24)
    assert (view.event_fd, view.wanted, view.sequence, view.trapped) == (-1, 0, 0, 0)
    assert opened.trap.windows() == [(0, 0, RX, PAGE), (0, OPTIONAL, TX, PAGE)]
    region = opened.trap.region
    whole = opened.device.read(region, 0, region.size + 100)
    assert len(whole) == 4096 and whole[0x70:] == bytes(4096 - 0x70)
    assert opened.device.read(region, 0x3f, 3) == whole[0x3f:0x42]


def test_with_fixed_only_what_can_be_mapped_is_said(vf):
    TRANSPORT.write_text("fixed")
    with Device(vf) as device:
        opened = Opened(device, vf)
        assert opened.trap.windows() == [(0, NEVER_MAPPED, RX, PAGE), (0, OPTIONAL, TX, PAGE)]
        assert opened.trap.view().trapped == 0b01


def test_a_log_does_not_begin_while_a_window_is_mapped(opened):
    opened.map(PAGE, RX, TX)
    assert opened.pre_copy() == "EBUSY"
    assert mig.state(opened.device) == S.RUNNING and opened.trap.view().trapped == 0
    assert "must unmap that first" in opened.debugfs("last_error")
    opened.unmap(RX)
    trapped, shown = opened.pre_copy()
    assert (trapped, shown) == (0b01, "BAR0 0x0-0xfff\nBAR0 0x2000-0x2fff trapped")
    opened.map(RX)
    # A mapping of several pages, of which one is a window.
    opened.unmap(PAGE, RX, TX)
    address = opened.device.map(opened.bar, PAGE, 3 * PAGE)
    assert opened.pre_copy() == "EBUSY"
    opened.device.unmap(address + PAGE, PAGE)
    assert opened.pre_copy()[0] == 0b01
    opened.device.unmap(address, PAGE)
    opened.device.unmap(address + 2 * PAGE, PAGE)


def test_a_window_cannot_be_mapped_while_it_is_trapped(opened):
    with DataFile(mig.set_state(opened.device, S.PRE_COPY)):
        assert outcome(lambda: opened.map(RX)) == "EBUSY"
        assert outcome(lambda: opened.device.map(opened.bar, PAGE, 2 * PAGE)) == "EBUSY"
        opened.map(TX)
        # Its registers are there, through the file.
        opened.device.write(opened.bar, RX + 0x808, struct.pack("<I", 0x1000))
        assert opened.device.read(opened.bar, RX + 0x808, 4) == struct.pack("<I", 0x1000)
        mig.set_state(opened.device, S.RUNNING)
    assert opened.trap.view().wanted == 0
    opened.map(RX)
    opened.unmap(RX, TX)


class Obedient(threading.Thread):
    """Does what the region wants, as another thread of a VMM."""

    def __init__(self, opened):
        super().__init__()
        self.opened, self.results = opened, []
        self.event = os.eventfd(0)
        opened.trap.write(EVENT, self.event)

    def run(self):
        os.eventfd_read(self.event)
        view = self.opened.trap.view()
        assert view.wanted == 0b01 and view.trapped == 0
        write = self.opened.trap.write
        self.results = [outcome(lambda: write(ACK, view.sequence)), outcome(lambda: write(ACK, view.sequence + 1))]
        time.sleep(0.2)
        self.opened.unmap(RX)
        self.results.append(outcome(lambda: write(ACK, view.sequence)))


def test_a_log_waits_until_the_vmm_has_obeyed(opened):
    opened.map(RX)
    vmm = Obedient(opened)
    vmm.start()
    assert opened.pre_copy()[0] == 0b01
    vmm.join()
    assert vmm.results == ["EBUSY", "ESTALE", 4]
    # It is told of the end, too.
    assert os.eventfd_read(vmm.event) == 1
    view = opened.trap.view()
    assert (view.wanted, view.sequence, view.ack) == (0, 2, 1)
    # Who has nothing mapped is not waited for.
    start = time.monotonic()
    assert opened.pre_copy()[0] == 0b01 and time.monotonic() - start < 2
    opened.trap.write(EVENT, -1)
    os.close(vmm.event)


def test_a_vmm_that_does_not_obey_cannot_migrate(opened):
    opened.map(RX)
    event = os.eventfd(0)
    opened.trap.write(EVENT, event)
    start = time.monotonic()
    assert opened.pre_copy() == "ETIMEDOUT"
    assert 4 < time.monotonic() - start < 30
    assert "within 5 s" in opened.debugfs("last_error")
    assert os.eventfd_read(event) == 2 and opened.trap.view().wanted == 0
    assert mig.state(opened.device) == S.RUNNING
    opened.unmap(RX)
    os.close(event)


def test_what_makes_no_sense_is_refused(opened):
    trap, region, device = opened.trap, opened.trap.region, opened.device
    for offset in (0, 4, 0x18, 0x24, 0x2c, 0x30, 0x40, 0xffc, 0x1000, 1 << 30):
        assert outcome(lambda: trap.write(offset, 1)) == "EINVAL"
    for data in (b"\1", b"\1\0", b"\1\0\0\0\0\0\0\0", bytes(4096)):
        assert outcome(lambda: device.write(region, CONTROL, data)) == "EINVAL"
    for control in (4, 0xffffffff, PREFAULT):
        assert outcome(lambda: trap.write(CONTROL, control)) == "EINVAL"
    assert outcome(lambda: device.read(region, 4097, 4)) == "EINVAL"
    assert outcome(lambda: trap.write(EVENT, 0x7fffffff)) == "EBADF"
    assert outcome(lambda: trap.write(EVENT, device.fd)) == "EINVAL"
    assert outcome(lambda: trap.write(EVENT, -2)) == "EINVAL"
    assert outcome(lambda: trap.write(ACK, 5)) == "ESTALE"
    assert outcome(lambda: trap.write(RETRY, 1)) == "EINVAL"
    assert outcome(lambda: device.map(region, 0, PAGE)) == "EINVAL"
    assert trap.view().control == OPT_IN


def test_pre_fault_is_for_a_vf_that_does_not_run(opened):
    on, off = OPT_IN | PREFAULT, OPT_IN
    assert outcome(lambda: opened.trap.write(CONTROL, on)) == "EBUSY"
    mig.set_state(opened.device, S.STOP)
    opened.map(TX)
    assert outcome(lambda: opened.trap.write(CONTROL, on)) == "EBUSY"
    assert (opened.trap.view().control, opened.trap.view().wanted) == (off, 0)
    opened.unmap(TX)
    opened.trap.write(CONTROL, on)
    view = opened.trap.view()
    assert (view.control, view.wanted, view.trapped) == (on, 0b11, 0b11)
    assert outcome(lambda: opened.map(TX)) == "EBUSY"
    mig.set_state(opened.device, S.RUNNING)
    opened.trap.write(RETRY, 0)
    opened.trap.write(CONTROL, off)
    assert opened.trap.view().trapped == 0
    opened.map(RX, TX)
    opened.unmap(RX, TX)


def test_a_doorbell_without_its_memory_is_refused(opened):
    device, bar, trap = opened.device, opened.bar, opened.trap
    iova = 0x100000

    def write(offset, value):
        device.write(bar, offset, struct.pack("<I", value))

    def refused(offset, value):
        assert outcome(lambda: write(offset, value)) == "EFAULT"
        return trap.view().fault_iova, trap.view().fault_len

    mig.set_state(device, S.STOP)
    trap.write(CONTROL, OPT_IN | PREFAULT)
    mig.set_state(device, S.RUNNING)
    for base in (RX + 0x800, TX + 0x800):
        for register, value in ((0x0, iova), (0x4, 0), (0x8, 4096), (0x10, 0), (0x18, 0), (0x28, 1 << 25)):
            write(base + register, value)
    write(RX + 0x80c, 2 | 1 << 25)
    # The ring itself.
    for tail in (RX + 0x818, TX + 0x818):
        assert refused(tail, 4) == (iova, PAGE)
        assert device.read(bar, tail, 4) == bytes(4)
    with device.dma_memory(iova, PAGE) as ring:
        for at in range(8):
            # A buffer of 2 KiB over two pages; a packet of 60 bytes.
            struct.pack_into("<QQ", ring, 16 * at, 0x200000 - 16, 0x2b30003c | 60 << 46)
        assert refused(RX + 0x818, 4) == (0x1ff000, 2 * PAGE)
        assert refused(TX + 0x818, 4) == (0x1ff000, 2 * PAGE)
        with device.dma_memory(0x1ff000, PAGE):
            assert refused(RX + 0x818, 4) == (0x200000, PAGE)
            with device.dma_memory(0x200000, PAGE):
                write(RX + 0x818, 4)
                assert device.read(bar, RX + 0x818, 4) == b"\4\0\0\0"
                for base in (RX + 0x828, TX + 0x828):
                    write(base, 0)
    trap.write(CONTROL, OPT_IN)
    device.reset()


def test_a_close_leaves_no_trap(vf):
    TRANSPORT.write_text("auto")
    for end in (S.PRE_COPY, S.STOP):
        with Device(vf) as device:
            device.enable_memory()
            opened = Opened(device, vf)
            opened.trap.write(CONTROL, OPT_IN)
            fd = mig.set_state(device, end)
            if end == S.STOP:
                opened.trap.write(CONTROL, OPT_IN | PREFAULT)
            assert opened.trap.view().trapped
            if fd is not None:
                os.close(fd)
        with Device(vf) as device:
            device.enable_memory()
            opened = Opened(device, vf)
            assert (opened.trap.view().trapped, opened.trap.view().control) == (0, 0)
            opened.map(0, RX, TX)
            opened.unmap(0, RX, TX)
