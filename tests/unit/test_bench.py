# SPDX-License-Identifier: GPL-2.0
"""What the bench makes of its samples: report, table, downtimes, pictures."""

import json
import re
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/bench"))

import main
import pictures
import results

FIELDS = ("ran", "reason", "unit", "rounds", "ours", "other", "ratio", "goal", "goal_met")


def part(ours=(1, 2, 9), other=(10, 20, 90), **more):
    return results.part("ms", results.side("a", ours), results.side("b", other) if other else None, **more)


def test_a_side_has_its_samples_and_their_middle():
    side = results.side("a", (3, 1, 2, 10))
    assert side == {"name": "a", "samples": [3, 1, 2, 10], "min": 1, "median": 2.5, "max": 10}
    with pytest.raises(ValueError):
        results.side("a", ())


def test_a_part_has_each_field_and_the_ratio_of_medians():
    entry = part(goal=0.2)
    assert set(FIELDS) <= set(entry)
    assert (entry["rounds"], entry["ratio"], entry["goal_met"], entry["ran"]) == (3, 0.1, True, True)


@pytest.mark.parametrize("goal, sense, met", [
    (0.1, results.AT_MOST, True), (0.09, results.AT_MOST, False), (0.1, results.AT_LEAST, True),
    (0.11, results.AT_LEAST, False), (None, results.AT_MOST, None)])
def test_a_goal_is_met_or_not(goal, sense, met):
    assert part(goal=goal, sense=sense)["goal_met"] is met


def test_without_another_side_there_is_no_ratio():
    entry = part(other=None, goal=1)
    assert entry["ratio"] is None and entry["other"] is None and entry["goal_met"] is None
    assert part(other=(0, 0, 0))["ratio"] is None


def test_what_did_not_run_says_why_and_has_met_nothing():
    entry = results.not_run("no\nslot")
    assert set(FIELDS) <= set(entry)
    assert (entry["ran"], entry["reason"], entry["goal_met"]) == (False, "no slot", False)


def test_the_table_has_a_line_for_each_comparison(monkeypatch):
    monkeypatch.setattr(results, "PARTS", ("downtime", "pf"))
    whole = {"machine": {}, "downtime": part(goal=0.1, also=[part() | {"what": "longest"}]), "pf": results.not_run("broken")}
    lines = results.table(whole).splitlines()
    assert len(lines) == 4
    assert re.search(r"^downtime +ms +a: 2 \(1 to 9\) +b: 20 \(10 to 90\) +3 +0.1 +at most 0.1 +met$", lines[1])
    assert lines[2].startswith("  longest") and lines[2].endswith("-")
    assert "did not run: broken" in lines[3] and lines[3].endswith("NOT MET")


def test_the_documentation_gets_the_same_lines(monkeypatch):
    monkeypatch.setattr(results, "PARTS", ("pf",))
    machine = {"cpu": "Fast", "cpus": 2, "memory_mib": 1024, "rig": "TCG", "kernel": "7.3", "vmm": "QEMU 11"}
    text = results.rst({"machine": machine, "pf": part(goal=1.0, sense=results.AT_LEAST) | {"pictures": ["pf.svg"]}})
    assert "2 processors (Fast), 1024 MiB; the rig on TCG; kernel 7.3; QEMU 11." in text
    assert "   * - pf\n     - ms\n     - a: 2 (1 to 9)\n" in text and "     - NOT MET\n" in text
    assert ".. figure:: performance/pf.svg" in text


def test_each_part_has_a_module_and_runs_in_a_rig_or_not():
    for name in results.PARTS:
        words = main.command(name, 5)
        assert words[-4:] == ["tests/bench/runner.py", name, "--rounds", "5"]
        assert (words[0] == "scripts/rig") == (name != "harvest")


def is_svg(path):
    return ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_pictures_of_parts_are_drawn(tmp_path):
    other_unit = part() | {"what": "of another unit", "unit": "bytes"}
    entry = part(also=[part(other=None) | {"what": "alone"}, other_unit])
    [made] = pictures.draw("harvest", json.loads(json.dumps(entry)), tmp_path)
    text = (tmp_path / made).read_text()
    assert is_svg(tmp_path / made)
    assert "harvest" in text and "alone" in text and "another unit" not in text
