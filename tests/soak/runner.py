# SPDX-License-Identifier: GPL-2.0
"""Run soak parts inside the rig, one after the other: `round(host, n)` of tests/soak/PART.py, many
times, and `finish(host)`, if it has that, before what it left is cleaned up;
`report()`, if it has that, tells of all rounds at the end. A round that failed while
the emulated processor lost a guest (Documentation/rig.rst) runs once more, and is counted.
Writes build/soak/PART.json and exits non-zero on any failed round. With FAULTS=1 the
modules are those that do wrong, and the file is build/soak/PART-faults.json."""

import argparse
import importlib
import itertools
import json
import os
import sys
import time
import traceback
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SRC / "tests/soak"), str(SRC / "tests/system")]

from rigtest import emulated  # noqa: E402

PROGRESS_SECONDS = 30
# What the kernel may hold more of after the last round than after the first one:
# its own caches move by some MiB. A ring that is lost in each round is far beyond;
# for what is small there is kmemleak, on the debug kernel.
MOST_GROWTH = 16 << 20


def kept_free_bytes():
    """Free pages that the CPUs keep for themselves: MemFree is without them, and with
    two CPUs they are some ten MiB more or less from one moment to the next."""
    rows = (line.split() for line in Path("/proc/zoneinfo").read_text().splitlines())
    return os.sysconf("SC_PAGE_SIZE") * sum(int(row[1]) for row in rows if row[:1] == ["count:"])


def kernel_bytes():
    """Memory that is neither free nor of processes nor a cache of files."""
    Path("/proc/sys/vm/drop_caches").write_text("3")
    rows = (line.split() for line in Path("/proc/meminfo").read_text().splitlines())
    values = {row[0].rstrip(":"): int(row[1]) for row in rows}
    others = ("MemFree", "Buffers", "Cached", "AnonPages", "SReclaimable")
    return 1024 * (values["MemTotal"] - sum(values[name] for name in others)) - kept_free_bytes()


def finished(part, host):
    """End what rounds have left open; 1 if that shows a failure."""
    try:
        getattr(part, "finish", lambda _: None)(host)
    except Exception:
        print(f"the end failed:\n{traceback.format_exc()}", flush=True)
        return 1
    return 0


def attempt(part, host, n):
    """Run round n; answers how many failures it showed."""
    try:
        part.round(host, n)
    except Exception:
        print(f"round {n} failed:\n{traceback.format_exc()}", flush=True)
        failures = 1 + finished(part, host)
        host.clean()
        return failures
    return 0


def run_round(part, host, n):
    """Run round n, once more if a guest was lost that the part could not have kept;
    answers how many failures there are, and whether it ran again."""
    lost = emulated.lost()
    failures = attempt(part, host, n)
    if not failures or emulated.lost() == lost:
        return failures, False
    print(f"round {n}: runs once more, the emulated processor lost a guest", flush=True)
    return attempt(part, host, n), True


def numbers(text):
    """What a part each is said of, None of which nothing is."""
    return [int(word) if word else None for word in text.split(",")]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", type=lambda text: text.split(","))
    parser.add_argument("--rounds", type=numbers, default=[], help="of each part, with commas between them")
    parser.add_argument("--first", type=numbers, default=[], help="number of each first round: for a long count in pieces")
    parser.add_argument("--kernel", required=True)
    parser.add_argument("--commit", required=True)
    options = parser.parse_args()

    from conftest import Host
    host = Host()
    host.clean()
    parts = list(itertools.zip_longest(options.parts, options.rounds, options.first))
    return 0 if all([soak(host, name, rounds, begin or 0, options) for name, rounds, begin in parts]) else 1


def soak(host, name, rounds, begin, options):
    """Run so many rounds of a part, or as many as it has, from round `begin` on; answers whether it passed."""
    part = importlib.import_module(name.replace("-", "_"))
    rounds = rounds or part.ROUNDS
    start = shown = time.monotonic()
    failures = repeated = growth = first = 0
    for n in range(begin, begin + rounds):
        failed, again = run_round(part, host, n)
        failures, repeated = failures + failed, repeated + again
        done = n + 1 - begin
        if done == 1:
            first = kernel_bytes()
        if time.monotonic() - shown > PROGRESS_SECONDS or done == rounds:
            shown, growth = time.monotonic(), kernel_bytes() - first
            print(f"{name}: {done} of {rounds} rounds, {failures} failed, {shown - start:.0f} s, "
                  f"{growth >> 10} KiB more memory used", flush=True)
    failures += finished(part, host)
    host.clean()
    getattr(part, "report", lambda: None)()
    if growth > MOST_GROWTH:
        failures += 1
        print(f"memory is lost: {growth} bytes", flush=True)
    result = {"part": name, "first": begin, "rounds": rounds, "failures": failures, "repeated": repeated,
              "growth": growth, "seconds": round(time.monotonic() - start, 1),
              "kernel": options.kernel, "commit": options.commit, "passed": failures == 0}
    suffix = "-faults" if os.environ.get("FAULTS") == "1" else ""
    out = SRC / "build/soak" / f"{name}{suffix}.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=2) + "\n")
    print(f"soak: {'passed' if result['passed'] else 'FAILED'}: {out.relative_to(SRC)}", flush=True)
    return result["passed"]


if __name__ == "__main__":
    sys.exit(main())
