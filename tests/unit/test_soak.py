# SPDX-License-Identifier: GPL-2.0
"""tests/soak/runner.py: a round is tried again for the emulated processor's sake alone."""

import sys
import types

import pytest

from loading import load


@pytest.fixture
def runner(monkeypatch):
    module = load("tests/soak/runner.py")
    lost = []
    monkeypatch.setattr(module.emulated, "lost", lambda: len(lost))
    module.lost = lost
    return module


@pytest.mark.parametrize("fails, loses, expected, runs", [
    ([], [], (0, False), 1),
    ([1], [], (1, False), 1),
    ([1], [1], (0, True), 2),
    ([1, 2], [1], (1, True), 2),
    # It went well, whatever became of a guest.
    ([], [1], (0, False), 1),
])
def test_a_round_that_lost_a_guest_runs_once_more(runner, fails, loses, expected, runs):
    seen = []

    def one(_host, n):
        seen.append(n)
        if len(seen) in loses:
            runner.lost.append(n)
        assert len(seen) not in fails

    part, host = types.SimpleNamespace(round=one), types.SimpleNamespace(clean=lambda: None)
    assert runner.run_round(part, host, 7) == expected
    assert seen == [7] * runs


def test_all_parts_are_run_whatever_became_of_one(runner, monkeypatch):
    seen = []
    host = types.SimpleNamespace(clean=lambda: None)
    monkeypatch.setitem(sys.modules, "conftest", types.SimpleNamespace(Host=lambda: host))
    monkeypatch.setattr(runner, "soak", lambda _host, *what: seen.append(what[:3]) or what[0] != "two")
    monkeypatch.setattr(sys, "argv", ["runner.py", "one,two,three", "--rounds", "4,,1", "--first", "0,2", "--kernel", "debug",
                                      "--commit", "1"])
    assert runner.main() == 1
    assert seen == [("one", 4, 0), ("two", None, 2), ("three", 1, 0)]
