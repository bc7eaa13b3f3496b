# SPDX-License-Identifier: GPL-2.0
"""A VF's state by the raw uAPI: saved on one NIC, loaded on another."""

import errno
import socket
import struct
import subprocess
import time
from pathlib import Path

import pytest

from conftest import MEDIATOR
from rigtest import mailbox as mbx
from rigtest.mailbox import VfUser, granted, mac_words
from rigtest.migration import DataFile, S, set_state
from rigtest.pci import wait_for

MAC = "02:00:00:00:00:11"
TRANSPORT = Path("/sys/module/vfio_pci_mediate/parameters/transport")
# Page 1: throttles, vectors of queues and mailbox.
INTERRUPTS = [0x1680, 0x1684, 0x1688, 0x1700, 0x1740]
# Of both queues of each kind: base, length, shape or control, head, tail, enable, write-back.
QUEUES = [
    base + 0x100 * k + register
    for base, registers in ((0x2800, (0, 4, 8, 0xC, 0x10, 0x18, 0x28)),
                            (0x3800, (0, 4, 8, 0x10, 0x14, 0x18, 0x28, 0x38, 0x3C)))
    for k in range(2) for register in registers
]
GPTC, GOTC, GPRC = 0xF14, 0xF34, 0xF10
ENABLE = 1 << 25
RAM, RAM_SIZE = 0x100000, 1 << 16
RING, LENGTH = RAM, 64
BUFFERS = RAM + 0x8000


def ip(*words):
    subprocess.run(["ip", *words], check=True)


@pytest.fixture
def nics(host):
    host.load("mediate", MEDIATOR, "igb_rs")
    TRANSPORT.write_text("fixed")
    for nic in host.nics[:2]:
        for vf in host.make_vfs(nic, "igb_rs", 2):
            vf.bind(MEDIATOR)
        ip("link", "set", nic.netdev, "up")
    for nic in host.nics[:2]:
        nic.wait_carrier()
    return host.nics[:2]


@pytest.fixture
def source(nics):
    with VfUser(nics[0].vfs[0]) as user, user.device.dma_memory(RAM, RAM_SIZE) as user.memory:
        user.device.enable_bus_master()
        user.reset()
        yield user


@pytest.fixture
def there(nics):
    with VfUser(nics[1].vfs[1]) as user, user.device.dma_memory(RAM, RAM_SIZE) as user.memory:
        user.device.enable_bus_master()
        yield user


def save(user):
    """Stops a VF and answers its stream."""
    with DataFile(set_state(user.device, S.STOP_COPY)) as file:
        return file.drain()


def load(user, stream):
    with DataFile(set_state(user.device, S.RESUMING)) as file:
        file.write_all(stream)
    set_state(user.device, S.STOP)


def move(source, there, to=S.RUNNING):
    stream = save(source)
    there.memory[:] = source.memory[:]
    load(there, stream)
    set_state(there.device, to)


def set_up_tx(user, queue=0, head=0):
    base = 0x3800 + 0x100 * queue
    for register, value in ((0, RING + 0x1000 * queue), (4, 0), (8, LENGTH * 16), (0x10, head), (0x18, head),
                            (0x28, ENABLE | 0x10108), (0x18, head)):
        user.write(base + register, value)


def queue_packet(user, at, queue=0, vlan=None):
    """A broadcast of 60 bytes in slot `at`, with the VLAN of context 0 if asked."""
    frame = b"\xff" * 6 + bytes.fromhex(MAC.replace(":", "")) + b"\x88\xb5" + bytes(46)
    buffer = BUFFERS + 64 * at
    user.memory[buffer - RAM:buffer - RAM + 60] = frame
    second = 60 << 46 | 1 << 29 | 3 << 20 | 1 << 24 | 1 << 25 | 1 << 27 | 60
    if vlan:
        second |= 1 << 30
    put(user, at, buffer, second, queue)


def queue_context(user, at, vlan, queue=0):
    put(user, at, vlan << 16 | 14 << 9, 1 << 29 | 2 << 20, queue)


def put(user, at, first, second, queue):
    slot = RING + 0x1000 * queue + 16 * at - RAM
    user.memory[slot:slot + 16] = struct.pack("<QQ", first, second)


def seen(user):
    return {register: user.read(register) for register in QUEUES + INTERRUPTS}


def test_registers_are_the_same_elsewhere(source, there):
    set_up_tx(source, 0, 20)
    set_up_tx(source, 1, 7)
    for k in range(2):
        rx = 0x2800 + 0x100 * k
        for register, value in ((0, RING + 0x4000 + 0x1000 * k), (4, 0), (8, 0x400), (0xC, 0x02000002),
                                (0x10, 11 + k), (0x18, 11 + k), (0x28, ENABLE | 0x10810), (0x18, 40 + k)):
            source.write(rx + register, value)
        source.write(0x3838 + 0x100 * k, RING + 0x7000 + 8 * k)
    source.write(0x1700, 0x8180)
    source.write(0x1740, 0x82)
    for n, value in enumerate((488, 0, 16)):
        source.write(0x1680 + 4 * n, value)
    for register in (0x152C, 0x1530, 0x1524):
        source.write(register, 7)
    assert granted(source.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)
    before = seen(source)
    # Before anything is received there.
    move(source, there, S.RUNNING_P2P)
    assert seen(there) == before
    set_state(there.device, S.RUNNING)
    # It is the guest's own still, without telling of a reset.
    assert granted(there.ask(mbx.MAX_FRAME, 3000), mbx.MAX_FRAME)


def test_counters_and_rings_go_on(source, there):
    set_up_tx(source)
    for at in range(LENGTH - 4):
        queue_packet(source, at)
    source.write(0x3818, LENGTH - 4)
    wait_for(lambda: source.read(0x3810) == LENGTH - 4, 2, "packets sent")
    counted = source.read(GPTC), source.read(GOTC)
    assert counted[0] == LENGTH - 4
    before = there.read(GPTC)
    set_state(source.device, S.RUNNING_P2P)
    # Doorbells are taken, over the end of the ring, and nothing happens.
    for at in range(LENGTH - 4, LENGTH + 3):
        queue_packet(source, at % LENGTH)
    source.write(0x3818, 3)
    assert source.read(0x3810) == LENGTH - 4 and source.read(GPTC) == counted[0]
    move(source, there)
    wait_for(lambda: there.read(0x3810) == 3, 2, "the rest sent")
    assert there.read(GPTC) == counted[0] + 7
    assert there.read(GOTC) == counted[1] + 7 * 64
    assert before == 0 or there.read(GPTC) != before + 7


def test_a_request_that_nobody_has_read_goes_along(source, there):
    set_state(source.device, S.STOP)
    source.send([mbx.MAX_FRAME, 3000])
    time.sleep(0.3)
    move(source, there)
    assert granted(there.answer()[0], mbx.MAX_FRAME)


def test_an_answer_that_nobody_has_read_goes_along(source, there):
    source.send([mbx.MAX_FRAME, 3000])
    time.sleep(0.3)
    move(source, there)
    assert granted(there.answer()[0], mbx.MAX_FRAME)
    assert granted(there.ask(mbx.MAX_FRAME, 2000), mbx.MAX_FRAME)


def test_cancelled_it_goes_on_as_it_was(source):
    set_up_tx(source)
    for at in range(8):
        queue_packet(source, at)
    source.write(0x3818, 4)
    for state in (S.PRE_COPY, S.PRE_COPY_P2P, S.STOP_COPY, S.STOP, S.RUNNING):
        fd = set_state(source.device, state)
        if fd is not None:
            DataFile(fd).__exit__()
    source.write(0x3818, 8)
    wait_for(lambda: source.read(0x3810) == 8, 2, "packets sent")
    assert source.read(GPTC) == 8
    assert granted(source.ask(mbx.MAX_FRAME, 3000), mbx.MAX_FRAME)


def hears(netdev, send):
    """Whether the interface receives the guest's broadcast that `send` sends."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x88B5)) as wire:
        wire.bind((netdev, 0x88B5))
        wire.settimeout(2)
        send()
        try:
            return wire.recv(2000)[6:12] == bytes.fromhex(MAC.replace(":", ""))
        except TimeoutError:
            return False


def test_a_context_goes_along(nics, source, there):
    for index, nic in enumerate(nics):
        ip("link", "add", "link", nic.netdev, "name", f"v{index}", "type", "vlan", "id", "291")
        ip("link", "set", f"v{index}", "up")
    assert granted(source.ask(mbx.VLAN | 1 << 16, 291), mbx.VLAN)
    set_up_tx(source)
    queue_context(source, 0, 291)
    queue_packet(source, 1, vlan=True)
    assert hears("v0", lambda: source.write(0x3818, 2))
    ring = bytes(source.memory[:LENGTH * 16])
    move(source, there)
    assert bytes(there.memory[:LENGTH * 16]) == ring
    assert there.read(0x3810) == 2 and there.read(0x3818) == 2
    # Its driver relies on the context that it wrote elsewhere.
    queue_packet(there, 2, vlan=True)
    assert hears("v1", lambda: there.write(0x3818, 3))


def test_a_context_that_has_left_its_ring_is_told_of_early(source, log):
    set_up_tx(source)
    queue_context(source, 0, 291)
    for at in range(1, LENGTH + 1):
        queue_packet(source, at % LENGTH, vlan=True)
        source.write(0x3818, (at + 1) % LENGTH)
    wait_for(lambda: source.read(0x3810) == 1, 2, "packets sent")
    with pytest.raises(OSError):
        with DataFile(set_state(source.device, S.PRE_COPY)) as file:
            file.drain()
    assert "relies on offload context 0 of transmit queue 0" in log()
    set_state(source.device, S.RUNNING)
    queue_context(source, 1, 291)
    source.write(0x3818, 2)
    save(source)


# What `ip link set DEV vf N` sets on the source, and on the destination, and with what it
# cures the difference.
MISFITS = {
    "mac-of-the-source": (f"mac {MAC}", None, f"mac {MAC}"),
    "mac-of-the-destination": (None, "mac 02:00:00:00:00:99", "mac 00:00:00:00:00:00"),
    "vlan-of-the-source": ("vlan 5 qos 2", None, "vlan 5 qos 2"),
    "vlan-of-the-destination": (None, "vlan 5", "vlan 0 qos 0"),
    "qos": ("vlan 5 qos 2", "vlan 5 qos 3", "vlan 5 qos 2"),
    "state-of-the-source": ("state enable", None, "state enable"),
    "state-of-the-destination": (None, "state disable", "state auto"),
    "spoofchk": ("spoofchk off", None, "spoofchk off"),
    "trust-in-use": ("trust on", None, "trust on"),
    "rate-of-the-source": ("max_tx_rate 300", "max_tx_rate 200", "max_tx_rate 300"),
    "rate-of-the-destination": (None, "max_tx_rate 200", "max_tx_rate 0"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_settings_that_differ_are_refused_early_with_their_cure(nics, source, there, log, name):
    here_set, there_set, cure = MISFITS[name]
    there_netdev, vf = nics[1].netdev, nics[1].vfs[1]

    def administer(netdev, index, words):
        ip("link", "set", netdev, "vf", str(index), *words.split())
    if here_set:
        administer(nics[0].netdev, 0, here_set)
    if there_set:
        administer(there_netdev, 1, there_set)
    # Its driver starts anew after some of these; of what takes trust it asks for as much as it may.
    source.reset()
    assert granted(source.ask(mbx.PROMISCUOUS | 1 << 16), mbx.PROMISCUOUS) == (name == "trust-in-use")
    with DataFile(set_state(source.device, S.PRE_COPY)) as file:
        precopy = file.drain()
    with DataFile(set_state(there.device, S.RESUMING)) as file:
        with pytest.raises(OSError) as refusal:
            file.write_all(precopy)
    assert refusal.value.errno == errno.EINVAL
    told = f"ip link set {there_netdev} vf 1 {cure}\n"
    assert told in log()
    assert Path("/sys/kernel/debug/vfio_pci_mediate", vf.address, "last_error").read_text().endswith(told)
    there.device.reset()
    # The source has noticed nothing.
    set_state(source.device, S.RUNNING)
    assert granted(source.ask(mbx.MAX_FRAME, 3000), mbx.MAX_FRAME)
    # What is told to cure it does.
    administer(there_netdev, 1, cure)
    move(source, there)
    assert granted(there.ask(mbx.MAX_FRAME, 2000), mbx.MAX_FRAME)


def test_laxer_settings_are_no_misfit(nics, source, there):
    """What the destination's administrator allows beyond the source's is that host's own business."""
    ip("link", "set", nics[0].netdev, "vf", "0", "max_tx_rate", "200")
    ip("link", "set", nics[1].netdev, "vf", "1", "max_tx_rate", "300", "spoofchk", "off", "trust", "on")
    move(source, there)
    assert granted(there.ask(mbx.MAX_FRAME, 2000), mbx.MAX_FRAME)


def test_a_network_that_does_not_learn_is_told_of(nics, source, there, log):
    netdev = nics[1].netdev
    ip("link", "set", netdev, "down")
    assert granted(source.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)
    move(source, there)
    assert f"before its guest sends: ip link set {netdev} up\n" in log()


def test_the_network_learns_where_the_guest_is(nics, source, there, log):
    assert granted(source.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)
    assert granted(source.ask(mbx.VLAN | 1 << 16, 9), mbx.VLAN)
    everything = 3
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(everything)) as wire:
        wire.bind((nics[1].netdev, everything))
        wire.settimeout(3)
        move(source, there)
        octets = bytes.fromhex(MAC.replace(":", ""))
        untagged = b"\xff" * 6 + octets + b"\x80\x35"
        tagged = b"\xff" * 6 + octets + b"\x81\x00\x00\x09\x80\x35"
        wanted = {untagged, tagged}
        while wanted:
            frame = wire.recv(2000)
            wanted -= {start for start in wanted if frame.startswith(start)}
    assert "does not learn" not in log()
