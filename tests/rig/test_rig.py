# SPDX-License-Identifier: GPL-2.0
"""The rig itself: what it runs, what it answers, and which faults it finds.
These start the emulated machine; they run outside it, in the cached root."""

import subprocess
import time
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
# In an order in which none hides another: lockdep stops at its own first report, and
# when KASAN has found something.
FAULTS = {
    "lockdep": "possible circular locking dependency",
    "warn": "WARNING: ",
    "oob": "KASAN: slab-out-of-bounds",
    "leak": "unreferenced object",
}


def rig(*words, timeout=300):
    return subprocess.run(["scripts/rig", "run", *words], cwd=SRC, capture_output=True, text=True, timeout=timeout)


@pytest.fixture(scope="module")
def faulty():
    """All faults in one run, whose command succeeds."""
    module = "build/$(uname -r)/tests/system/modules/test_faults.ko"
    return rig("--kernel", "debug", "--nics", "0", "--", "sh", "-c",
               f"for fault in {' '.join(FAULTS)}; do insmod {module} fault=$fault && rmmod test_faults || exit 1; done; echo done")


def test_a_fault_in_the_kernel_fails_the_run(faulty):
    """Not even a successful command helps; its exit status is still zero."""
    assert "done" in faulty.stdout
    assert faulty.returncode == 99, faulty.stdout + faulty.stderr


@pytest.mark.parametrize("fault", FAULTS)
def test_each_kind_of_fault_is_found(faulty, fault):
    assert FAULTS[fault] in faulty.stdout + faulty.stderr


def test_a_fault_that_is_expected_must_come():
    """It is none then, and its absence is one."""
    command = ("--nics", "0", "--", "sh", "-c", "echo 'WARNING: one that is expected' >/dev/kmsg")
    assert rig("--expect", "one that is expected", *command).returncode == 0
    done = rig("--expect", "one that never comes", *command)
    assert done.returncode == 99 and "which was expected" in done.stdout + done.stderr


def test_status_output_and_folders_are_those_of_the_command(tmp_path):
    done = rig("--nics", "2", "--vfs", "1", "--", "sh", "-c",
               "pwd; id -u; lspci -n | grep -c 8086:10ca; echo error >&2; test -w README.md || exit 1; exit 7")
    assert done.returncode == 7, done.stdout + done.stderr
    assert done.stdout.split()[:3] == [str(SRC), "0", "2"]
    assert "error" in done.stdout + done.stderr


def test_a_command_that_hangs_is_ended():
    start = time.monotonic()
    done = rig("--timeout", "25", "--", "sleep", "1000")
    assert done.returncode == 124, done.stdout + done.stderr
    assert time.monotonic() - start < 60


def test_a_machine_that_panics_is_noticed():
    done = rig("--timeout", "60", "--", "sh", "-c", "echo c > /proc/sysrq-trigger")
    assert done.returncode == 125, done.stdout + done.stderr
    assert "panic" in done.stdout + done.stderr


# Where a guest has no vector it cannot take an interrupt, nor the exceptions that come of it.
TRIPLE_FAULT = """
import sys
sys.path.insert(0, "tests/system")
from rigtest import emulated, pci
from rigtest.bare import EXIT_SHUTDOWN, exits
pci.load_kvm()
before = emulated.lost()
assert list(exits(1, idt_limit=0)) == [EXIT_SHUTDOWN]
assert emulated.lost() == before + emulated.here()
print("emulated" if emulated.here() else "real")
sys.exit(7)
"""


def test_a_triple_fault_of_a_guest_is_told_from_other_failures():
    """In a rig of its own: in another's log it would explain away each failure there."""
    done = rig("--nics", "0", "--", "python3", "-B", "-c", TRIPLE_FAULT)
    status = {"emulated": 98, "real": 7}.get(done.stdout.strip())
    assert done.returncode == status, done.stdout + done.stderr
