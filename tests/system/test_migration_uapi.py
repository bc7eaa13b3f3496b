# SPDX-License-Identifier: GPL-2.0
"""VFIO migration v2 through raw ioctls, on a provider whose state is 16 bytes."""

import itertools
import os
import select
import struct
import subprocess
import time
from pathlib import Path

import pytest

from mover import (  # noqa: F401 (fixtures are used by name)
    GOOD, LEVELS, OFFERED, P2P, REG_SCRATCH, RUN, STATES, TRANSPORT, device, go, level, log, parameter, reaches,
    refused, registers, rig, saved, stream, vf, vfs,
)
from rigtest import migration as mig
from rigtest.migration import DataFile, S, set_state
from rigtest.vfio import CONFIG_REGION, NUM_REGIONS, Device, outcome


def test_what_is_offered(device):
    assert mig.flags(device) == OFFERED
    assert mig.state(device) == S.RUNNING
    for feature in (mig.MIGRATION, mig.MIG_DEVICE_STATE, mig.MIG_DATA_SIZE, mig.MIG_PRECOPY_INFO_V2):
        verb = mig.SET if feature == mig.MIG_PRECOPY_INFO_V2 else mig.GET
        mig.feature(device, mig.PROBE | verb | feature, b"")


@pytest.mark.parametrize("start", STATES, ids=lambda s: s.name)
def test_every_pair_of_states(device, start):
    for goal in STATES:
        go(device, start)
        assert (mig.state(device), level()) == (start, LEVELS[start])
        saving = (S.PRE_COPY, S.PRE_COPY_P2P, S.STOP_COPY)
        opened = reaches(device, start, goal)
        if opened is not None:
            assert level() == LEVELS[goal]
            begins = goal == S.RESUMING or (goal in saving and start not in saving)
            assert opened == (begins and goal != start)
        device.reset()
        assert (mig.state(device), level()) == (S.RUNNING, RUN)


@pytest.mark.parametrize("number", (S.ERROR, 8, 0xFFFFFFFF))
def test_states_nobody_may_ask_for(device, number):
    assert outcome(lambda: set_state(device, number)) == "EINVAL"
    assert mig.state(device) == S.RUNNING


def test_round_trip(vfs):
    with Device(vfs[0]) as source, Device(vfs[1]) as target:
        source.enable_memory(), target.enable_memory()
        registers(source, (0x1122334455667788, 0x99AABBCCDDEEFF00))
        found = saved(source)
        assert [tag for tag, _ in mig.parse(found)] == [mig.HEADER, mig.PRECOPY, mig.STATE, mig.END]
        assert dict(mig.parse(found))[mig.HEADER] == struct.pack("<IHH", 4, 0x8086, 0x10CA) + b"test_provider"
        with DataFile(set_state(target, S.RESUMING)) as data:
            data.write_all(found[:-1])
            assert registers(target) == (0, 0), "nothing is loaded before the end"
            data.write_all(found[-1:])
            go(target, S.RUNNING)
        assert registers(target) == (0x1122334455667788, 0x99AABBCCDDEEFF00)
        assert mig.state(target) == S.RUNNING


def test_pre_copy_and_stop_copy_come_from_one_file(device):
    registers(device, (7, 8))
    with DataFile(set_state(device, S.PRE_COPY)) as data:
        first = data.drain()
        assert set_state(device, S.PRE_COPY_P2P) is None
        assert data.drain() == b""
        registers(device, (9, 8))
        assert set_state(device, S.STOP_COPY) is None
        rest = data.drain()
        assert data.read() == b"" and data.read() == b""
    records = mig.parse(first + rest)
    assert [tag for tag, _ in records] == [mig.HEADER, mig.PRECOPY, mig.STATE, mig.END]
    assert records[2][1] == struct.pack("<QQ", 9, 8)


@pytest.mark.parametrize("piece", (1, 3, 17, 4096))
def test_partial_reads_and_writes(vfs, piece):
    parameter("padding", 5000)
    with Device(vfs[0]) as source, Device(vfs[1]) as target:
        source.enable_memory(), target.enable_memory()
        registers(source, (3, 4))
        with DataFile(set_state(source, S.PRE_COPY)) as data:
            found = data.drain(piece)
            set_state(source, S.STOP_COPY)
            found += data.drain(piece)
        with DataFile(set_state(target, S.RESUMING)) as data:
            data.write_all(found, piece)
            go(target, S.STOP)
        assert registers(target) == (3, 4)


def test_poll(device):
    ready = select.POLLIN | select.POLLRDNORM
    with DataFile(set_state(device, S.PRE_COPY)) as data:
        assert data.poll() == ready
        data.drain()
        assert data.poll() == 0
        assert outcome(data.read) == "ENOMSG"
        child = os.fork()
        if child == 0:
            time.sleep(0.5)
            set_state(device, S.STOP_COPY)
            os._exit(0)
        assert data.poll(20000) == ready
        os.waitpid(child, 0)
        data.drain()
        assert data.poll() == ready
        go(device, S.STOP)
        assert data.poll() == ready | select.POLLRDHUP
        assert outcome(data.read) == "ENODEV"


def test_pre_copy_info(device):
    with DataFile(set_state(device, S.PRE_COPY)) as data:
        found, initial, dirty = data.info(user_flags=0x55)
        assert (found, dirty) == (0x55, 0) and initial > 0
        first = data.read(10)
        assert data.info() == (0, initial - 10, 0)
        first += data.drain()
        assert len(first) == initial and data.info() == (0, 0, 0)
        assert outcome(lambda: data.info(argsz=23)) == "EINVAL"
        # Without opting in a change of what is compared is dirty data.
        parameter("compat", 2)
        assert data.info() == (0, 0, 12)
        assert data.drain() == mig.record(mig.PRECOPY, struct.pack("<I", 2))
        assert data.info() == (0, 0, 0)
        set_state(device, S.STOP_COPY)
        assert outcome(data.info) == "EINVAL"
        go(device, S.STOP)
        assert outcome(data.info) == "EINVAL"


def test_pre_copy_info_with_reinit(device):
    mig.opt_in(device)
    with DataFile(set_state(device, S.PRE_COPY)) as data:
        _, initial, _ = data.info(user_flags=0x55)
        assert data.info(user_flags=0x55) == (0, initial, 0)
        found = data.drain()
        parameter("compat", 2)
        assert data.info() == (mig.REINIT, 12, 0)
        assert data.info() == (0, 12, 0)
        found += data.read(4)
        # Again, before all of the last change was read: everything is initial.
        parameter("compat", 3)
        set_state(device, S.PRE_COPY_P2P)
        assert data.info() == (mig.REINIT, 8 + 12, 0)
        found += data.drain()
        # And once more, without anybody asking.
        parameter("compat", 4)
        set_state(device, S.STOP_COPY)
        found += data.drain()
    compared = [payload[0] for tag, payload in mig.parse(found) if tag == mig.PRECOPY]
    assert compared == [1, 2, 3, 4]


def test_the_opt_in_ends_with_the_user(vf):
    with Device(vf) as device:
        mig.opt_in(device)
    with Device(vf) as device, DataFile(set_state(device, S.PRE_COPY)) as data:
        assert data.info(user_flags=1)[0] == 1


def test_data_size(vf):
    parameter("padding", 1000)
    with Device(vf) as device, DataFile(set_state(device, S.PRE_COPY)) as data:
        whole = mig.data_size(device)
        first = data.drain()
        left = mig.data_size(device)
        set_state(device, S.STOP_COPY)
        exact = mig.data_size(device)
        rest = data.drain()
        assert mig.data_size(device) == 0
    assert len(rest) == exact <= left
    assert len(first + rest) <= whole
    with Device(vf) as device:
        size = mig.data_size(device)
        assert len(saved(device)) == size, "a stream with one PRECOPY record"


def test_a_stream_has_a_largest_size(vf):
    """Changes that might not leave room for the rest wait for the end."""
    parameter("padding", (1 << 20) - 16)
    with Device(vf) as device, DataFile(set_state(device, S.PRE_COPY)) as data:
        found = data.drain()
        for compat in range(2, 12):
            parameter("compat", compat)
            data.info()
            found += data.drain()
        set_state(device, S.STOP_COPY)
        found += data.drain()
        assert len(found) <= mig.MAX_STREAM
        compared = [payload[0] for tag, payload in mig.parse(found) if tag == mig.PRECOPY]
        assert compared[0] == 1 and compared[-1] == 11 and 3 <= len(compared) < 11
        device.reset()
        parameter("compat", 11)
        with DataFile(set_state(device, S.RESUMING)) as other:
            assert outcome(lambda: other.write_all(found)) == "EINVAL"
    parameter("padding", (1 << 20) - 15)
    with Device(vf) as device:
        assert mig.flags(device) == 0


def test_positions_are_refused(device):
    with DataFile(set_state(device, S.STOP_COPY)) as data:
        assert outcome(lambda: os.pread(data.fd, 4, 0)) == "ESPIPE"
        assert outcome(lambda: os.lseek(data.fd, 0, os.SEEK_SET)) == "ESPIPE"
        assert outcome(lambda: data.write(b"x")) == "EBADF"
    device.reset()
    with DataFile(set_state(device, S.RESUMING)) as data:
        assert outcome(lambda: os.pwrite(data.fd, b"x", 0)) == "ESPIPE"
        assert outcome(data.read) == "EBADF"
        assert outcome(data.info) == "ENOTTY"


RESETS = ("ioctl", "flr", "sysfs")


def bus_reset(device, vf, how):
    if how == "ioctl":
        device.reset()
    elif how == "sysfs":
        (vf.path / "reset").write_text("1")
    else:
        config = device.region(CONFIG_REGION)
        at = device.read(config, 0x34, 1)[0]
        while device.read(config, at, 1)[0] != 0x10:
            at = device.read(config, at + 1, 1)[0]
        control = struct.unpack("<H", device.read(config, at + 8, 2))[0]
        device.write(config, at + 8, struct.pack("<H", control | 1 << 15))


@pytest.mark.parametrize("how", RESETS)
@pytest.mark.parametrize("start", STATES, ids=lambda s: s.name)
def test_reset_in_each_state(vf, device, start, how):
    fd = set_state(device, start)
    before = int(parameter("resets"))
    bus_reset(device, vf, how)
    assert (mig.state(device), level()) == (S.RUNNING, RUN)
    assert int(parameter("resets")) > before
    if fd is not None:
        with DataFile(fd) as data:
            action = (lambda: data.write(GOOD)) if start == S.RESUMING else data.read
            assert outcome(action) == "ENODEV"
    assert refused(device, GOOD) is None


@pytest.mark.parametrize("start", STATES, ids=lambda s: s.name)
def test_close_in_each_state(vf, start):
    device = Device(vf)
    fd = set_state(device, start)
    device.close()
    if fd is not None:
        with DataFile(fd) as data:
            action = (lambda: data.write(GOOD)) if start == S.RESUMING else data.read
            assert outcome(action) == "ENODEV"
            if start != S.RESUMING:
                assert outcome(data.info) == "EINVAL"
                assert data.poll() & select.POLLRDHUP
    with Device(vf) as device:
        assert mig.state(device) == S.RUNNING
        assert refused(device, GOOD) is None


# Hook: (way to it, whether the device is as before when it fails).
HOOKS = {
    "save_precopy": ((S.PRE_COPY,), S.RUNNING),
    "save_final": ((S.STOP_COPY,), S.STOP),
    "quiesce_p2p": ((S.STOP,), S.ERROR),
    "quiesce_stop": ((S.STOP,), S.ERROR),
    "resume": ((S.RUNNING_P2P, S.RUNNING), S.ERROR),
}


@pytest.mark.parametrize("explained", (False, True), ids=("silent", "explained"))
@pytest.mark.parametrize("hook", HOOKS)
def test_failing_hooks(device, log, hook, explained):
    way, left_in = HOOKS[hook]
    parameter("explain", int(explained))
    parameter("fail", hook)
    for to in way[:-1]:
        go(device, to)
    assert outcome(lambda: go(device, way[-1])) == "EIO"
    assert mig.state(device) == left_in
    assert ("the test wants it to fail: let it" if explained else "failed with E") in log()
    if left_in == S.ERROR:
        for to in S:
            assert outcome(lambda: go(device, to)) == "EINVAL"
    parameter("fail", "")
    device.reset()
    assert mig.state(device) == S.RUNNING
    assert refused(device, GOOD) is None


@pytest.mark.parametrize("hook,left_in", (("save_final", S.PRE_COPY_P2P), ("quiesce_stop", S.ERROR)))
def test_a_stop_copy_that_fails_from_pre_copy(device, hook, left_in):
    with DataFile(set_state(device, S.PRE_COPY)) as data:
        data.drain()
        parameter("fail", hook)
        assert outcome(lambda: go(device, S.STOP_COPY)) == "EIO"
        assert mig.state(device) == left_in
        parameter("fail", "")
        if left_in == S.ERROR:
            assert outcome(data.read) == "ENODEV"
            device.reset()
        else:
            assert level() == P2P
            set_state(device, S.STOP_COPY)
            assert data.drain()
            go(device, S.RUNNING)
    assert (mig.state(device), level()) == (S.RUNNING, RUN)


@pytest.mark.parametrize("hook", ("load_precopy", "load_final"))
def test_a_load_that_fails(device, hook):
    parameter("fail", hook)
    parameter("fail_errno", 95)
    assert refused(device, GOOD) == "ENOTSUP"
    # A VMM is told while it writes: it has no use for a failure that comes later.
    with DataFile(set_state(device, S.RESUMING)) as data:
        assert outcome(lambda: data.write_all(GOOD)) == "ENOTSUP"
    device.reset()
    parameter("fail", "")
    assert refused(device, GOOD) is None


def test_answers_that_cannot_be(vf, log):
    parameter("lie", "size")
    with Device(vf) as device:
        assert mig.flags(device) == 0
    assert "when asked for the size of its state" in log()
    parameter("lie", "")
    with Device(vf) as device:
        parameter("lie", "used")
        assert outcome(lambda: go(device, S.PRE_COPY)) == "EFBIG"
        assert mig.state(device) == S.RUNNING


def test_a_provider_that_cannot_move_this_vf(vf, log):
    parameter("fail", "state_size")
    parameter("fail_errno", 95)
    with Device(vf) as device:
        assert mig.flags(device) == 0
        assert outcome(lambda: mig.state(device)) == "ENOTSUP"
        assert outcome(lambda: mig.data_size(device)) == "ENOTSUP"
        assert outcome(lambda: set_state(device, S.STOP)) == "ENOTSUP"
        assert outcome(lambda: mig.opt_in(device)) == "EINVAL"
        device.reset()
    assert "cannot move it: no migration is offered" in log()
    parameter("fail", "")
    with Device(vf) as device:
        assert mig.flags(device) == OFFERED


WORDS = {
    "auto": "vfio_pci_mediate with transport=fixed, which costs",
    "kvm": "vfio_pci_mediate with transport=fixed, which costs",
    "none": None,
}


@pytest.mark.parametrize("word", WORDS)
def test_without_a_transport_there_is_no_migration(vf, log, word):
    TRANSPORT.write_text(word)
    assert TRANSPORT.read_text() == f"{word}\n"
    with Device(vf) as device:
        assert mig.flags(device) == 0
        assert outcome(lambda: mig.state(device)) == "ENOTSUP"
    if WORDS[word]:
        assert log().count(WORDS[word]) == 1
    else:
        assert "no migration is offered" not in log()
    # What is chosen later is for those who open the device later.
    with Device(vf) as device:
        TRANSPORT.write_text("fixed\n")
        assert mig.flags(device) == 0
    with Device(vf) as device:
        assert mig.flags(device) == OFFERED


@pytest.mark.parametrize("word", ("region", "fixed"))
def test_where_nothing_is_logged_nothing_is_to_be_trapped(vf, word):
    TRANSPORT.write_text(word)
    with Device(vf) as device:
        assert mig.flags(device) == OFFERED
        assert outcome(lambda: device.region(NUM_REGIONS)) == "EINVAL"


@pytest.mark.parametrize("word", ("", "Fixed", "fixed fixed", "fixedd", "kvm,region", "1", "x" * 300))
def test_other_words_are_refused(vfs, word):
    assert outcome(lambda: TRANSPORT.write_text(word + "\n")) == "EINVAL"
    assert TRANSPORT.read_text() == "fixed\n"


def test_states_change_while_files_are_read(device):
    """Readers, pollers and resets at once: nothing hangs, nothing leaks."""
    children = []
    for way in ((S.PRE_COPY, S.STOP_COPY, S.RUNNING), (S.STOP_COPY, S.STOP), (S.RESUMING,)):
        child = os.fork()
        if child == 0:
            end = time.monotonic() + 5
            for to in itertools.cycle(way):
                if time.monotonic() > end:
                    os._exit(0)
                try:
                    fd = set_state(device, to)
                except OSError:
                    continue
                if fd is not None:
                    data = DataFile(fd)
                    outcome(data.drain)
                    outcome(data.info)
                    outcome(lambda: data.write(GOOD))
                    os.close(fd)
        children.append(child)
    for _ in range(20):
        device.reset()
        time.sleep(0.2)
    for child in children:
        assert os.waitpid(child, 0)[1] == 0
    device.reset()
    assert mig.state(device) == S.RUNNING
    assert refused(device, GOOD) is None


def debugfs(vf, name):
    return Path("/sys/kernel/debug/vfio_pci_mediate", vf.address, name).read_text()


FILES = ("state", "transport", "provider", "trapped", "trapped_writes", "dirty_pages", "state_bytes", "last_error",
         "report_channel")


def test_debugfs(vfs):
    vf, other = vfs
    folder = Path("/sys/kernel/debug/vfio_pci_mediate")
    assert {entry.name for entry in folder.iterdir()} == {vf.address, other.address}
    assert {entry.name for entry in (folder / vf.address).iterdir()} == set(FILES)
    closed = [debugfs(vf, name) for name in ("state", "transport", "provider", "trapped", "dirty_pages")]
    assert closed == ["none\n", "none\n", "none\n", "", "0\n"]
    with Device(vf) as device:
        device.enable_memory()
        assert [debugfs(vf, name) for name in FILES[:4]] == \
            ["RUNNING\n", "fixed\n", "test_provider\n", "BAR0 0x0-0xfff\n"]
        before = int(debugfs(vf, "trapped_writes"))
        registers(device, (1, 2))
        assert int(debugfs(vf, "trapped_writes")) == before + 2
        for to in STATES:
            with DataFile(set_state(device, S.PRE_COPY)) as data:
                assert int(debugfs(vf, "state_bytes")) == len(data.drain())
            go(device, to)
            assert debugfs(vf, "state") == f"{to.name}\n"
            assert debugfs(other, "state") == "none\n"
            device.reset()
        assert refused(device, GOOD) is None
        assert int(debugfs(vf, "state_bytes")) == len(GOOD)
        assert refused(device, stream(compat=2)) == "EINVAL"
        assert debugfs(vf, "last_error") == "compat differs: set it alike\n"
    assert debugfs(vf, "last_error") == "compat differs: set it alike\n", "it stays behind the VMM"


@pytest.fixture
def trace():
    """The trace events of the mediator since the test began."""
    tracing = Path("/sys/kernel/tracing")
    if not (tracing / "events").is_dir():
        subprocess.run(["mount", "-t", "tracefs", "tracefs", tracing], check=True)
    (tracing / "trace").write_text("")
    (tracing / "events/mediate/enable").write_text("1")
    yield lambda: [line.split(": ", 1)[1] for line in (tracing / "trace").read_text().splitlines()
                   if not line.startswith("#")]
    (tracing / "events/mediate/enable").write_text("0")


def test_trace_events(vf, device, trace):
    bar0 = device.region(0)
    device.write(bar0, REG_SCRATCH, struct.pack("<Q", 0x1234))
    device.read(bar0, REG_SCRATCH, 4)
    go(device, S.STOP)
    parameter("fail", "save_final")
    assert outcome(lambda: go(device, S.STOP_COPY)) == "EIO"
    device.reset()
    # A reset is handled when the device is looked at next.
    assert mig.state(device) == S.RUNNING
    name = vf.address
    assert trace() == [
        f"trap: {name} BAR0+0x100 <- 0x1234 width=8",
        f"trap: {name} BAR0+0x100 -> 0x1234 width=4",
        f"state: {name} RUNNING -> RUNNING_P2P ret=0",
        f"state: {name} RUNNING_P2P -> STOP ret=0",
        f"state: {name} STOP -> STOP_COPY ret=-5",
        f"state: {name} STOP -> RUNNING ret=0",
    ]


IOVA = 0x10000


def test_hooks_reach_the_guest_s_memory(vf, trace):
    parameter("dma_iova", IOVA + 0x20)
    with Device(vf) as device:
        device.enable_memory()
        with device.dma_memory(IOVA, 0x1000) as memory:
            memory[0x20:0x28] = struct.pack("<Q", 0xFEEDFACE)
            found = saved(device)
            assert dict(mig.parse(found))[mig.STATE][:8] == struct.pack("<Q", 0xFEEDFACE)
            registers(device, (0xC0FFEE, 0))
            go(device, S.RUNNING)
            assert memory[0x28:0x30] == struct.pack("<Q", 0xC0FFEE)
            assert f"dirty: {vf.address} iova=0x10028 len=0x8" in trace()
            # Across the end of what is mapped, and where nothing is.
            for iova in (IOVA + 0x1000 - 4, IOVA + 0x1000, 0xFFFFFFFFFFFFFFFC):
                parameter("dma_iova", iova)
                assert outcome(lambda: go(device, S.STOP_COPY)) == "EFAULT"
                assert mig.state(device) == S.STOP
                assert outcome(lambda: go(device, S.RUNNING)) == "EFAULT"
                assert mig.state(device) == S.ERROR
                device.reset()


def test_the_log_is_not_flooded(device, log):
    for _ in range(100):
        assert refused(device, b"\0" * 16) == "EINVAL"
    assert 1 <= log().count("it is not a migration stream") <= 60
