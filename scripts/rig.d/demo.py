# SPDX-License-Identifier: GPL-2.0
"""The demo, inside the rig: a guest with a passed-through VF moves from one NIC
to another while the outside talks to it.

usage: scripts/rig run --nics 3 --vfs 4 --pf igb_rs --timeout 700 -- python3 scripts/rig.d/demo.py

Kernel, VMM and the guest's driver are unmodified. Prints what happens, with
times since the start, and writes build/demo/report.json and timeline.svg. Exit
status 0 means that the guest went on: same driver instance, addresses, VLAN and
TCP connection, and reached by everybody before and after.
"""

import argparse
import copy
import json
import os
import subprocess
import sys
import time
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

import timeline  # noqa: E402
from rigtest import move, probe  # noqa: E402
from rigtest.exits import WindowExits  # noqa: E402
from rigtest.flow import Flow  # noqa: E402
from rigtest.guest import QEMU, GuestError  # noqa: E402
from rigtest.stage import (GUEST_IP, GUEST_MAC, VLAN, VLAN_GUEST_IP, VLAN_OUTSIDE_IP,  # noqa: E402
                           Stage, link_identity)

OUT = SRC / "build/demo"
PROBE_MS = 5
# How long to look before the move and after it.
BEFORE_SECONDS, AFTER_SECONDS = 4, 3
# Gaps count until so long after completion.
COUNTED_SECONDS = 2
# After so long the guest has touched its VF's pages, each of which faults the first time.
TOUCHED_SECONDS = 1
ENOUGH = 4
# What a report says until it is known: whoever reads one need not ask how far the demo came.
UNKNOWN = {
    "passed": False, "guest_driver": None, "guest_kernel": None, "host_kernel": None, "vmm": None, "transport": None,
    "report_channel": "none", "dirty_tracking": False,
    "probes": {"interval_ms": PROBE_MS, "sent": None, "received": None, "lost": None}, "gaps_ms": [],
    "downtime_ms": None, "qemu_downtime_ms": None, "state_bytes": None, "phases_ms": {}, "tcp_alive": None,
    "driver_restarted": None, "iterations": [], "exits": {"before": None, "during": None, "after": None},
}
START = time.monotonic()


class Refused(Exception):
    """Something did not go on as it should have."""


def say(text):
    print(f"[{time.monotonic() - START:6.1f} s] {text}", flush=True)


def check(condition, what):
    if not condition:
        raise Refused(what)


def look_from_everywhere(stage, when):
    reached = stage.reached()
    say(f"{when}: of 5 pings answered: " + ", ".join(f"{name} {count}" for name, count in reached.items()))
    check(min(reached.values()) >= ENOUGH, f"{when}: not reached by everybody: {reached}")
    return reached


def start_guest(stage, place, report):
    guest = stage.enter_context(stage.guest("source", place))
    say(f"source: {report['vmm']} runs on VF {place.vf.address} ({place.vf.driver}), boots the packaged kernel")
    guest.wait_up()
    netdev = guest.vf_netdev
    report["guest_driver"] = guest.run(f"basename $(readlink /sys/class/net/{netdev}/device/driver)").strip()
    report["guest_kernel"] = guest.run("uname -r").strip()
    guest.run(f"modprobe 8021q; ip link add link {netdev} name vlan type vlan id {VLAN} && ip link set vlan up && "
              f"ip addr add {VLAN_GUEST_IP}/24 dev vlan")
    say(f"guest: kernel {report['guest_kernel']}, {netdev} driven by {report['guest_driver']} has {GUEST_IP} and, "
        f"in VLAN {VLAN}, {VLAN_GUEST_IP}")
    return guest


class Passes:
    """What the VF wrote and the trap saw in each of QEMU's passes over memory."""

    def __init__(self, place):
        self.place = place
        self.list = []
        self.last = self._counters()

    def _counters(self):
        return {"pages_reported": int(self.place.debugfs("dirty_pages")),
                "trapped_writes": int(self.place.debugfs("trapped_writes"))}

    def look(self):
        now = self._counters()
        self.list.append({name: count - self.last[name] for name, count in now.items()})
        self.last = now


def relocate(stage, source, here, place, report):
    """The migration, with probes and a TCP flow around it."""
    target = stage.enter_context(stage.guest("target", place, incoming=True))
    say(f"target: waits on VF {place.vf.address} of another NIC")
    with Flow(stage.outside, source) as flow, WindowExits(source, here.vf) as exits, \
            probe.Prober(GUEST_IP, PROBE_MS, stage.outside.name) as prober:
        time.sleep(TOUCHED_SECONDS)
        exits.start()
        time.sleep(BEFORE_SECONDS)
        before = exits.stop()
        say(f"TCP: {flow.bytes_since(0) / 1e6:.1f} MB so far; migrates now")
        passes = Passes(here)
        exits.start()
        moved = move.migrate(source, target, look=passes.look, downtime_limit=report["downtime_limit_ms"])
        passes.look()
        during = exits.stop()
        report["iterations"] = passes.list
        say(f"migrated in {moved.end - moved.begin:.1f} s, {len(passes.list)} passes over memory")
        time.sleep(TOUCHED_SECONDS)
        exits.start()
        time.sleep(AFTER_SECONDS)
        after = exits.stop()
        report["tcp_alive"] = flow.alive(moved.end)
    report["exits"] = {"before": before.counted, "during": during.counted, "after": after.counted}
    say("exits on the VF's doorbells: " + ", ".join(f"{when} {count}" for when, count in report["exits"].items()))
    gaps = probe.gaps(prober.answers, moved.begin, moved.end + COUNTED_SECONDS)
    report["probes"] = prober.counts()
    report["gaps_ms"] = sorted((round(ms, 1) for ms in gaps.long), reverse=True)
    report["usual_gap_ms"] = round(gaps.usual, 2)
    report["downtime_ms"] = round(gaps.downtime, 1)
    report["qemu_downtime_ms"] = moved.info["downtime"]
    report["phases_ms"] = moved.phases()
    timeline.draw(OUT / "timeline.svg", moved, prober, gaps, flow)
    say(f"probes: {report['probes']['received']} of {report['probes']['sent']} answered; usual gap "
        f"{report['usual_gap_ms']} ms; downtime {report['downtime_ms']} ms in {len(gaps.long)} gaps, "
        f"QEMU's own {report['qemu_downtime_ms']} ms")
    say("phases: " + ", ".join(f"{name} {ms} ms" for name, ms in report["phases_ms"].items()))
    check(report["tcp_alive"], f"the TCP connection did not go on: {flow.errors}")
    if report["transport"] == "kvm":
        check(during.counted > 0 and before.counted == after.counted == 0, "the trap was not there for the move alone")
    return target


def demo(transport, report):
    with Stage(SRC, transport=transport) as stage:
        first, second = stage.nics[:2]
        say(f"host: NIC 0 {first.address}, NIC 1 {second.address}, PF driver {first.driver}; outside: {stage.nics[2].address}")
        here, there = stage.place(0, 0), stage.place(1, 3)
        source = start_guest(stage, here, report)
        report["transport"] = here.debugfs("transport")
        report["reached_before"] = look_from_everywhere(stage, "before")
        before = link_identity(source)
        check(before["mac"] == GUEST_MAC, f"the guest has another MAC: {before['mac']}")
        target = relocate(stage, source, here, there, report)
        report["state_bytes"] = int(here.debugfs("state_bytes"))
        report["pages_reported"] = int(here.debugfs("dirty_pages"))
        report["trapped_writes"] = int(here.debugfs("trapped_writes"))
        report["dirty_tracking"] = report["pages_reported"] > 0
        report["report_channel"] = "scope" if report["dirty_tracking"] else "none"
        say(f"source: {report['trapped_writes']} writes trapped, {report['pages_reported']} pages reported as written")
        check(report["dirty_tracking"], "no page was reported as written by the VF")
        source.leave()
        say("source: has quit")
        report["reached_after"] = look_from_everywhere(stage, "after")
        check(stage.outside.ping(VLAN_GUEST_IP) >= ENOUGH, f"not reached in VLAN {VLAN} ({VLAN_OUTSIDE_IP} asked)")
        after = link_identity(target)
        report["driver_restarted"] = before != after
        say(f"guest: the driver {'started anew' if before != after else 'has noticed nothing'}: {after}")
        check(before == after, f"the driver started anew: {before} then {after}; the guest's log:\n"
              + target.run("dmesg | tail -n 20"))
        clean = target.stop()
        say("guest: powered off" if clean else "guest: had to be ended by force")
    return clean and report["guest_driver"] == "igbvf"


def write(report):
    out = OUT / "report.json"
    out.write_text(json.dumps(report, indent=2) + "\n")
    return out


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", default="auto")
    parser.add_argument("--downtime-limit", type=int, default=300, help="QEMU's, in milliseconds")
    options = parser.parse_args()
    if "MEDIATE_IN_RIG" not in os.environ:
        parser.error("this runs inside the rig; see the usage line at its head")
    report = copy.deepcopy(UNKNOWN) | {"host_kernel": os.uname().release, "downtime_limit_ms": options.downtime_limit}
    say(f"host: kernel {report['host_kernel']}")
    OUT.mkdir(parents=True, exist_ok=True)
    # Whatever ends this, an earlier run's report must not be taken for this one's.
    write(report)
    try:
        version = subprocess.run([QEMU, "--version"], capture_output=True, text=True, check=True).stdout
        report["vmm"] = version.splitlines()[0]
        report["passed"] = demo(options.transport, report)
    except (Refused, GuestError, AssertionError, TimeoutError, OSError, RuntimeError, ValueError,
            subprocess.SubprocessError, IndexError) as error:
        report["error"] = f"{type(error).__name__}: {error}"
        say(f"failed: {report['error']}")
    report["seconds"] = round(time.monotonic() - START, 1)
    out = write(report)
    say(f"{'it works' if report['passed'] else 'it does NOT work'}; report in {out.relative_to(SRC)}")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
