# SPDX-License-Identifier: GPL-2.0
"""scripts/test.d/main.py: every suite is counted, whatever it runs beside."""

import sys
from pathlib import Path

import pytest

from loading import load

main = load("scripts/test.d/main.py")
COUNT = main.by_pattern(main.SUMMARY)


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.setattr(main, "OUT", tmp_path)
    monkeypatch.setattr(main, "minimum", lambda name: 1)


def suite(name, passed, failed=0, seconds=0, status=0):
    code = f"import time; time.sleep({seconds}); print('x: {passed} passed, {failed} failed'); raise SystemExit({status})"
    return main.Suite(name, [sys.executable, "-c", code], COUNT)


def test_lanes_run_beside_each_other_and_all_count(tmp_path):
    # Two meet, of which the second begins while the first has not ended.
    meet = ("import pathlib, time, sys; mine, other = sys.argv[1:]; pathlib.Path(mine).touch()\n"
            "for _ in range(600):\n  if pathlib.Path(other).exists(): print('x: 1 passed, 0 failed'); break\n"
            "  time.sleep(0.05)")
    a, b = str(tmp_path / "a"), str(tmp_path / "b")
    lanes = main.Beside(main.Suite("one", [sys.executable, "-c", meet, a, b], COUNT),
                        main.Suite("two", [sys.executable, "-c", meet, b, a], COUNT), suite("three", 3), suite("four", 1, 2, status=1))
    assert lanes.run() == [("one", 1, 0), ("two", 1, 0), ("three", 3, 0), ("four", 1, 2)]


def test_who_is_done_takes_the_next_one():
    """As many at once as there are lanes."""
    first, *others = suites = [suite("one", 1, seconds=2), suite("two", 1), suite("three", 1), suite("four", 1)]
    begun = []
    for each in suites:
        each.run = lambda prefix, each=each: (begun.append((each.name, first.seconds)), main.Suite.run(each, prefix))[1]
    main.Beside(*suites).run()
    # None waits for the first, which takes longest.
    assert sorted(name for name, _ in begun) == ["four", "one", "three", "two"]
    assert all(seconds == 0 for _, seconds in begun) and first.seconds >= 2 and len(others) == 3
    begun.clear()
    first.seconds = 0
    main.Beside(*suites, lanes=1).run()
    assert [seconds >= 2 for _, seconds in begun] == [False, True, True, True]


def test_a_suite_that_cannot_be_started_is_a_failure():
    lanes = main.Beside(main.Suite("none", ["/nonexistent"], COUNT), suite("one", 2))
    assert lanes.run() == [("none", 0, 1), ("one", 2, 0)]


def test_one_that_ends_badly_or_with_too_few_tests_fails():
    bad, few = suite("one", 2, status=1), suite("none", 0)
    assert bad.run() == (2, 1) and bad.failures == ["ended with status 1"]
    assert few.run() == (0, 1) and few.failures == ["0 tests ran, at least 1 should"]


def test_packages_of_lanes_are_found():
    extra = main.with_packages(suite("one", 1), "socat")
    assert [each.packages for each in main.flat([suite("two", 1), main.Beside(extra)])] == [(), ("socat",)]


def test_a_driver_that_does_wrong_must_be_found_out_by_what_it_does():
    """Not because the guest did not boot."""
    last = "guest-truth: 2 of 2 rounds, {} failed, 90 s, 0 KiB more memory used\n"
    wrong = "AssertionError: {'read': 9, 'wrong': 1, 'named': ['number 3 is not as it was sent']}\n"
    assert main.by_finding(wrong + last.format(1)) == main.by_finding(wrong + last.format(2)) == (1, 0)
    for text in (last.format(0), last.format(1), wrong + last.format(0), wrong, ""):
        assert main.by_finding(text) == (0, 1)


def test_each_part_of_a_soak_counts():
    text = "soak: passed: build/soak/updown.json\nround 1 failed:\nsoak: FAILED: build/soak/reload.json\nsoak: passed: build/soak/trap.json\n"
    assert main.by_soaks(text) == (2, 1)
    assert main.by_soaks(text + "soak: passed: build/soak/reload.json\n") == (3, 0)
    assert main.by_soaks("") == (0, 0)


@pytest.mark.parametrize("line", (
    "FAILED tests/system/test_x.py::test_y - AssertionError: assert 1 == 2",
    "[  69.5 s] failed: Refused: the TCP connection did not go on: []",
    "memory is lost: 39157760 bytes",
    "rigtest.guest.GuestError: guest: no answer within 240 s",
    "rig: the kernel's log x.log holds faults:\nWARNING: CPU: 1",
    "vfclient: seed 2: report 1: 1 pages missed",
    "kvm    log       2 seeds      1618 changed     1830 reported  missed 1 stray 0  precision 1.0000 wide 1.0000  FAILED",
))
def test_what_failed_is_named_at_the_end(capsys, monkeypatch, line):
    bad = main.Suite("bad", [sys.executable, "-c", f"print({line!r}); print('x: 1 passed, 1 failed')"], COUNT)
    monkeypatch.setattr(main, "suites", lambda part: [main.Beside(bad, suite("good", 3))])
    assert main.main(["system"]) == 1
    table = capsys.readouterr().out.split("\n\n")[-1].splitlines()
    # The suites, and how long each took.
    assert [line.split()[0] for line in table[:2]] == ["bad", "good"]
    assert all(line.endswith(" s") and int(line.split()[-2]) >= 0 for line in table[:3])
    assert table[-2:] == ["bad: " + line.replace("\n", " "), "4 passed, 1 failed"]


def test_a_report_is_lost_when_its_suite_is_run_and_not_before(tmp_path):
    report = tmp_path / "hang.xml"
    report.write_text('<testsuites><testsuite tests="2" failures="0" errors="0" skipped="0"/></testsuites>')
    hang = main.named("hang")
    assert report.exists() and hang.report == report
    hang.command = [sys.executable, "-c", "pass"]
    assert hang.run() == (0, 1) and not report.exists()


def test_a_suite_can_be_named_alone():
    assert [each.name for each in main.flat(main.suites("hang"))] == ["hang"]
    with pytest.raises(SystemExit, match="no part or suite nothing"):
        main.suites("nothing")


def test_what_passed_names_nothing():
    suite = main.Suite("one", [sys.executable, "-c", "print('rig: a second try'); print('x: 1 passed, 0 failed')"], COUNT)
    assert suite.run() == (1, 0) and not suite.failures
