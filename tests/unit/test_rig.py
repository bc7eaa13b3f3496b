# SPDX-License-Identifier: GPL-2.0
"""scripts/rig.d/run.py: when the emulated processor is to blame."""

import socket
import sys

import pytest

from loading import SRC, load


@pytest.fixture
def rig(monkeypatch, tmp_path):
    monkeypatch.setenv("MEDIATE_CACHE", str(tmp_path))
    monkeypatch.setattr(sys, "path", [str(SRC / "scripts/rig.d"), *sys.path])
    return load("scripts/rig.d/run.py")


@pytest.mark.parametrize("guests, lost, died, blamed", [
    (True, True, False, True), (True, False, True, True), (True, False, False, False), (False, False, True, False)])
def test_the_processor_is_blamed_for_lost_guests_and_silent_ends_alone(rig, guests, lost, died, blamed):
    log = b"".join(line + b"\n" for line, there in ((rig.HAS_GUESTS, guests), (rig.LOST_A_GUEST, lost)) if there)
    assert rig.processor_failed(log, died) == blamed


def test_the_lines_are_those_that_the_module_prints(rig):
    module = (SRC / "tests/system/modules/test_svm.c").read_text()
    assert rig.LOST_A_GUEST.decode() in module
    assert rig.TAKEN_FOR_ITS_HOST.removeprefix(rig.LOST_A_GUEST).decode() in module


def test_what_nobody_writes_is_mounted_last_and_cached(rig, tmp_path):
    root, _, *own, tests = rig.shares(tmp_path)
    assert [entry[2] for entry in own] == [False, False]
    assert root[2] and tests == ("tests", SRC / "tests", True)
    lines = [line.split() for line in (tmp_path / "mounts").read_text().splitlines()]
    assert [line[0] for line in lines] == [entry[0] for entry in (*own, tests)]
    assert lines[-1][1:] == ["ro,cache=loose", str(SRC / "tests")]


UP = "[    9.30] rig: CMD starts\n"
TAKEN = "[  115.83] test_svm: a guest is lost: the emulated processor has taken it for its host\n"
SHUT_DOWN = "[  115.83] test_svm: a guest is lost: a triple fault has shut it down\n"
PANIC = "[  119.24] Kernel panic - not syncing: corrupted stack end detected inside scheduler\n"


@pytest.mark.parametrize("log, dead, status", [
    (UP + TAKEN + PANIC, True, 98), (UP + TAKEN + SHUT_DOWN + PANIC, True, 98),
    # What was there before, or has another cause, or did not end the machine, is a fault.
    (UP + PANIC + TAKEN, True, 125), (UP + SHUT_DOWN + PANIC, True, 125), (UP + PANIC, True, 125), (UP + TAKEN + PANIC, False, 1)])
def test_a_machine_that_its_processor_has_spoilt_is_lost(rig, monkeypatch, tmp_path, log, dead, status):
    console = tmp_path / "console"
    console.write_text(log)
    monkeypatch.setattr(sys, "argv", ["rig", "run", "--", "true"])
    options, _ = rig.arguments()
    output = rig.Output("mark")
    output.status = None if dead else 1
    trouble = (rig.EXIT_DEAD, "the machine died before CMD ended") if dead else None
    assert rig.judge(options, output, trouble, [], console) == status


def test_the_bench_knows_the_status_of_a_lost_rig(rig, monkeypatch):
    monkeypatch.setattr(sys, "path", [str(SRC / "tests/bench"), *sys.path])
    assert load("tests/bench/main.py").EXIT_PROCESSOR == rig.EXIT_PROCESSOR


@pytest.mark.parametrize("first, again, limit, runs", [
    (98, ["--again"], 1000, 2), (98, ["--again"], 0, 1), (98, [], 1000, 1), (1, ["--again"], 1000, 1), (0, ["--again"], 1000, 1)])
def test_what_is_short_runs_once_more_where_the_processor_lost_a_guest(rig, monkeypatch, tmp_path, first, again, limit, runs):
    console, codes = tmp_path / "console", [first, 0]

    def run_once(options, _):
        options.log.write_text(f"log {codes[0]}")
        return codes.pop(0)

    monkeypatch.setattr(rig, "run_once", run_once)
    monkeypatch.setattr(sys, "argv", ["rig", "run", "--log", str(console), *again, "--", "true"])
    monkeypatch.setattr(rig, "AGAIN_SECONDS", limit)
    assert rig.main() == (0 if runs == 2 else first)
    assert len(codes) == 2 - runs
    kept = tmp_path / "console.first"
    assert kept.exists() == (runs == 2) and (not kept.exists() or kept.read_text() == f"log {first}")


@pytest.mark.parametrize("codes, end, runs", [([97, 0], 0, 2), ([97, 97], 97, 2), ([125, 0], 125, 1)])
def test_a_machine_that_does_not_come_up_has_a_second_try(rig, monkeypatch, codes, end, runs):
    left = list(codes)
    monkeypatch.setattr(rig, "run_once", lambda *_: left.pop(0))
    monkeypatch.setattr(sys, "argv", ["rig", "run", "--", "true"])
    assert rig.main() == end and len(codes) - len(left) == runs


def test_a_boot_that_stands_still_is_given_up(rig, monkeypatch, tmp_path):
    class Qemu:
        def poll(self):
            return None

    monkeypatch.setattr(rig, "BOOT_SECONDS", 1)
    monkeypatch.setattr(sys, "argv", ["rig", "run", "--timeout", "3", "--", "true"])
    options, _ = rig.arguments()
    console = tmp_path / "console"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "out"))
        listener.listen(1)

        def follow():
            return rig.follow(options, Qemu(), listener, rig.Output("mark"), console, tmp_path)[0]

        console.write_bytes(b"[    1.02] smp: Brought up 1 node, 2 CPUs\n")
        assert follow() == rig.EXIT_BOOT
        console.write_bytes(b"[    9.30] " + rig.UP + b"\n")
        assert follow() == rig.EXIT_TIMEOUT


def test_a_host_that_is_up_says_so(rig):
    assert rig.UP.decode().removeprefix("rig: ") in (SRC / "scripts/rig.d/host").read_text()
