# SPDX-License-Identifier: GPL-2.0
"""Hostile guests while their doorbells are trapped, on each transport in turn: rings that
are nowhere, crooked, without end or rewritten all the time, and random writes of registers
by several processors at once. A doorbell takes a bounded time, whatever it finds, and
neither the host nor a neighbour VF notices.
"""

import json
import subprocess

from conftest import MEDIATOR, SRC
from rigtest import pci
from rigtest.client import vfclient

# 10 rounds for each transport are 100,000 writes.
TRANSPORTS = ("kvm", "region", "fixed")
ROUNDS = 10 * len(TRANSPORTS)
WRITES = 10_000
RINGS = 2
# Where rings point to what is not mapped, the VF does what it is told to.
EXPECT = r"DMAR: (DRHD: handling fault|\[DMA (Read|Write))"

slowest = {}


def prepare(host, transport):
    """The hostile guest's VF, one that sends it packets, and a neighbour."""
    host.clean()
    pci.load_vfio_driver("vfio-pci", SRC)
    pci.load_kvm()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, f"transport={transport}")
    nic = host.nics[0]
    hostile, peer, neighbour = host.make_vfs(nic, "igb_rs", 3)
    hostile.bind(MEDIATOR)
    for vf in (peer, neighbour):
        vf.bind("vfio-pci")
    subprocess.run(["ip", "link", "set", nic.netdev, "mtu", "9000", "up"], check=True)
    nic.wait_carrier()
    return hostile, peer, neighbour


def round(host, n):
    transport = TRANSPORTS[n % len(TRANSPORTS)]
    hostile, peer, neighbour = prepare(host, transport)
    answer = vfclient("hostile", hostile, "--peer", peer, "--neighbour", neighbour, "--transport", transport,
                      "--rounds", RINGS, "--writes", WRITES, "--seed", n + 1, timeout=1800)
    for case, microseconds in answer["slowest_us"].items():
        slowest[case] = max(slowest.get(case, 0), microseconds)
    print(f"round {n}: {json.dumps(answer)}", flush=True)


def report():
    for case, microseconds in sorted(slowest.items(), key=lambda item: item[1]):
        print(f"slowest doorbell, {case}: {microseconds / 1000:.1f} ms", flush=True)
