# SPDX-License-Identifier: GPL-2.0
"""The demo, inside the rig: a guest on a passed-through VF talks to the PF.

usage: scripts/rig run --nics 1 --vfs 2 --timeout 300 -- python3 scripts/rig.d/demo.py [--driver NAME]

The VMM and the guest's driver are unmodified. Prints what happens, with times
since the start, and writes build/demo/report.json. Exit status 0 means that
the guest and the host really exchanged packets through the VF.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

from rigtest import pci  # noqa: E402
from rigtest.guest import QEMU, Guest, GuestError  # noqa: E402

HOST_IP, GUEST_IP = "192.0.2.1", "192.0.2.2"
PINGS = 10
START = time.monotonic()


def say(text):
    print(f"[{time.monotonic() - START:6.1f} s] {text}", flush=True)


def local(*words, timeout=60):
    done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=timeout)
    return done.returncode, done.stdout


def parse_ping(text):
    """{sent, received, rtt_ms} of a ping, iputils or busybox; rtt_ms is the average."""
    counts = re.search(r"(\d+) packets transmitted, (\d+)(?: packets)? received", text)
    rtt = re.search(r"= [\d.]+/([\d.]+)/", text)
    if not counts:
        return {"sent": 0, "received": 0, "rtt_ms": None}
    return {"sent": int(counts[1]), "received": int(counts[2]), "rtt_ms": float(rtt[1]) if rtt else None}


def told(ping):
    return f"{ping['received']} of {ping['sent']} answered" + (f", {ping['rtt_ms']} ms on average" if ping["rtt_ms"] else "")


def throughput(guest, reverse):
    """Mbit/s of three seconds of iperf3, or None: a measure, no condition."""
    command = f"iperf3 -c {HOST_IP} -t 3 --connect-timeout 5000 -J" + (" -R" if reverse else "")
    try:
        status, text = guest.try_run(command, 60)
        return round(json.loads(text)["end"]["sum_received"]["bits_per_second"] / 1e6, 1) if status == 0 else None
    except (TimeoutError, ValueError, KeyError):
        return None


def set_up_host(driver):
    pf = pci.pfs()[0]
    netdev = pf.netdev
    if netdev is None:
        raise GuestError(f"the PF {pf.address} ({pf.driver}) has no network device")
    subprocess.run(["ip", "addr", "replace", f"{HOST_IP}/24", "dev", netdev], check=True)
    subprocess.run(["ip", "link", "set", netdev, "up"], check=True)
    say(f"host: PF {pf.address}, driver {pf.driver}, {netdev} has {HOST_IP}/24, {len(pf.vfs)} VFs")
    pci.load_vfio_driver(driver, SRC)
    pci.load_kvm()
    vf = pf.vfs[0]
    vf.bind(driver)
    say(f"host: VF {vf.address}, IOMMU group {vf.iommu_group}, bound to {vf.driver}")
    return vf


def exchange(guest, report):
    to_host = guest.try_run(f"ping -c {PINGS} -i 0.2 -w 20 {HOST_IP}")[1]
    report["ping"] = parse_ping(to_host)
    say(f"ping guest → PF: {told(report['ping'])}")
    report["ping_from_host"] = parse_ping(local("ping", "-c", str(PINGS), "-i", "0.2", "-w", "20", GUEST_IP)[1])
    say(f"ping PF → guest: {told(report['ping_from_host'])}")
    # The first packet may be lost to address resolution on a slow machine.
    enough = PINGS - 1
    if min(report["ping"]["received"], report["ping_from_host"]["received"]) < enough:
        return False
    server = subprocess.Popen(["iperf3", "-s", "-B", HOST_IP], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(0.5)
        report["iperf3_mbit"] = {"to_host": throughput(guest, False), "to_guest": throughput(guest, True)}
    finally:
        server.kill()
        server.wait()
    rates = report["iperf3_mbit"]
    say(f"iperf3, 3 s each way: guest → PF {rates['to_host']} Mbit/s, PF → guest {rates['to_guest']} Mbit/s (all emulated)")
    return True


def demo(driver, report):
    vf = set_up_host(driver)
    report["vfio_driver"] = vf.driver
    with Guest("demo", vf=vf, ip=f"{GUEST_IP}/24") as guest:
        say(f"guest: {report['vmm']} runs, boots the packaged kernel")
        guest.wait_console("guest: agent on")
        say("guest: user space runs")
        guest.wait_up()
        netdev = guest.vf_netdev
        report["guest_driver"] = guest.run(f"basename $(readlink /sys/class/net/{netdev}/device/driver)").strip()
        report["guest_kernel"] = guest.run("uname -r").strip()
        say(f"guest: kernel {report['guest_kernel']}, {netdev} driven by {report['guest_driver']} has {GUEST_IP}/24 and a link")
        worked = exchange(guest, report)
        clean = guest.stop()
        say("guest: powered off" if clean else "guest: had to be ended by force")
    return worked and clean and report["guest_driver"] == "igbvf"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--driver", default="vfio-pci", choices=("vfio-pci", "vfio_pci_mediate"))
    options = parser.parse_args()
    if "MEDIATE_IN_RIG" not in os.environ:
        parser.error("this runs inside the rig; see the usage line at its head")
    report = {"passed": False, "guest_driver": None, "guest_kernel": None, "host_kernel": os.uname().release,
              "vmm": local(QEMU, "--version")[1].splitlines()[0], "vfio_driver": None,
              "ping": {"sent": 0, "received": 0, "rtt_ms": None}}
    say(f"host: kernel {report['host_kernel']}")
    try:
        report["passed"] = demo(options.driver, report)
    except (GuestError, TimeoutError, OSError, subprocess.SubprocessError, IndexError) as error:
        report["error"] = str(error)
        say(f"failed: {error}")
    report["seconds"] = round(time.monotonic() - START, 1)
    out = SRC / "build/demo/report.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n")
    say(f"{'it works' if report['passed'] else 'it does NOT work'}; report in {out.relative_to(SRC)}")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
