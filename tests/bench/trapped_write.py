# SPDX-License-Identifier: GPL-2.0
"""One doorbell by a VM's processor while it is trapped, by vfclient: transport kvm
against fixed, which leaves the kernel for the VMM each time. And the least that any store costs
that leaves the guest."""

from pathlib import Path

import results
from conftest import MEDIATOR, SRC, Host
from rigtest import net, pci
from rigtest.client import vfclient

NICS = 1
GOAL = 0.25
DOORBELLS = 2000
TRANSPORTS = ("kvm", "fixed")
KEYS = ("running_ns", "tracked_ns", "port_ns", "emulated_ns")


def measure(vf, transport, rounds):
    """vfclient's answer with one transport."""
    parameter = Path("/sys/module/vfio_pci_mediate/parameters/transport")
    parameter.write_text(transport)
    vf.bind(MEDIATOR)
    answer = vfclient("doorbells", vf, "--count", DOORBELLS, "--rounds", rounds)
    vf.bind(None)
    return answer


def run(rounds, say):
    """Both transports in turn."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=auto")
    pci.load_kvm()
    vf = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    net.run("ip", "link", "set", host.nics[0].netdev, "up")
    found = {transport: {key: [] for key in KEYS} for transport in TRANSPORTS}
    for n in range(rounds):
        for transport, those in found.items():
            answer = measure(vf, transport, 1)
            for key in those:
                those[key] += answer[key]
            say(f"round {n + 1} of {rounds}, {transport}: {answer['running_ns'][0]:.0f} ns, "
                f"trapped {answer['tracked_ns'][0]:.0f} ns; an exit {answer['port_ns'][0]:.0f} ns, "
                f"with emulation {answer['emulated_ns'][0]:.0f} ns")
    host.clean()
    return result(found)


def result(found):
    """The part's report."""
    def both(key):
        return [results.side(transport, those[key]) for transport, those in found.items()]
    (trapped, fixed), passed = both("tracked_ns"), both("running_ns")[0]
    # Where the store goes makes no difference to these two.
    port, emulated = both("port_ns")[0], both("emulated_ns")[0]
    on_top = [results.side(transport, [whole - floor for whole, floor in zip(those["tracked_ns"], those["emulated_ns"])])
              for transport, those in found.items()]
    also = [results.part("ns", *both("running_ns")) | {"what": "not migrating"},
            results.part("ns", trapped | {"name": "trapped"}, passed | {"name": "passed through"})
            | {"what": "kvm: trapped against passed through"},
            results.part("ns", port | {"name": "a port"}, fixed) | {"what": "an exit that KVM alone handles"},
            results.part("ns", emulated | {"name": "memory"}, fixed) | {"what": "one for which it emulates the store"},
            results.part("ns", *on_top) | {"what": "what a trapped write costs on top of that"}]
    return results.part("ns", trapped, fixed, GOAL, also=also)
