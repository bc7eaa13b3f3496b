# SPDX-License-Identifier: GPL-2.0
"""The rig itself: what it runs, what it answers, and which faults it finds.
These start the emulated machine; they run outside it, in the cached root."""

import subprocess
import time
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
FAULTS = {
    "leak": "unreferenced object",
    "warn": "WARNING: ",
    "lockdep": "possible circular locking dependency",
    "oob": "KASAN: slab-out-of-bounds",
}


def rig(*words, timeout=300):
    return subprocess.run(["scripts/rig", "run", *words], cwd=SRC, capture_output=True, text=True, timeout=timeout)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_in_the_kernel_fails_the_run(fault):
    """Not even a successful command helps; its exit status is still zero."""
    module = "build/$(uname -r)/tests/system/modules/test_faults.ko"
    done = rig("--kernel", "debug", "--nics", "0", "--", "sh", "-c", f"insmod {module} fault={fault} && echo done")
    assert "done" in done.stdout
    assert done.returncode == 99, done.stdout + done.stderr
    assert FAULTS[fault] in done.stdout + done.stderr


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
