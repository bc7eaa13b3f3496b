# SPDX-License-Identifier: GPL-2.0
"""What scripts/kunit makes of the guest's report."""

import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SRC / "scripts/check.d"), str(SRC / "scripts/kunit.d")]

import report
import rust_source


def test_expected_suites():
    text = rust_source.code("// kunit_tests(no)\n#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(a))]\n"
                            "#[kunit_tests( b )] mod tests {}")
    assert report.expected_suites([("f.rs", text)]) == {"a": "f.rs", "b": "f.rs"}


class FakeParser:
    """Stands for the kernel's KTAP parser: lines are "STATUS NAME"."""

    class TestStatus:
        SUCCESS, FAILURE, SKIPPED, TEST_CRASHED = "ok", "bad", "skip", "crashed"

    class Test:
        def __init__(self, name="", status="ok", subtests=()):
            self.name, self.status, self.subtests = name, status, list(subtests)
            self.log, self.skip_reason = [], ""
            self.counts = type("Counts", (), {"errors": 0})

        def ok_status(self):
            return self.status in ("ok", "skip")

    @classmethod
    def parse_run_tests(cls, lines, _printer):
        leaves = [cls.Test(name, status) for status, name in map(str.split, lines)]
        worst = "bad" if any(not leaf.ok_status() for leaf in leaves) or not leaves else "ok"
        return cls.Test("main", worst, [cls.Test("suite", worst, leaves)] if leaves else [])


def run_report(lines, expected=None, pattern="", minimum=0):
    said = []
    made = report.Report(FakeParser, None, said.append)
    for line in lines:
        made.feed(line)
    made.complete(expected or {}, pattern, minimum)
    return made, said


def test_report_counts_and_says():
    made, said = run_report(["@module m", "@suite s", "|ok a", "|bad b", "|skip c", "@leaks", "@end"])
    assert (made.passed, made.failed, made.skipped, made.errors) == (1, 1, 1, [])
    assert [line.split("\n")[0] for line in said] == ["ok   suite.a", "FAIL suite.b", "skip suite.c"]


@pytest.mark.parametrize("lines, settings, error", [
    (["@module m", "@failed-load m", "|why", "@leaks", "@end"], {}, "module m cannot be loaded\nwhy"),
    (["@module m", "@failed-unload m", "@end"], {}, "module m cannot be unloaded"),
    (["@leaks", "|unreferenced object 0x1 (size 8):", "@end"], {}, "memory leaked: 1 objects"),
    (["@module m", "@suite s", "|ok a"], {}, "the machine did not come to its end in m"),
    (["@end"], {"expected": {"s": "f.rs"}}, "suite s of f.rs did not report"),
    (["@end"], {"minimum": 2}, "0 tests ran, tests/kunit/minimum wants 2"),
    (["@end"], {"expected": {"s": "f.rs"}, "pattern": "t*"}, "no suite is named t*"),
])
def test_report_errors(lines, settings, error):
    made, _ = run_report(lines, **settings)
    assert len(made.errors) == 1
    assert made.errors[0].startswith(error)


def test_a_suite_without_result_fails():
    made, _ = run_report(["@module m", "@suite s", "@end"])
    assert made.failed == 1


def test_a_pattern_narrows_what_is_expected():
    made, _ = run_report(["@suite s1", "|ok a", "@end"], {"s1": "f.rs", "t1": "g.rs"}, "s*", minimum=5)
    assert made.errors == []
