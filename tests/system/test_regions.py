# SPDX-License-Identifier: GPL-2.0
"""Every boundary of every region answers as under vfio-pci."""

import mmap
import struct

import pytest

from conftest import MEDIATOR
from rigtest import pci
from rigtest.trap_region import CAP_TYPE
from rigtest.vfio import CONFIG_REGION, FLAG_MMAP, NUM_REGIONS, Device, outcome

BIG = 1 << 40
PAGE = mmap.PAGESIZE
# Registers whose reads clear them, or that change by themselves (STATUS, with
# the link), are left out of the comparison.
QUIET_BAR0 = (0x0, 0x800, 0xFFC, 0x1000, 0x2800, 0x281C, 0x2FFC, 0x3800, 0x3FFC)


def offsets(size):
    """Around the ends and the pages of a region, and far outside."""
    edges = {0, 1, 2, 3, 4, 7, 8, size // 2}
    for around in (PAGE, size):
        edges |= {around + d for d in (-9, -8, -7, -4, -3, -2, -1, 0, 1, 4, 8)}
    edges |= {size * 2, BIG - PAGE, BIG - 1}
    return sorted(e for e in edges if 0 <= e < BIG)


def describe(device, index):
    region = device.region(index)
    return region.flags, region.size, region.offset, region.areas, region.caps


def probe(device):
    """Everything that is asked of a device, with what it answers."""
    answers = {}
    for index in range(NUM_REGIONS + 2):
        answers["info", index] = info = outcome(lambda i=index: describe(device, i))
        if isinstance(info, str):
            continue
        region = device.region(index)
        for offset in offsets(region.size):
            for count in (0, 1, 2, 3, 4, 5, 8, 15, 16, 64):
                key = (index, offset, count)
                # What is read may change by itself; how much of it may not.
                answers["read", *key] = outcome(lambda: len(device.read(region, offset, count)))
            for count in (0, PAGE, 2 * PAGE, region.size or PAGE):
                answers["map", index, offset, count] = outcome(lambda: unmapped(device, region, offset, count))
        if index in (0, 3):
            # Behind the end only: what is inside would configure the device.
            for offset in (o for o in offsets(region.size) if o >= region.size):
                answers["write", index, offset] = outcome(lambda: device.write(region, offset, b"\0" * 4))
    bar0 = device.region(0)
    for offset in QUIET_BAR0:
        answers["value", offset] = outcome(lambda: device.read(bar0, offset, 4))
        answers["unaligned", offset] = outcome(lambda: device.read(bar0, offset, 7))
    answers["whole"] = outcome(lambda: len(device.read(bar0, 0, bar0.size + 100)))
    # IVAR takes what is written; half of it, and a store across two registers.
    answers["ivar"] = outcome(lambda: device.write(bar0, 0x1700, struct.pack("<I", 0x8081)))
    answers["ivar half"] = outcome(lambda: device.write(bar0, 0x1702, b"\x80\x81"))
    answers["ivar is"] = outcome(lambda: device.read(bar0, 0x1700, 4))
    answers["odd"] = outcome(lambda: device.write(bar0, 0x2805, b"\1\2\3"))
    answers["far region"] = outcome(lambda: device.read(type(bar0)(200, 0, 0, 200 * BIG), 0, 4))
    answers["private"] = outcome(lambda: device.map(bar0, 0, PAGE, flags=mmap.MAP_PRIVATE))
    answers["bad address"] = outcome(lambda: bad_address(device, bar0))
    return answers


def unmapped(device, region, offset, count):
    device.unmap(device.map(region, offset, count), count)
    return "mapped"


def bad_address(device, region):
    import ctypes
    libc = ctypes.CDLL(None, use_errno=True)
    libc.pread.argtypes = [ctypes.c_int, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int64]
    libc.pread.restype = ctypes.c_ssize_t
    done = libc.pread(device.fd, 8, 16, region.offset + 8)
    if done < 0:
        raise OSError(ctypes.get_errno(), "pread")
    return done


def run_probe(vf, driver):
    vf.bind(driver)
    with Device(vf) as device:
        device.enable_memory()
        return probe(device)


@pytest.mark.parametrize("pf_driver", ("igb", "igb_rs"))
def test_answers_are_those_of_vfio_pci(host, pf_driver):
    """Without a provider (igb) and with one that passes all through (igb_rs)."""
    if pf_driver == "igb":
        pci.modprobe("igb")
    host.load("mediate", MEDIATOR)
    if pf_driver == "igb_rs":
        host.load("igb_rs")
    pci.modprobe("vfio-pci")
    vf = host.make_vfs(host.nics[0], pf_driver, 1)[0]
    plain = run_probe(vf, "vfio-pci")
    mediated = run_probe(vf, MEDIATOR)
    assert len(plain) > 1000
    if pf_driver == "igb_rs":
        # One region more: the VMM may opt in to be told what to trap.
        flags, size, _, areas, caps = mediated.pop(("info", NUM_REGIONS))
        assert (flags & FLAG_MMAP, size, areas, caps) == (0, 4096, [], [CAP_TYPE])
        assert plain.pop(("info", NUM_REGIONS)) == "EINVAL"
    assert {k: (v, mediated[k]) for k, v in plain.items() if mediated[k] != v} == {}
    # A probe that always fails would compare equal, too.
    assert plain["value", 0x2800] != "EIO" and plain["map", 0, 0, PAGE] == "mapped"
    # Of VTIVAR the model keeps the two entries of queue 0.
    assert plain["whole"] == 0x4000 and plain["ivar is"] == b"\x81\x80\0\0"
    vf.bind(None)


def test_config_space_is_that_of_vfio_pci(host):
    host.load("mediate", MEDIATOR, "igb_rs")
    pci.modprobe("vfio-pci")
    vf = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    seen = []
    for driver in ("vfio-pci", MEDIATOR):
        vf.bind(driver)
        with Device(vf) as device:
            config = device.region(CONFIG_REGION)
            seen.append(device.read(config, 0, 4096))
    assert len(seen[0]) == 4096 and seen[0] == seen[1]
    vf.bind(None)
