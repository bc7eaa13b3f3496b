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

import kept
import kernel_trace
import main
import outages
import phases
import pictures
import results

FIELDS = ("ran", "reason", "unit", "rounds", "ours", "other", "ratio", "goal", "goal_met")
SCRIPTS = SRC / "Documentation/performance"


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


def move(gaps, usual=5.0, **more):
    return {"usual_gap_ms": usual, "gaps": gaps, "answers": [-1.5, 0.1, 2], "lost": [0.6, 1.9, 2.4], "flow": [(-2, 0, 500_000), (0, 1, 0), (1, 3, 250_000)],
            "end": 2.5, "back": 2.5, "probes": {"sent": 9, "received": 7, "lost": 2, "interval_ms": 5},
            "qemu": {"downtime": 200}} | more


GAPS = [(0.2, 49.0), (0.5, 300.0), (0.8, 6.0), (1.8, 100.0), (2.2, 5.0)]


def test_downtimes_and_uptimes_come_in_their_order():
    found = outages.summary(move(GAPS))
    assert found["downtime_ms"] == [300, 100]
    assert found["uptime_ms"] == [1000]
    assert (found["total_downtime_ms"], found["longest_downtime_ms"], found["total_uptime_ms"]) == (400, 300, 1000)
    assert [piece["down"] for piece in found["throughput_mbit"]] == [False, True, False, True]


def test_answers_in_bunches_do_not_make_gaps_of_the_time_between_probes():
    assert outages.summary(move(GAPS, usual=0.1))["downtime_ms"] == [300, 100]
    assert outages.summary(move(GAPS, usual=20.0))["downtime_ms"] == [300]


def test_late_answers_are_no_downtime():
    found = outages.summary(move(GAPS, lost=[0.6]))
    assert (found["downtime_ms"], found["late_ms"]) == ([300], 100)


def test_nothing_is_down_without_a_long_gap():
    found = outages.summary(move([(0.2, 7.0)]))
    assert (found["downtime_ms"], found["uptime_ms"], found["longest_downtime_ms"]) == ([], [], 0)


def test_throughput_takes_the_share_of_an_interval():
    flow = [(0, 1, 1_000_000), (1, 3, 1_000_000)]
    assert outages.throughput(flow, 0.5, 2) == pytest.approx(8 * (0.5 + 0.5) / 1.5)
    assert outages.throughput(flow, 4, 5) == 0 and outages.throughput(flow, 1, 1) == 0


def test_the_median_move_is_one_of_them():
    moves = [move([(0, ms)], lost=[0.01]) for ms in (500.0, 100.0, 300.0, 900.0)]
    assert outages.median_move(moves)["gaps"] == [(0, 300.0)]


def test_each_part_has_a_module_and_runs_in_a_rig_or_not():
    for name in results.PARTS:
        words = main.command(name, 5)
        assert words[-4:] == ["tests/bench/runner.py", name, "--rounds", "5"]
        assert (words[0] == "scripts/rig") == (name != "harvest")


def test_a_part_may_run_on_several_kernels():
    assert main.kernels("log_report") == ("debug", "stock") and main.kernels("pf") == ("stock",)
    words = main.command("log_report", 5, "debug")
    assert words[words.index("--kernel") + 1] == "debug"


def test_a_part_may_ask_for_wires():
    for name, nics, wires in (("pf", "4", "2"), ("tracking", "1", "1")):
        words = main.command(name, 5)
        assert words[words.index("--nics") + 1] == nics and words[words.index("--wires") + 1] == wires


def test_what_a_part_tells_in_several_rigs_is_joined():
    first = part(goal=0.2, curves={"log": [(1, 2)]}, also=[part() | {"what": "more"}])
    second = part(other=None, what="scope", curves={"scope": [(1, 3)]}, also=[part() | {"what": "and more"}])
    whole = results.joined([first, second])
    assert (whole["ratio"], whole["goal_met"]) == (0.1, True)
    assert [one["what"] for one in whole["also"]] == ["more", "scope", "and more"]
    assert whole["curves"] == {"log": [(1, 2)], "scope": [(1, 3)]}
    assert len(results.table({"log_report": whole}).splitlines()) == 5
    assert results.joined([part()]) == part()
    assert results.joined([first, results.not_run("broken")])["reason"] == "broken"


@pytest.mark.parametrize("lost, ran", [(0, True), (2, True), (main.MOST_LOST, True), (main.MOST_LOST + 1, False)])
def test_a_rig_that_the_processor_lost_is_followed_by_another(monkeypatch, tmp_path, lost, ran):
    monkeypatch.setattr(main, "OUT", tmp_path)
    monkeypatch.setattr(kept, "OUT", tmp_path / "parts")
    tries = tmp_path / "tries"
    script = (f"echo >>{tries}; [ $(wc -l <{tries}) -gt {lost} ] || exit {main.EXIT_PROCESSOR}; "
              f"cp {tmp_path}/entry {tmp_path}/parts/tracking.json")
    (tmp_path / "entry").write_text(json.dumps(part()))
    kept.write("tracking", [1])
    monkeypatch.setattr(main, "command", lambda *_: ["sh", "-c", script])
    entry = main.run_part("tracking", 5)
    assert (entry["ran"], kept.read("tracking")) == (ran, None)
    assert len(tries.read_text()) == min(lost, main.MOST_LOST) + 1
    if ran:
        assert entry["lost_rigs"] == lost


def test_what_is_kept_takes_the_place_of_what_was(monkeypatch, tmp_path):
    monkeypatch.setattr(kept, "OUT", tmp_path / "new")
    assert kept.read("a") is None
    for what in ({"x": [1]}, {"x": [1, 2]}):
        kept.write("a", what)
        assert kept.read("a") == what
    assert kept.read("b") is None
    kept.remove("a")
    assert kept.read("a") is None


@pytest.mark.parametrize("script", ["mediated.sh", "failover.sh"])
def test_the_sides_scripts_are_in_the_documentation(script):
    text = (SRC / "Documentation/performance.rst").read_text()
    assert f".. literalinclude:: performance/{script}" in text
    assert (SCRIPTS / script).read_text().startswith("#!/bin/sh\n")


def is_svg(path):
    return ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_pictures_of_parts_are_drawn(tmp_path):
    other_unit = part() | {"what": "of another unit", "unit": "bytes"}
    also = [part(other=None) | {"what": "alone"}, other_unit]
    entries = {
        "downtime": part(timeline={"mediated": move(GAPS), "failover": move(GAPS + [(2.3, 900.0)], back=4.0)}),
        "phases": part(bars={"mediated": {"save": 3, "load": 4}, "failover": {"load": 1, "unplug": 5}}),
        "concurrency": part(curves={"cpu": [(1, 5), (7, 6)]}, x="VFs", y="ms"),
        "pf": part(also=[part(goal=1) | {"what": "TCP"}, *also]),
        "harvest": part(also=also),
    }
    for name, entry in entries.items():
        [made] = pictures.draw(name, json.loads(json.dumps(entry)), tmp_path)
        assert is_svg(tmp_path / made)
    text = (tmp_path / "downtime.svg").read_text()
    assert "mediated" in text and "failover" in text and "900" in text
    text = (tmp_path / "harvest.svg").read_text()
    assert "harvest" in text and "alone" in text and "another unit" not in text
    text = (tmp_path / "pf.svg").read_text()
    assert "TCP, ms: a / b" in text and "of another unit, bytes: a / b" in text and "alone, ms" not in text


TRACE = """\
# tracer: nop
 mig/src/main-815        [001] .....   100.000000: ioctl: (vfio_device_fops_unl_ioctl+0x0/0x90)
 mig/src/main-815        [001] .....   100.030000: state: 0000:01:10.0 PRE_COPY -> PRE_COPY_P2P ret=0
 mig/src/main-815        [001] .....   100.040000: ioctl: (vfio_device_fops_unl_ioctl+0x0/0x90)
 mig/src/main-815        [001] .....   100.050000: state: 0000:01:10.0 PRE_COPY_P2P -> STOP_COPY ret=0
 mig/src/main-815        [000] d..1.   100.058000: sys_read(fd: 1b, buf: 7f0000002000, count: 200)
 mig/src/main-815        [000] d..1.   100.060000: sys_read(fd: 2a, buf: 7f0000001000, count: 4000)
 mig/src/main-815        [000] d..1.   100.065000: sys_read(fd: 2a, buf: 7f0000001000, count: 4000)
 iperf3-77               [001] .....   100.066000: sys_read(fd: 5, buf: 7f0000001000, count: 20000)
 qemu-system-x86-811     [001] .....   100.068000: sys_read(fd: 7, buf: 7f0000001000, count: 80)
 qemu-system-x86-811     [001] .....   100.070000: ioctl: (vfio_device_fops_unl_ioctl+0x0/0x90)
 qemu-system-x86-811     [001] .....   100.071000: state: 0000:01:10.0 STOP_COPY -> STOP ret=0
 qemu-system-x86-901     [001] .....   100.080000: ioctl: (vfio_device_fops_unl_ioctl+0x0/0x90)
 qemu-system-x86-901     [001] .....   100.090000: state: 0000:02:10.6 RESUMING -> STOP ret=0
 qemu-system-x86-901     [001] .....   100.095000: state: 0000:02:10.6 STOP -> RUNNING_P2P ret=0
 qemu-system-x86-901     [001] .....   100.100000: ioctl: (vfio_device_fops_unl_ioctl+0x0/0x90)
 qemu-system-x86-901     [001] .....   100.104000: announce: (igb_rs_transmit+0x0/0x10)
 qemu-system-x86-901     [001] .....   100.105000: state: 0000:02:10.6 RUNNING_P2P -> RUNNING ret=0
"""


def test_a_trace_is_cut_into_phases():
    events = kernel_trace.parse(TRACE)
    assert len(events) == len(TRACE.splitlines()) - 1 and events[1][:3] == (100.03, 815, "state")
    pieces = phases.cut(phases.mediated_marks(events), 99.99, 100.125)
    assert {name: round(ms) for name, ms in pieces.items()} == {
        "QEMU: stop": 10, "quiesce": 30, "QEMU: processors stop": 10, "final sync": 10, "QEMU: last memory": 10, "save": 5,
        "transfer": 15, "load": 10, "QEMU: start": 10, "resume": 4, "announce": 1, "first packet": 20}
    assert sum(pieces.values()) == pytest.approx(135)
    assert set(phases.OURS) <= set(pieces)


def test_the_longest_downtime_of_mediation_is_split_into_ours_and_the_rest():
    ours = {"gaps": [(99.99, 135.0)], "lost": [100.0], "trace": kernel_trace.parse(TRACE)}
    events = [(0.1, "source", "MIGRATION", {"status": "wait-unplug"}), (6.2, "source", "MIGRATION", {"status": "active"}),
              (8.0, "source", "STOP", {}), (8.2, "target", "RESUME", {})]
    gaps = [(6.0, 300.0), (7.9, 400.0), (9.0, 700.0)]
    pinned = kernel_trace.parse("""\
 qemu-system-x86-902     [000] .....     8.060000: container: (vfio_iommu_type1_ioctl+0x0/0x90)
 qemu-system-x86-902     [000] .....     8.160000: container_done: (vfio_ioctl+0x0/0x90 <- vfio_iommu_type1_ioctl)
 qemu-system-x86-902     [000] .....     8.170000: container: (vfio_iommu_type1_ioctl+0x0/0x90)
 qemu-system-x86-902     [000] .....     8.171000: container_done: (vfio_ioctl+0x0/0x90 <- vfio_iommu_type1_ioctl)
""")
    other = {"gaps": gaps, "lost": [6.1, 8.0, 9.3], "events": events, "marks": [(6.25, "address added"), (9.5, "VF back")],
             "trace": pinned}
    entry = phases.result({"mediated": [move(**ours)], "failover": [move(**other)]})
    assert (entry["ours"]["median"], entry["other"]["median"]) == (pytest.approx(60), pytest.approx(75))
    bars = {name: {piece: round(ms) for piece, ms in pieces.items()} for name, pieces in entry["bars"].items()}
    assert bars["failover: VF leaves"] == {"VF unplugged": 200, "address added": 50, "first packet": 50}
    assert bars["failover: guest moves"] == {"pre-copy": 100, "QEMU": 60, "memory pinned or let go": 100,
                                              "QEMU: load and start": 40, "first packet": 100}
    assert bars["failover: VF returns"] == {"VF back": 500, "first packet": 200}


def test_what_one_round_lacks_counts_as_nothing():
    assert phases.medians([{"a": 1, "b": 4}, {"a": 3}, {"a": 5}]) == {"a": 3, "b": 0}
