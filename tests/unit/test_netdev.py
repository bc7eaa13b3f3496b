# SPDX-License-Identifier: GPL-2.0
"""tests/netdev/ksft.py: what the kernel's selftests say is understood."""

import pytest

from loading import load

ksft = load("tests/netdev/ksft.py")


@pytest.mark.parametrize("line, test, result", [
    ("ok 1 ping.test_v4", "ping.test_v4", "ok"),
    ("not ok 2 ping.test_v6", "ping.test_v6", "fail"),
    ("ok 3 queues.check_xsk # SKIP AF_XDP unsupported", "queues.check_xsk", "skip"),
    ("ok 4 irq.check_down # XFAIL Test only works on netdevsim", "irq.check_down", "xfail"),
    ("not ok 5 rss.a # XFAIL", "rss.a", "fail"),
    ("TEST: force of same speed autoneg off                              [ OK ]", "force of same speed autoneg off", "ok"),
    ("TEST: speeds  (10 and 100)                 [FAIL]", "speeds  (10 and 100)", "fail"),
    ("TEST: loopback                  [SKIP]", "loopback", "skip"),
    ("PASS: eth0: Turned off feature: tx", "DEV: Turned off feature: tx", "ok"),
    ("PASS: eth0: Restore feature tx to initial state off", "DEV: Restore feature tx", "ok"),
    ("FAIL: eth1: ethtool dump", "FAR: ethtool dump", "fail"),
    ("XFAIL: eth0: ethtool dump not supported", "DEV: ethtool dump not supported", "xfail"),
])
def test_lines(line, test, result):
    names = {"eth0": "DEV", "eth1": "FAR"}
    assert ksft.results(f"TAP version 13\n1..9\n# a remark\n{line}\n", 0, names) == {test: result}


@pytest.mark.parametrize("status, result", [(0, "ok"), (1, "fail"), (4, "skip"), (124, "timeout"), (137, "timeout")])
def test_a_program_without_tests_is_one(status, result):
    assert ksft.results("SKIP for want of a tool\n", status, {}) == {ksft.WHOLE: result}


def test_one_that_hangs_is_told_beside_what_it_did():
    assert ksft.results("ok 1 a.b\n", 124, {}) == {"a.b": "ok", ksft.WHOLE: "timeout"}


def test_of_a_test_that_comes_twice_the_worst_counts():
    assert ksft.results("ok 1 a.b\nnot ok 2 a.b\nok 3 a.b\n", 1, {}) == {"a.b": "fail"}
