# SPDX-License-Identifier: GPL-2.0
"""Two NICs of one wire, each in a network namespace of its own.

Runs in the rig, as root. Everything is plain calls of the usual tools.
"""

import json
import os
import re
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
DRIVER = Path("/sys/bus/pci/drivers/igb_rs")


def run(*words, check=True, timeout=120):
    """Runs a command; answers its output."""
    done = subprocess.run(words, capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


def wait(condition, seconds=20, what="condition"):
    """Waits until `condition()` is true, and answers it."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = condition()
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"{what} not within {seconds} s")


def modules():
    """Folders of the modules for the running kernel."""
    build = ROOT / "build" / os.uname().release
    return build / "mediate/mediate.ko", build / "drivers/net/ethernet/vendor/igb_rs.ko"


def load():
    """Loads the driver, with what it depends on."""
    for module in modules():
        if not Path("/sys/module", module.stem).exists():
            run("insmod", str(module))


def unload():
    """Removes the driver; fails if something holds it."""
    for name in ("igb_rs", "mediate"):
        if Path("/sys/module", name).exists():
            run("rmmod", name)


def log():
    """The kernel's log."""
    return run("dmesg")


class Nic:
    """An interface of the driver, in a namespace."""

    def __init__(self, bdf, namespace):
        self.bdf = bdf
        self.namespace = namespace
        self.name = wait(self.find, what=f"interface of {bdf}")
        self.ip("link", "set", self.name, "netns", namespace, inside=False)
        self("sysctl", "-qw", "net.ipv6.conf.all.disable_ipv6=1", check=False)

    def find(self):
        """The interface's name, in the namespace that this process is in."""
        names = list((DRIVER / self.bdf / "net").glob("*"))
        return names[0].name if names else None

    def __call__(self, *words, **more):
        """Runs a command in the namespace."""
        return run("ip", "netns", "exec", self.namespace, *words, **more)

    def ip(self, *words, inside=True, **more):
        """Runs `ip`, in the namespace unless told otherwise."""
        return self("ip", *words, **more) if inside else run("ip", *words, **more)

    def popen(self, *words):
        """Starts a command in the namespace."""
        return subprocess.Popen(["ip", "netns", "exec", self.namespace, *words],
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def link(self):
        """What `ip` says of the interface, with statistics."""
        return json.loads(self("ip", "-j", "-s", "link", "show", self.name))[0]

    def counters(self):
        """What `ethtool -S` says."""
        found = re.findall(r"^ +(\w+): (\d+)$", self("ethtool", "-S", self.name), re.M)
        return {name: int(value) for name, value in found}

    def up(self, address=None):
        """Takes the interface up and waits for the carrier."""
        if address:
            self.ip("addr", "replace", address, "dev", self.name)
        self.ip("link", "set", self.name, "up")
        wait(lambda: "LOWER_UP" in self.link()["flags"], what=f"carrier of {self.name}")

    def down(self):
        """Takes the interface down."""
        self.ip("link", "set", self.name, "down")

    def ping(self, address, count=3, size=56, more=(), check=True):
        """Pings; answers how many packets came back."""
        out = self("ping", "-n", "-c", str(count), "-i", "0.2", "-W", "5", "-s", str(size),
                   *more, address, check=False)
        back = int(re.search(r"(\d+) received", out).group(1))
        assert not check or back == count, out
        return back

    def iperf(self, server, address, *options, seconds=3):
        """Runs iperf3 from here to `server`; answers bits per second as received."""
        listening = server.popen("iperf3", "-s", "-1", "-B", address)
        try:
            wait(lambda: address + ":5201" in server("ss", "-ltn"), what="iperf3")
            out = self("iperf3", "-J", "-c", address, "-t", str(seconds), *options,
                       timeout=seconds + 60)
        finally:
            listening.terminate()
            listening.wait()
        end = json.loads(out)["end"]
        return end.get("sum_received", end.get("sum"))["bits_per_second"]


class Wire:
    """The first two NICs that the driver has bound, up, as 10.9.0.1 and 10.9.0.2."""

    def __init__(self):
        load()
        bound = wait(lambda: sorted(p.name for p in DRIVER.glob("0000:*")), what="bound NICs")
        assert len(bound) >= 2, "run the rig with --nics 2"
        for name in ("left", "right"):
            run("ip", "netns", "del", name, check=False)
            run("ip", "netns", "add", name)
        self.left, self.right = (Nic(b, n) for b, n in zip(bound, ("left", "right")))
        self.left.up("10.9.0.1/24")
        self.right.up("10.9.0.2/24")

    def close(self):
        """Gives the interfaces back to where they were."""
        for name in ("left", "right"):
            run("ip", "netns", "del", name)
        # The interfaces come back from another context.
        wait(lambda: self.left.find() and self.right.find(), what="interfaces")
