# SPDX-License-Identifier: GPL-2.0
"""The pure logic natively, by criterion: nanoseconds of a descriptor's harvest against
a copy of the same bytes, and of a state's save and load."""

import json
import os
import re
import subprocess

from runner import SRC

import results

# No rig: natively.
NICS = 0
GOAL = 3.0
# Of the ring that is harvested; one descriptor is never the device's.
DESCRIPTORS = 255
SECONDS = "1"
TARGET = SRC / "build/target"
CRITERION = SRC / "build/bench/criterion"
NAMES = ("harvest", "copy", "retire", "save", "load")


def once():
    """Name → nanoseconds, and the size of a state."""
    done = subprocess.run(
        ["cargo", "bench", "--quiet", "--offline", "--locked", "-p", "native-bench", "--target-dir", TARGET, "--",
         "--warm-up-time", "0.5", "--measurement-time", SECONDS], cwd=SRC, capture_output=True, text=True,
        env=os.environ | {"CRITERION_HOME": str(CRITERION)})
    if done.returncode:
        raise RuntimeError(f"cargo bench ended with {done.returncode}: {done.stderr[-500:]}")
    text = done.stdout
    size = int(re.search(r"^state: (\d+) bytes", text, re.M).group(1))
    return {name: json.loads((CRITERION / f"{name}/new/estimates.json").read_text())["median"]["point_estimate"]
            for name in NAMES}, size


def run(rounds, say):
    """All of them in turn, so many times."""
    found = []
    for n in range(rounds):
        nanoseconds, size = once()
        found.append(nanoseconds)
        say(f"round {n + 1} of {rounds}: " + ", ".join(f"{name} {ns:.1f} ns" for name, ns in nanoseconds.items()))
    return result(found, size)


def result(found, size):
    """The part's report."""
    def each(name, count=DESCRIPTORS):
        return results.side(name, [one[name] / count for one in found])
    also = [results.part("ns/descriptor", each("retire"), each("copy")) | {"what": "retire"}]
    also += [results.part("ns", each(name, 1)) | {"what": f"{name} of a state", "bytes": size} for name in ("save", "load")]
    return results.part("ns/descriptor", each("harvest"), each("copy"), GOAL, also=also, state_bytes=size)
