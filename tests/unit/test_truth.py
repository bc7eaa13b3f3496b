# SPDX-License-Identifier: GPL-2.0
"""What `make truth` makes of its parts' reports."""

import json
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/truth"))

import summary

GOOD = {"transport": "fixed", "channel": "scope", "seeds": 3, "wrong": [], "passed": True}


def test_parts_are_put_together(tmp_path):
    for name in ("fixed-scope", "fixed-log"):
        (tmp_path / f"{name}.json").write_text(json.dumps(GOOD))
    parts = summary.collect(tmp_path, ["fixed-scope", "fixed-log"])
    assert parts == [GOOD, GOOD]
    assert json.loads((tmp_path / "report.json").read_text()) == parts


def test_a_part_without_a_report_has_failed(tmp_path):
    (tmp_path / "kvm-scope.json").write_text('{"transport": "kvm", ')
    parts = summary.collect(tmp_path, ["kvm-log", "kvm-scope"])
    assert [(part["transport"], part["channel"], part["passed"]) for part in parts] == [
        ("kvm", "log", False), ("kvm", "scope", False)]
    assert all(part["wrong"] for part in parts)
