# SPDX-License-Identifier: GPL-2.0
"""The demo's report has all its fields, however early the demo fails."""

import json
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "scripts/rig.d"))

import demo

FIELDS = {"passed", "guest_driver", "guest_kernel", "host_kernel", "vmm", "transport", "report_channel", "dirty_tracking",
          "probes", "gaps_ms", "downtime_ms", "qemu_downtime_ms", "state_bytes", "phases_ms", "tcp_alive",
          "driver_restarted", "iterations", "exits"}


@pytest.fixture
def report(monkeypatch, tmp_path):
    """Runs the demo with a stand-in for what it does; answers the exit status and the report."""
    monkeypatch.setenv("MEDIATE_IN_RIG", "1")
    monkeypatch.setattr(sys, "argv", ["demo.py"])
    monkeypatch.setattr(demo, "SRC", tmp_path)
    monkeypatch.setattr(demo, "OUT", tmp_path / "demo")
    monkeypatch.setattr(demo, "QEMU", "echo")

    def written():
        return json.loads((tmp_path / "demo/report.json").read_text())

    def run(what):
        monkeypatch.setattr(demo, "demo", what)
        status = demo.main()
        return status, written()
    run.written = written
    return run


def fail(_, _report):
    raise RuntimeError("no NIC")


def test_an_early_failure_is_reported_whole(report):
    status, found = report(fail)
    assert status == 1 and found["passed"] is False and found["error"] == "RuntimeError: no NIC"
    assert FIELDS <= set(found)
    assert set(found["probes"]) == {"interval_ms", "sent", "received", "lost"}
    assert set(found["exits"]) == {"before", "during", "after"}
    assert found["dirty_tracking"] is False and found["gaps_ms"] == found["iterations"] == []


def test_without_a_vmm_there_is_a_report_too(report, monkeypatch):
    monkeypatch.setattr(demo, "QEMU", "/nonexistent")
    status, found = report(fail)
    assert status == 1 and FIELDS <= set(found) and found["vmm"] is None


def test_what_became_known_stays(report):
    def half(transport, found):
        found["transport"] = transport
        found["exits"]["before"] = 7
        raise demo.Refused("not reached")
    status, found = report(half)
    assert status == 1 and (found["transport"], found["exits"]["before"]) == ("auto", 7)
    # The next run begins anew.
    assert report(fail)[1]["exits"]["before"] is None


def test_what_ends_unforeseen_has_failed(report):
    def end(*_):
        raise KeyboardInterrupt
    report(lambda *_: True)
    with pytest.raises(KeyboardInterrupt):
        report(end)
    assert report.written()["passed"] is False and FIELDS <= set(report.written())


def test_success_is_reported(report):
    status, found = report(lambda *_: True)
    assert status == 0 and found["passed"] is True and "error" not in found
