# SPDX-License-Identifier: GPL-2.0
"""What the guest reports of a KUnit run, judged. No machine is needed here."""

import fnmatch
import re


def leaves(test, path=()):
    """(name, test) of all tests without tests of their own."""
    path = (*path, test.name or "(not reported)")
    if not test.subtests:
        yield ".".join(path), test
    for sub in test.subtests:
        yield from leaves(sub, path)


class Report:
    """Takes the guest's lines (see `guest`); prints verdicts, counts, and
    keeps in `errors` what went wrong beside the tests."""

    def __init__(self, parser, printer, say):
        self._parser, self._printer, self._say = parser, printer, say
        self._module = self._block = None
        self._lines = []
        self.passed = self.failed = self.skipped = 0
        self.suites = []
        self.errors = []
        self.ktap = []
        self.ended = False

    def feed(self, line):
        if line.startswith("|"):
            self._lines.append(line[1:])
            return
        if not line.startswith("@"):
            self._say(f"guest: {line}")
            return
        self.finish_block()
        word, _, argument = line[1:].partition(" ")
        if word == "module":
            self._module = argument
        elif word == "end":
            self.ended = True
        else:
            self._block = (word, argument)

    def finish_block(self):
        """Judges the file contents received last."""
        lines, self._lines = self._lines, []
        block, self._block = self._block, None
        if block is None:
            return
        word, name = block
        if word == "suite":
            self._suite(name, lines)
        elif word == "leaks":
            objects = [line for line in lines if line.startswith("unreferenced object")]
            if objects:
                self.errors.append("\n".join([
                    f"memory leaked: {len(objects)} objects (SUITE-GLOB narrows it down), the first:", *lines[:18]]))
        else:
            what = {"failed-load": "cannot be loaded", "failed-unload": "cannot be unloaded",
                    "failed-dependency": f"needed by {self._module}, cannot be loaded"}[word]
            self.errors.append("\n".join([f"module {name} {what}", *lines]))

    def _suite(self, name, lines):
        self.suites.append(name)
        self.ktap += lines
        test = self._parser.parse_run_tests(lines, self._printer)
        status = self._parser.TestStatus
        before = self.failed
        for suite in test.subtests:
            for path, leaf in leaves(suite):
                if leaf.status == status.SUCCESS:
                    self.passed += 1
                    self._say(f"ok   {path}")
                elif leaf.status == status.SKIPPED:
                    self.skipped += 1
                    self._say(f"skip {path} {leaf.skip_reason}".rstrip())
                else:
                    self._fail(path, leaf.log or lines)
        if self.failed == before and (not test.ok_status() or test.counts.errors):
            self._fail(name, lines or ["no result"])

    def _fail(self, path, log):
        self.failed += 1
        self._say("\n".join([f"FAIL {path}", *(f"     {line}" for line in log)]))

    def complete(self, expected, pattern, minimum):
        """Compares with what had to come: suites by name, number of tests."""
        self.finish_block()
        if not self.ended:
            at = f" in {self._module}" if self._module else ""
            self.errors.append(f"the machine did not come to its end{at}: see the kernel's log")
        wanted = {suite for suite in expected if fnmatch.fnmatchcase(suite, pattern or "*")}
        for suite in sorted(wanted - set(self.suites)):
            self.errors.append(f"suite {suite} of {expected[suite]} did not report")
        if pattern and not wanted and not self.suites:
            self.errors.append(f"no suite is named {pattern}")
        total = self.passed + self.failed
        if not pattern and total < minimum:
            self.errors.append(f"{total} tests ran, tests/kunit/minimum wants {minimum}")


def expected_suites(texts):
    """{suite: file} from (file, Rust text without comments) pairs."""
    found = {}
    for name, text in texts:
        for suite in re.findall(r"\bkunit_tests\s*\(\s*(\w+)\s*\)", text):
            found.setdefault(suite, name)
    return found
