# SPDX-License-Identifier: GPL-2.0
"""The trap is there while a migration is under way and at no other time: exits are counted
by KVM itself, for a stock guest on unmodified QEMU; and it goes on and off a thousand times
without a packet being lost, while several processors ring doorbells.
"""

import json
import subprocess

from conftest import MEDIATOR, SRC
from rigtest import pci
from rigtest.client import vfclient
from rigtest.exits import WindowExits
from rigtest.trapped import trapped_guest

# The first round is the stock guest's; 20 rounds of 50 follow.
ROUNDS = 21
CYCLES = 50
# Longer than what one byte can say, and up to the longest that can be followed.
RINGS = (512, 1024, 2048, 4096)
PROCESSORS = 4
STOCK_ROUNDS = 3

ready = None


def round(host, n):
    global ready
    if n == 0:
        ready = None
        stock_guest(host)
        return
    if ready is None:
        ready = prepare(host)
    guest, peer = ready
    answer = vfclient("switch", guest, "--peer", peer, "--cycles", CYCLES, "--ring", RINGS[n % len(RINGS)],
                      "--processors", PROCESSORS, "--driver", ("igbvf", "dpdk")[n // len(RINGS) % 2], "--seed", n,
                      *(["--events"] if n % 2 else []), timeout=1800)
    print(f"round {n}: {json.dumps(answer)}", flush=True)
    assert answer["there"]["lost"] == answer["back"]["lost"] == 0


def stock_guest(host):
    """Exits on the window: none before, some during, none after."""
    with trapped_guest(host) as trapped, WindowExits(trapped.guest, trapped.vf) as exits:
        for number in range(STOCK_ROUNDS):
            before = exits.during(trapped.talk)
            trapped.begin()
            # The page is mapped by the first access, here and below.
            trapped.talk()
            during = exits.during(trapped.talk)
            trapped.cancel()
            trapped.talk()
            after = exits.during(trapped.talk)
            print(f"exits on the window, {number}: before {before}, during {during}, after {after}", flush=True)
            assert before.trapped == after.trapped == 0 == before.counted == after.counted
            assert during.trapped == during.counted > 0


def prepare(host):
    """The guest's VF and a peer, of one NIC."""
    host.clean()
    pci.load_vfio_driver("vfio-pci", SRC)
    pci.load_kvm()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=kvm")
    nic = host.nics[0]
    guest, peer = host.make_vfs(nic, "igb_rs", 2)
    guest.bind(MEDIATOR)
    peer.bind("vfio-pci")
    subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    return guest, peer


def finish(_host):
    global ready
    ready = None
