# SPDX-License-Identifier: GPL-2.0
"""What tracking does to a VF's traffic: of a stock guest with transport kvm; of a driver in
user space, which vfclient has, with region and fixed.

The goal is for a migration against none. QEMU's has KVM record what the guest's processors write,
too, which it also has when it is asked how fast its guest writes, and nobody tells the VF of
that: beside the goal stands what is left when that alone is on both sides."""

from pathlib import Path

import kept
import results
from conftest import MEDIATOR, SRC, Host
from rigtest import net, pci
from rigtest.client import vfclient
from rigtest.guest import GuestError
from rigtest.pci import wait_for
from rigtest.trapped import trapped_guest

NICS = 1
GOAL = 0.95
IDLE, VMM, TRACKED = "not migrating", "VMM's log alone", "tracked"
# Bytes of small datagrams; and of each load the unit, how many bit/s that is, and iperf3's options,
# out of the guest, or with -R into it.
SMALL = 64
TCP, UDP = ("Mbit/s", 1e6), ("packets/s", 8 * SMALL)
SMALL_IN = "UDP in, small"
LOADS = {"TCP out": (*TCP, ()), "TCP in": (*TCP, ("-R",)),
         "UDP out, small": (*UDP, ("-u", "-b", "0", "-l", SMALL)),
         SMALL_IN: (*UDP, ("-u", "-b", "0", "-l", SMALL, "-R"))}
# What the guest's driver received of the last load, beside what the program did: who is sent more than
# it can take has a driver that leaves its program little time.
BY_DRIVER = "UDP in, small, by the driver"
# Traffic that is not counted, after each change and before each sample: each page that the guest
# writes faults once while that is recorded.
WARM_UP_SECONDS, OMITTED_SECONDS, SECONDS = 2, 1, 2
# Bytes per second, so few that pre-copy does not end before the samples do, and that QEMU's thread
# for it takes no part of the processors worth mentioning.
BANDWIDTH = 1 << 14
# For how long QEMU measures how fast its guest writes, which no command ends: longer than the
# samples of one state take on a machine that does nothing else.
MEASURE_SECONDS = 40
CLIENT_TRANSPORTS = ("region", "fixed")
CLIENT_LOADS = {"rx_large": "in, 1514 bytes", "tx_large": "out, 1514 bytes",
                "rx_small": "in, 60 bytes", "tx_small": "out, 60 bytes"}
CLIENT_MS = 500
# What keeps the guest's samples, and how many guests the emulated processor may lose.
KEPT, MOST_LOST = "tracking", 3


def bits(trapped, options, seconds=SECONDS, omitted=OMITTED_SECONDS):
    """Bits per second of one load, as the program that receives sees them."""
    words = ("iperf3", "-J", "-c", trapped.pf.address, "-t", seconds, "-O", omitted, "--connect-timeout", "20000", *options)
    with net.iperf3_server(trapped.pf):
        return net.iperf3_rate(trapped.guest.run(" ".join(map(str, words)), timeout=seconds + 100))


def measures(trapped):
    """Whether QEMU measures how fast its guest writes."""
    return trapped.guest.qmp.command("query-dirty-rate")["status"] == "measuring"


def begin(trapped, state):
    """Has it that way."""
    if state == TRACKED:
        trapped.begin(BANDWIDTH)
    elif state == VMM:
        trapped.guest.qmp.command("calc-dirty-rate", calc_time=MEASURE_SECONDS, mode="dirty-bitmap")
    for options in ((), ("-R",)):
        bits(trapped, options, WARM_UP_SECONDS, 0)


def rates(trapped, load):
    """What comes through by one load, by what is counted."""
    _, one, options = LOADS[load]
    if load != SMALL_IN:
        return {load: bits(trapped, options) / one}
    netdev = trapped.guest.vf_netdev
    before = trapped.guest.received(netdev)
    found = {load: bits(trapped, options) / one}
    return found | {BY_DRIVER: (trapped.guest.received(netdev) - before) / (OMITTED_SECONDS + SECONDS)}


def sample(trapped, state):
    """{what: rate} of the guest in a state."""
    begin(trapped, state)
    found = {}
    for load in LOADS:
        found |= rates(trapped, load)
        if state == VMM and not measures(trapped):
            begin(trapped, state)
            found |= rates(trapped, load)
        still = trapped.debugfs("state") == "PRE_COPY", trapped.is_trapped(), measures(trapped)
        assert still == (state == TRACKED, state == TRACKED, state == VMM), f"{state}, after {load}: {still}"
    if state == TRACKED:
        trapped.cancel()
    wait_for(lambda: not measures(trapped), 2 * MEASURE_SECONDS, "the end of QEMU's measurement")
    return found


def rounds_of_one_guest(rounds, say, found):
    """Adds to `found` what is not there yet."""
    with trapped_guest(Host(), cpus=1) as trapped:
        for n in range(len(found[IDLE]), rounds):
            samples = {}
            # What drifts on the machine is not to be one state's.
            for state in list(found)[::-1 if n % 2 else 1]:
                samples[state] = sample(trapped, state)
                say(f"round {n + 1} of {rounds}, kvm, {state}: "
                    + ", ".join(f"{what} {rate:.1f}" for what, rate in samples[state].items()))
            for state, those in found.items():
                those.append(samples[state])
            kept.write(KEPT, found)


def by_guest(rounds, say):
    """({state: [{what: rate}] of each round}, what became of guests before), of a stock guest with
    transport kvm. A guest on an emulated processor may end for reasons of its own: then another."""
    found, lost = kept.read(KEPT) or {IDLE: [], TRACKED: [], VMM: []}, []
    while len(found[IDLE]) < rounds:
        try:
            rounds_of_one_guest(rounds, say, found)
        except GuestError as error:
            lost.append(" ".join(str(error).split()))
            say(f"a guest was lost: {lost[-1]}")
            if len(lost) > MOST_LOST:
                raise
    return found, lost


def by_client(rounds, say):
    """{transport: {state: [{load: packets per second}] of each round}}, of vfclient."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver("vfio-pci", SRC)
    pci.load_vfio_driver(MEDIATOR, SRC)
    vf, peer = host.make_vfs(host.nics[0], "igb_rs", 2)
    net.run("ip", "link", "set", host.nics[0].netdev, "up")
    peer.bind("vfio-pci")
    found = {transport: {IDLE: [], TRACKED: []} for transport in CLIENT_TRANSPORTS}
    for n in range(rounds):
        for transport, those in found.items():
            Path("/sys/module/vfio_pci_mediate/parameters/transport").write_text(transport)
            vf.bind(MEDIATOR)
            answer = vfclient("rates", vf, "--peer", peer, "--transport", transport, "--time", CLIENT_MS)
            vf.bind(None)
            assert answer["trapped_writes"] > 0, answer
            those[IDLE] += answer["off"]
            those[TRACKED] += answer["on"]
            say(f"round {n + 1} of {rounds}, {transport}, tracked against not: "
                + ", ".join(f"{load} {answer['on'][0][load] / answer['off'][0][load]:.2f}" for load in CLIENT_LOADS))
    host.clean()
    return found


def run(rounds, say):
    """The guest's rounds, then those of vfclient."""
    guest, lost = by_guest(rounds, say)
    return result(guest, by_client(rounds, say)) | {"lost_guests": lost}


def result(guest, client):
    """The part's report, of what `by_guest` and `by_client` have found."""
    def compared(found, what, other, unit, *goal):
        both = [results.side(state, [one[what] for one in found[state]]) for state in (TRACKED, other)]
        return results.part(unit, *both, *goal)
    units = {load: unit for load, (unit, *_) in LOADS.items()} | {BY_DRIVER: "packets/s"}
    whole, *others = [compared(guest, what, IDLE, unit, GOAL, results.AT_LEAST) | {"what": f"kvm: {what}"}
                      for what, unit in units.items()]
    also = [*others]
    also += [compared(guest, what, VMM, unit) | {"what": f"kvm: {what}"} for what, unit in units.items()]
    also += [compared(found, load, IDLE, "packets/s") | {"what": f"{transport}: {what}"}
             for transport, found in client.items() for load, what in CLIENT_LOADS.items()]
    # Better in one thing does not make up for another.
    return whole | {"also": also, "goal_met": all(one["goal_met"] for one in (whole, *others))}
