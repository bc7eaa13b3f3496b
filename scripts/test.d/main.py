# SPDX-License-Identifier: GPL-2.0
"""Run test suites inside the cached root and count what passed.

Each suite is one or more commands whose output says how many tests passed and
failed; a suite with fewer tests than tests/minimum says, or whose command
failed without a failed test, counts as one failure more.
"""

import os
import re
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
OUT = SRC / "build/test"
SUMMARY = re.compile(r"^[a-z]+: (\d+) passed, (\d+) failed$", re.M)
# What has a folder of its own there needs a kernel or a rig of its own.
EVERYWHERE = ["tests/system", "--ignore-glob", "tests/system/*/*"]
# Under KASAN and emulation all of them take over an hour: `scripts/test thorough`.
ON_DEBUG = [f"tests/system/test_{name}.py" for name in (
    "lifetime", "mailbox", "migration_modules", "migration_streams", "migration_uapi", "provider", "regions",
    "registry", "selftests", "two_pfs", "vf_settings")]
# Logs for each transport and channel; `make truth` has many more.
TRUTH_SEEDS = "5"
TRUTH_SEEDS_ON_DEBUG = "2"
# A guest takes minutes to come up there.
QEMU_ON_DEBUG = "tests/system/debug/test_qemu_log.py"
QUICK_BENCH = ["harvest", "downtime", "trapped_write", "concurrency"]
# Draws the bench's pictures.
PLOTS = "python3-matplotlib"
# Moves before memory; `make postcopy` has many more.
POSTCOPY_SEEDS = "6"
POSTCOPY_SEEDS_ON_DEBUG = "2"
# What pytest, the soak, vfclient and its summary, the demo, the rig and KUnit say of a failure: at the
# end of a long log it is found.
FAILURE = re.compile("|".join((
    r"^(?:FAILED|ERROR) tests/\S+.*", r"^round \d+ failed:$", r"^[\w.]*(?:Error|Exception|Refused): .+", r"^memory is lost: .+",
    r"^vfclient: seed \d+: .+", r"^\w+ +\w+ +\d+ seeds .+ FAILED$",
    r"^\[ *[\d.]+ s\] failed: .+", r"^rig: (?!CMD|last lines)(?:.+ holds faults:\n)?.+", r"^FAIL .+")), re.M)
MOST_FAILURES, LONGEST_FAILURE = 10, 300
FUZZ = re.compile(r"^Done (\d+) runs of|^FAIL ()", re.M)
CARGO = re.compile(r"^test result: \S+ (\d+) passed; (\d+) failed", re.M)


class Suite:
    """A named command, and how to count the tests it ran."""

    def __init__(self, name, command, count, env=None):
        self.name, self.command, self.count, self.env = name, command, count, env or {}
        # Debian packages beside those of every root: scripts/test installs them first.
        self.packages = ()
        # The lines of the last run that name a failure.
        self.failures = []
        # What a run writes for `count`: an earlier one's must not be taken for it.
        self.report = None
        # How long the last run took.
        self.seconds = 0

    def run(self, prefix=""):
        """(passed, failed), with the output shown as it comes."""
        log = OUT / f"{self.name}.log"
        start, lines = time.monotonic(), []
        # Who sees an output that was cut off sees where the time went, as by the stamps of set-up.
        print(f"== {self.name}: [{time.strftime('%H:%M:%S')}] {' '.join(map(str, self.command))}", flush=True)
        if self.report:
            self.report.unlink(missing_ok=True)
        with open(log, "w") as file, subprocess.Popen(
                self.command, cwd=SRC, env=os.environ | self.env, stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace") as process:
            for line in process.stdout:
                print(prefix + line, end="", flush=True)
                file.write(line)
                lines.append(line)
        text = "".join(lines)
        passed, failed = self.count(text)
        ours = []
        if process.returncode and not failed:
            ours.append(f"ended with status {process.returncode}")
        if passed + failed + len(ours) < minimum(self.name):
            ours.append(f"{passed + failed} tests ran, at least {minimum(self.name)} should")
        for line in ours:
            print(f"{self.name}: {line}", flush=True)
        failed += len(ours)
        self.failures = [*ours, *(found.replace("\n", " ") for found in FAILURE.findall(text))] if failed else []
        self.seconds = time.monotonic() - start
        print(f"== {self.name}: {passed} passed, {failed} failed in {self.seconds:.0f} s", flush=True)
        return passed, failed


class Beside:
    """Suites of which as many run at the same time as there are lanes, each lane with the next one
    that nobody has begun; the longest come first. A rig mostly waits for links, timers and
    guests, so that two of them keep two cores busy; what measures time, or starts guests in
    pairs, is to run alone."""

    def __init__(self, *suites, lanes=2):
        self.suites, self.lanes = suites, lanes

    def run(self):
        """[(name, passed, failed)] of all suites."""
        def one(suite):
            try:
                return (suite.name, *suite.run(f"{suite.name}| "))
            except OSError as error:
                print(f"{suite.name}: cannot be run: {error}", flush=True)
                return suite.name, 0, 1

        with ThreadPoolExecutor(self.lanes) as pool:
            return list(pool.map(one, self.suites))


def minimum(name):
    for line in (SRC / "tests/minimum").read_text().splitlines():
        if line.split()[:1] == [name]:
            return int(line.split()[1])
    raise SystemExit(f"tests/minimum has no line for {name}")


def by_pattern(pattern):
    """Counts summed over all lines that match."""
    def count(text):
        found = pattern.findall(text)
        return sum(int(p) for p, _ in found), sum(int(f) for _, f in found)
    return count


def by_junit(path):
    """Counts of a pytest run. A test that was skipped did not do its work."""
    def count(_):
        try:
            suite = ElementTree.parse(path).getroot().find("testsuite")
        except (OSError, ElementTree.ParseError):
            return 0, 1
        total, bad = int(suite.get("tests")), sum(int(suite.get(k)) for k in ("failures", "errors", "skipped"))
        return total - bad, bad
    return count


def by_status(text):
    """One test: what it says at its end tells."""
    return (1, 0) if re.search("it works; report", text) else (0, 1)


def by_soaks(text):
    """One test for each part of a soak. What ran once more in a new rig counts as it ended there."""
    ends = {part: end for end, part in re.findall(r"^soak: (passed|FAILED): (\S+)$", text, re.M)}
    passed = sum(end == "passed" for end in ends.values())
    return passed, len(ends) - passed


def by_finding(text):
    """One test: a driver that does wrong was found out, and by what it does wrong. One round of ten
    may lose nothing; that no more do is for the long count."""
    found = re.search(r"^guest-truth: (\d+) of \1 rounds, [1-9]\d* failed", text, re.M)
    return (1, 0) if found and "is not as it was sent" in text else (0, 1)


def by_inputs(text):
    """A test for each fuzz target, which passes if it was given inputs at all."""
    runs = [int(n or 0) for n, _ in FUZZ.findall(text)]
    return sum(n > 0 for n in runs), sum(n == 0 for n in runs)


def pytest(name, paths, prefix=()):
    report = OUT / f"{name}.xml"
    command = [*prefix, "python3", "-B", "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}",
               "--durations=5", *paths]
    suite = Suite(name, command, by_junit(report))
    suite.report = report
    return suite


def in_rig(name, paths, kernel, timeout, options=(), nics=2):
    """A pytest run in a rig of its own."""
    return pytest(name, paths, ["scripts/rig", "run", "--kernel", kernel, "--nics", str(nics), "--timeout", str(timeout),
                                "--log", f"build/test/{name}.console", "--again", *options, "--"])


def soak(name, part, rounds, kernel, *first):
    """So many rounds of a part of tests/soak/, or of several, with commas between them."""
    return Suite(name, ["scripts/soak", part, rounds, kernel, *first], by_soaks, {"SOAK_AGAIN": "1"})


def with_packages(suite, *names):
    suite.packages = names
    return suite


def on_stock():
    """The trap, guests that mean no good, a real guest's memory, and whether a page that is not
    told of is missed."""
    return [soak("soak-trap", "trap", "3", "stock"),
            soak("soak-hostile", "hostile", "3", "stock"),
            soak("soak-guest-truth", "guest-truth", "1", "stock"),
            Suite("faults", ["bash", "-c", "! scripts/soak guest-truth 1 stock || ! scripts/soak guest-truth 1 stock"], by_finding,
                  {"FAULTS": "1"})]


def trap_on_debug():
    """Without the first round's guest, which takes minutes to come up there."""
    return soak("soak-trap-debug", "trap", "1", "debug", "1")


def hostile_on_debug():
    """A round for each transport."""
    return soak("soak-hostile-debug", "hostile", "3", "debug")


def suites(part):
    cargo = {"CARGO_TARGET_DIR": str(SRC / "build/target")}
    match part:
        # What needs no quiet machine. Compilers keep one core busy; what boots kernels waits often.
        case "quick":
            return [Beside(*suites("check"), *suites("kunit"), pytest("rig", ["tests/rig"]), *suites("unit"), *suites("fuzz"))]
        case "check":
            return [Suite("check", ["scripts/check"], by_pattern(SUMMARY))]
        case "unit":
            return [Suite("unit", ["cargo", "test", "--offline", "--locked"], by_pattern(CARGO), cargo),
                    with_packages(pytest("tools", ["tests/unit"]), PLOTS)]
        case "fuzz":
            return [Suite("fuzz", ["scripts/fuzz", "--seconds", "15"], by_inputs)]
        case "kunit":
            return [Suite("kunit", ["scripts/kunit"], by_pattern(SUMMARY))]
        case "system":
            return [
                Beside(
                    in_rig("system-debug", ON_DEBUG, "debug", 3600),
                    in_rig("system-stock", EVERYWHERE, "stock", 3600),
                    # The trap without its first round's guest, which takes minutes to come up there.
                    soak("soaks-debug", "updown,reload,trap", "4,3,1", "debug", "0,0,1"),
                    *suites("postcopy"),
                    *suites("truth"),
                    *on_stock(),
                    hostile_on_debug(),
                    # The cells by the raw uAPI; QEMU's take half a minute each.
                    soak("soak-cancel", "cancel", "15", "stock"),
                    soak("soak-mailbox", "mailbox", "2", "stock"),
                    soak("soak-forged", "forged", "1", "stock"),
                    in_rig("failures", ["tests/system/debug", "--ignore", QEMU_ON_DEBUG], "debug", 2400),
                    in_rig("provider-c", ["tests/system/provider_c"], "stock", 900, ["--nvme", "2"]),
                    # The driver's registers are written beside it; the kernel notices the hang.
                    in_rig("hang", ["tests/system/hang"], "stock", 600,
                           ["--append", "iomem=relaxed", "--expect", "NETDEV WATCHDOG: .* transmit queue 0 timed out"])),
                Suite("demo", ["scripts/demo"], by_status),
                # Guests in pairs.
                *suites("migration"),
            ]
        case "migration":
            return [in_rig("migration", ["tests/system/migration"], "stock", 1800, nics=3),
                    soak("soak-migrate", "migrate", "3", "stock")]
        case "truth":
            return [Suite("truth", ["scripts/truth", "", "scope", TRUTH_SEEDS], by_pattern(SUMMARY)),
                    Suite("truth-log", ["scripts/truth", "", "log", TRUTH_SEEDS_ON_DEBUG], by_pattern(SUMMARY))]
        # The last two take many minutes there.
        case "tracking":
            return [*on_stock(),
                    trap_on_debug(),
                    hostile_on_debug(),
                    in_rig("qemu-log", [QEMU_ON_DEBUG], "debug", 1800)]
        case "postcopy":
            return [Suite("postcopy", ["scripts/postcopy", POSTCOPY_SEEDS], by_pattern(SUMMARY)),
                    Suite("postcopy-debug", ["scripts/postcopy", POSTCOPY_SEEDS_ON_DEBUG, "", "", "debug"], by_pattern(SUMMARY))]
        # In-tree igb beside igb_rs, by the kernel's own tests: they have time limits of their own.
        case "netdev":
            return [Suite("netdev-selftests", ["scripts/netdev", "selftests"], by_pattern(SUMMARY)),
                    soak("soak-netdev", "netdev", "6", "debug")]
        case "guide":
            return [with_packages(in_rig("guide", ["tests/system/guide"], "stock", 3600),
                                  "libvirt-clients", "libvirt-daemon-system", "socat")]
        case "bench":
            # One round of what is quick: that the bench works, not what it measures.
            return [with_packages(Suite("bench", ["scripts/bench", "--rounds", "1", "--into", "build/test/bench",
                                                  *QUICK_BENCH], by_pattern(SUMMARY)), PLOTS)]
        case "thorough":
            return [in_rig("thorough", EVERYWHERE, "debug", 10000)]
        case _:
            return [named(part)]


PARTS = ("quick", "check", "unit", "fuzz", "kunit", "system", "migration", "truth", "postcopy", "tracking", "netdev", "guide",
         "bench", "thorough")


def named(name):
    """One suite of a part."""
    found = [suite for part in PARTS for suite in flat(suites(part)) if suite.name == name]
    if not found:
        raise SystemExit(f"test: no part or suite {name}: there is {', '.join(PARTS)}")
    return found[0]


def flat(entries):
    """All suites of a part."""
    for entry in entries:
        yield from entry.suites if isinstance(entry, Beside) else (entry,)


def main(parts):
    OUT.mkdir(parents=True, exist_ok=True)
    start, totals = time.monotonic(), []
    entries = [entry for part in parts for entry in suites(part)]
    for entry in entries:
        totals += entry.run() if isinstance(entry, Beside) else [(entry.name, *entry.run())]
    print()
    seconds = {suite.name: suite.seconds for suite in flat(entries)}
    for name, passed, failed in totals:
        print(f"{name:18} {passed:4} passed {failed:4} failed {seconds[name]:6.0f} s")
    passed, failed = sum(p for _, p, _ in totals), sum(f for _, _, f in totals)
    print(f"{time.monotonic() - start:.0f} s")
    # Last, for who sees no more than the end.
    for suite in flat(entries):
        for line in suite.failures[:MOST_FAILURES]:
            print(f"{suite.name}: {line[:LONGEST_FAILURE]}")
    print(f"{passed} passed, {failed} failed")
    return 0 if passed and not failed else 1


if __name__ == "__main__":
    if sys.argv[1:2] == ["--packages"]:
        print(*(name for part in sys.argv[2:] for suite in flat(suites(part)) for name in suite.packages))
        sys.exit(0)
    sys.exit(main(sys.argv[1:]))
