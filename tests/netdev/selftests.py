# SPDX-License-Identifier: GPL-2.0
"""The kernel's own tests of network drivers, unmodified: by in-tree igb, and by igb_rs.

    scripts/rig run --nics 2 --timeout 7200 -- python3 -B tests/netdev/selftests.py [PROGRAM]...

The first NIC is the one that is tested; the second, always driven by igb, is at the
other end of the wire. Prints both results of each test side by side, writes
build/netdev/selftests.json, and fails if igb_rs does not pass where igb does.
"""

import argparse
import json
import os
import re
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SRC / "tests/system"), str(SRC / "tests/netdev")]

from conftest import Host
from ksft import ALL, LEFT_OUT, LIMITS, PAIR, PROGRAMS, results
from rigtest.net import run
from rigtest.pci import modprobe

FOLDER = Path(os.environ["MEDIATE_CACHE"], "netdev-selftests/source/tools/testing/selftests")
OUT = SRC / "build/netdev"
DRIVERS = ("igb", "igb_rs")
REMOTE = "remote"
V4, V6 = ("192.0.2.1", "192.0.2.2"), ("2001:db8::1", "2001:db8::2")


class Rig:
    """Two NICs on a wire, the first one bound anew for each program."""

    def __init__(self, host):
        self.nic, self.far = host.nics
        self.far.bind("igb")
        # It keeps its name wherever it is.
        self.far_name = self.far.netdev

    def prepare(self, driver, kind):
        """Names of both interfaces, as programs of a kind want to find them."""
        self.nic.bind(None)
        self.nic.bind(driver)
        name = self.nic.netdev
        if kind == PAIR:
            self.bring_home()
            run("ip", "link", "set", self.far_name, "up")
        else:
            self.send_away()
        if kind != ALL:
            run("ip", "link", "set", name, "up")
            self.nic.wait_carrier(30)
        return name

    def send_away(self):
        """The far interface has its addresses, in a namespace of its own."""
        self.bring_home()
        run("ip", "netns", "add", REMOTE)
        run("ip", "link", "set", self.far_name, "netns", REMOTE)
        for words in (("link", "set", "lo", "up"), ("link", "set", self.far_name, "up"),
                      ("addr", "add", f"{V4[1]}/24", "dev", self.far_name),
                      ("addr", "add", f"{V6[1]}/64", "dev", self.far_name, "nodad")):
            run("ip", "-n", REMOTE, *words)

    def bring_home(self):
        if REMOTE in run("ip", "netns", "list"):
            # A program may have left something running, and the namespace would live for as long.
            for pid in run("ip", "netns", "pids", REMOTE).split():
                run("kill", "-9", pid, check=False)
            run("ip", "-n", REMOTE, "link", "set", self.far_name, "netns", "1")
            run("ip", "netns", "del", REMOTE)


def environment(name):
    """What README.rst of the tests asks for."""
    return {"NETIF": name, "LOCAL_V4": V4[0], "REMOTE_V4": V4[1], "LOCAL_V6": V6[0], "REMOTE_V6": V6[1],
            "REMOTE_TYPE": "netns", "REMOTE_ARGS": REMOTE, "KSFT_MACHINE_SLOW": "yes", "NO_COLOR": "1",
            "PYTHONDONTWRITEBYTECODE": "1"}


def outcome(rig, program, driver, log):
    """{test: result} of one program by one driver."""
    kind = PROGRAMS[program]
    name = rig.prepare(driver, kind)
    path = FOLDER / program
    words = [path.resolve(), *((name, rig.far_name) if kind == PAIR else ())]
    env = os.environ | environment(name)
    if kind in (PAIR, ALL):
        del env["NETIF"]
    else:
        run("ip", "addr", "add", f"{V4[0]}/24", "dev", name)
        run("ip", "addr", "add", f"{V6[0]}/64", "dev", name, "nodad")
    seconds = LIMITS.get(program, LIMITS[None])
    with open(log, "wb") as file:
        # SIGTERM lets a test undo what it did.
        status = subprocess.run(["timeout", "-k", "30", str(seconds), *words], cwd=path.parent, env=env, stdin=subprocess.DEVNULL,
                                stdout=file, stderr=subprocess.STDOUT).returncode
    text = log.read_text(errors="replace")
    return results(text, status, {name: "DEV", rig.far_name: "FAR"})


def compared(rig, program):
    """Rows of one program: what each driver made of each test. Where igb_rs is worse it
    has a second try, as on a machine of this speed tests with a time limit need one."""
    name = program.replace("/", "-")
    sides = {driver: outcome(rig, program, driver, OUT / f"{name}.{driver}.log") for driver in DRIVERS}
    if any(is_worse(sides, test) for test in sides["igb"]):
        again = outcome(rig, program, "igb_rs", OUT / f"{name}.igb_rs-again.log")
        for test, result in again.items():
            if sides["igb_rs"].get(test) != "ok" and result == "ok":
                sides["igb_rs"][test] = "ok, 2nd try"
    rows = []
    for test in dict.fromkeys(test for side in sides.values() for test in side):
        row = {"program": program, "test": test} | {driver: sides[driver].get(test, "-") for driver in DRIVERS}
        row["worse"] = is_worse(sides, test)
        row["left out"] = reason(f"{program}:{test}") if row["worse"] else None
        rows.append(row)
    return rows


def is_worse(sides, test):
    """Whether igb passes a test that igb_rs does not."""
    return sides["igb"].get(test) == "ok" and not sides["igb_rs"].get(test, "-").startswith("ok")


def reason(name):
    """Why igb_rs need not pass a test, if there is a reason."""
    return next((why for pattern, why in LEFT_OUT.items() if re.fullmatch(pattern, name)), None)


def unused(rows):
    """Reasons, of programs that ran, that are none any more."""
    worse = [f"{row['program']}:{row['test']}" for row in rows if row["worse"]]
    ran = {row["program"] for row in rows}
    return [pattern for pattern in LEFT_OUT
            if pattern.split(":")[0] in ran and not any(re.fullmatch(pattern, name) for name in worse)]


def show(rows):
    for row in rows:
        note = f"  left out: {row['left out']}" if row["left out"] else "  WORSE" if row["worse"] else ""
        print(f"  {row['igb']:12} {row['igb_rs']:12} {row['test']}{note}", flush=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("programs", nargs="*", default=list(PROGRAMS))
    options = parser.parse_args()
    OUT.mkdir(parents=True, exist_ok=True)
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    modprobe("igb")
    rig = Rig(host)
    rows = []
    print(f"  {'igb':12} {'igb_rs':12} test")
    for program in options.programs:
        print(program, flush=True)
        new = compared(rig, program)
        show(new)
        rows += new
    rig.bring_home()
    host.clean()
    worse = [row for row in rows if row["worse"] and not row["left out"]]
    stale = unused(rows)
    passed = sum(row["igb_rs"].startswith("ok") for row in rows)
    by_igb = sum(row["igb"] == "ok" for row in rows)
    out = OUT / "selftests.json"
    out.write_text(json.dumps({"kernel": os.uname().release, "passed": not worse and not stale and by_igb > 0,
                               "rows": rows}, indent=2) + "\n")
    for row in worse:
        print(f"worse than igb: {row['program']}: {row['test']}")
    for pattern in stale:
        print(f"passes, and yet is left out: {pattern}")
    print(f"of {len(rows)} tests igb passes {by_igb}, igb_rs {passed}; {out.relative_to(SRC)}")
    print(f"netdev: {passed} passed, {len(worse) + len(stale)} failed")
    return 0 if by_igb and not worse and not stale else 1


if __name__ == "__main__":
    sys.exit(main())
