# SPDX-License-Identifier: GPL-2.0
"""scripts/rig.d/run.py: when the emulated processor is to blame."""

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


def test_the_line_is_the_one_that_the_module_prints(rig):
    assert rig.LOST_A_GUEST.decode() in (SRC / "tests/system/modules/test_svm.c").read_text()


def test_the_status_is_the_one_that_suites_run_once_more_for(rig):
    assert f"EXIT_PROCESSOR, SHORT_SECONDS = {rig.EXIT_PROCESSOR}, " in (SRC / "scripts/test.d/main.py").read_text()
    assert f'if [ "$status" = {rig.EXIT_PROCESSOR} ]; then' in (SRC / "scripts/demo").read_text()
