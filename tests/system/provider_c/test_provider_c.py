# SPDX-License-Identifier: GPL-2.0
"""Two providers at once: igb_rs for its NIC's VFs, and one in C for those of an NVMe
controller. In a rig of its own, which has such controllers (`--nvme 2`).
"""

import struct
from pathlib import Path

import pytest

from conftest import MEDIATOR, Host
from mover import OFFERED, STATES, TRANSPORT, go, log, reaches, refused, saved  # noqa: F401 (a fixture)
from rigtest import migration as mig
from rigtest import nvme, pci
from rigtest.mailbox import VfUser
from rigtest.migration import DataFile, S, set_state
from rigtest.vfio import FLAG_MMAP, Device, outcome
from test_regions import run_probe

PAGE = 0x1000
# BAR0 of QEMU's NVMe VF, and what provider_c.c does to it.
DOORBELLS, MSIX_TABLE, MSIX_PENDING, BAR_SIZE = PAGE, 2 * PAGE, 3 * PAGE, 4 * PAGE
CAP, VS, INTMS, CC, AQA, ASQ, ACQ = 0x00, 0x08, 0x0C, 0x14, 0x24, 0x28, 0x30
QEMU_VERSION, SHOWN_VERSION = 0x00010400, 0x00010300
ENABLED = 0x00460001
ADDRESSES = (0x123456789000, 0xFEDCBA987000)
# Of an igb VF: RX ring base.
RING_BASE = 0x2800


@pytest.fixture(scope="module")
def rig():
    """Two NICs and two NVMe controllers with a VF each, under the mediator."""
    rig = Host()
    rig.clean()
    controllers = nvme.controllers()
    assert len(rig.nics) == len(controllers) == 2
    rig.load("mediate", MEDIATOR, "igb_rs", "provider_c")
    pci.modprobe("vfio-pci")
    rig.nvme_vfs = [controller.make_vfs(1)[0] for controller in controllers]
    rig.igb_vfs = [rig.make_vfs(nic, "igb_rs", 1)[0] for nic in rig.nics]
    for vf in rig.nvme_vfs + rig.igb_vfs:
        vf.bind(MEDIATOR)
    yield rig
    for vf in rig.nvme_vfs + rig.igb_vfs:
        vf.bind(None)
    for controller in controllers:
        controller.close()
    rig.clean()


@pytest.fixture
def vfs(rig):
    """The NVMe VFs, at a transport at which their provider mediates."""
    TRANSPORT.write_text("fixed")
    for vf in rig.nvme_vfs:
        vf.bind(MEDIATOR)
    return rig.nvme_vfs


@pytest.fixture
def vf(vfs):
    return vfs[0]


@pytest.fixture
def device(vf):
    with Device(vf) as device:
        device.enable_memory()
        device.reset()
        queues(device, (0, 0))
        yield device


@pytest.fixture
def igb(rig, vfs):
    """The igb VF that is open all the time beside the NVMe VFs."""
    with VfUser(rig.igb_vfs[0]) as user:
        user.reset()
        yield user


def read(device, register, width=4):
    return int.from_bytes(device.read(device.region(0), register, width), "little")


def write(device, register, value, width=4):
    device.write(device.region(0), register, value.to_bytes(width, "little"))


def queues(device, addresses=None):
    """The addresses of the admin queues, which are the state that moves."""
    if addresses is not None:
        for register, address in zip((ASQ, ACQ), addresses):
            write(device, register, address, 8)
    return tuple(read(device, register, 8) for register in (ASQ, ACQ))


def last_error(vf):
    return Path("/sys/kernel/debug/vfio_pci_mediate", vf.address, "last_error").read_text()


def map_it(device, offset, size):
    region = device.region(0)
    device.unmap(device.map(region, offset, size), size)
    return "mapped"


def test_each_provider_has_its_vfs(rig, vfs, log):
    for vf, name in ((vfs[0], "provider_c"), (vfs[1], "provider_c"), (rig.igb_vfs[0], "igb_rs")):
        with Device(vf):
            provider = Path("/sys/kernel/debug/vfio_pci_mediate", vf.address, "provider").read_text()
            assert provider == f"{name}\n"
            status, _ = rig.rmmod(name)
            assert status != 0, "an open VF holds its provider"


def test_region_info_is_overridden(device, igb):
    bar0 = device.region(0)
    assert (bar0.size, bar0.areas) == (BAR_SIZE, [(DOORBELLS, MSIX_PENDING - DOORBELLS)])
    assert bar0.flags & FLAG_MMAP
    assert igb.device.region(0).areas != bar0.areas


def test_one_register_is_overridden(device):
    assert read(device, VS) == SHOWN_VERSION
    # Accesses of all widths see the same.
    shown = SHOWN_VERSION.to_bytes(4, "little")
    bar0 = device.region(0)
    assert [device.read(bar0, VS + i, 1) for i in range(4)] == [shown[i:i + 1] for i in range(4)]
    assert [device.read(bar0, VS + i, 2) for i in (0, 2)] == [shown[:2], shown[2:]]
    write(device, VS, 0xFFFFFFFF)
    assert read(device, VS) == SHOWN_VERSION
    # Its neighbour is the device's: INTMS, set by ones, cleared through INTMC behind it.
    write(device, INTMS, 1)
    assert device.read(bar0, VS, 8) == shown + b"\1\0\0\0"
    write(device, INTMS + 4, 1)
    assert device.read(bar0, VS, 8) == shown + bytes(4)


def test_one_mapping_is_refused(device):
    assert outcome(lambda: map_it(device, DOORBELLS, PAGE)) == "mapped"
    # Inside the area, but the provider's own hook says no.
    assert outcome(lambda: map_it(device, MSIX_TABLE, PAGE)) == "EACCES"
    assert outcome(lambda: map_it(device, DOORBELLS, 2 * PAGE)) == "EACCES"
    for outside in (0, MSIX_PENDING):
        assert outcome(lambda: map_it(device, outside, PAGE)) == "EINVAL"


def test_other_registers_pass(device):
    capabilities = read(device, CAP, 8)
    assert capabilities not in (0, (1 << 64) - 1)
    write(device, AQA, 0x001F001F)
    assert read(device, AQA) == 0x001F001F
    assert queues(device, ADDRESSES) == ADDRESSES
    device.reset()
    assert read(device, CAP, 8) == capabilities


def test_only_what_is_overridden_differs_from_vfio_pci(vf):
    """Every boundary of every region, as the mediator's own tests ask."""
    plain = run_probe(vf, "vfio-pci")
    fixed = run_probe(vf, MEDIATOR)
    TRANSPORT.write_text("none")
    assert run_probe(vf, MEDIATOR) == plain
    differs = {key for key, answer in plain.items() if fixed[key] != answer}
    assert {key[:2] for key in differs} == {("info", 0), ("map", 0)}
    assert all(fixed[key] in ("EINVAL", "EACCES") for key in differs if key[0] == "map")


def test_without_a_transport_it_is_vfio_pci_s(vf):
    TRANSPORT.write_text("none")
    with Device(vf) as device:
        device.enable_memory()
        assert device.region(0).areas == []
        assert read(device, VS) == QEMU_VERSION
        assert map_it(device, 0, BAR_SIZE) == "mapped"
        assert mig.flags(device) == 0


@pytest.mark.parametrize("start", STATES, ids=lambda s: s.name)
@pytest.mark.parametrize("kind", ("nvme", "igb"))
def test_every_pair_of_states(device, igb, kind, start):
    """As the mediator's own tests have it, for VFs of both providers."""
    one, other = (device, igb.device) if kind == "nvme" else (igb.device, device)
    assert mig.flags(one) == OFFERED
    for goal in STATES:
        go(one, start)
        reaches(one, start, goal)
        assert mig.state(other) == S.RUNNING
        one.reset()
        assert mig.state(one) == S.RUNNING


def test_round_trip(vfs, igb):
    with Device(vfs[0]) as source, Device(vfs[1]) as target:
        source.enable_memory(), target.enable_memory()
        queues(source, ADDRESSES), queues(target, (0, 0))
        found = saved(source)
        records = mig.parse(found)
        assert [tag for tag, _ in records] == [mig.HEADER, mig.PRECOPY, mig.STATE, mig.END]
        assert dict(records)[mig.HEADER].endswith(struct.pack("<HH", *nvme.IDENT) + b"provider_c")
        assert dict(records)[mig.STATE] == struct.pack("<QQ", *ADDRESSES)
        with DataFile(set_state(target, S.RESUMING)) as data:
            data.write_all(found[:-1])
            assert queues(target) == (0, 0), "nothing is loaded before the end"
            data.write_all(found[-1:])
            go(target, S.RUNNING)
        assert queues(target) == ADDRESSES
        assert mig.state(target) == S.RUNNING
        go(source, S.RUNNING)
        assert queues(source) == ADDRESSES


def changed(found, tag, payload):
    """A stream with one record's payload changed, and a right checksum."""
    records = [(t, payload if t == tag else p) for t, p in mig.parse(found) if t != mig.END]
    return mig.sealed(mig.prelude() + b"".join(mig.record(t, p) for t, p in records))


@pytest.mark.parametrize("tag, payload, words", (
    (mig.PRECOPY, bytes(8), "capabilities differ"),
    (mig.PRECOPY, bytes(7), "wrong length"),
    (mig.STATE, bytes(15), "wrong length"),
    (mig.STATE, struct.pack("<QQ", 0x1000, 0x2001), "not page-aligned"),
), ids=("other model", "short compared", "short state", "unaligned"))
def test_forged_streams(vf, device, tag, payload, words):
    queues(device, ADDRESSES)
    found = saved(device)
    device.reset()
    assert refused(device, changed(found, tag, payload)) == "EINVAL"
    assert words in last_error(vf)
    assert queues(device) == ADDRESSES
    assert refused(device, found) is None, "a right stream works afterwards"


def test_an_enabled_controller_is_not_moved(vf, device):
    write(device, AQA, 0x001F001F)
    queues(device, (0x1000, 0x2000))
    write(device, CC, ENABLED)
    assert read(device, CC) == ENABLED
    assert outcome(lambda: go(device, S.PRE_COPY)) == "EBUSY"
    assert mig.state(device) == S.RUNNING
    assert "disable it before it is moved" in last_error(vf)
    write(device, CC, 0)
    assert go(device, S.PRE_COPY)


def test_a_stream_of_the_other_provider_is_refused(device, igb, log):
    queues(device, ADDRESSES)
    of_nvme, of_igb = saved(device), saved(igb.device)
    device.reset(), igb.device.reset()
    for other, found in ((device, of_igb), (igb.device, of_nvme)):
        assert refused(other, found) == "EXDEV"
    assert log().count("another PF driver made it") == 2
    assert queues(device) == ADDRESSES
    for same, found in ((device, of_nvme), (igb.device, of_igb)):
        assert refused(same, found) is None, "its own is taken"


def test_an_igb_vf_moves_beside_it(rig, device, igb):
    go(device, S.PRE_COPY)
    igb.write(RING_BASE, 0x12345680)
    found = saved(igb.device)
    with VfUser(rig.igb_vfs[1]) as there:
        with DataFile(set_state(there.device, S.RESUMING)) as data:
            data.write_all(found)
        set_state(there.device, S.RUNNING)
        assert there.read(RING_BASE) == 0x12345680
    assert mig.state(device) == S.PRE_COPY
