# SPDX-License-Identifier: GPL-2.0
"""Everything that can come between a migration's begin and its end, at every
phase at which it can: after each the guest goes on, here or there, or starts
anew; the VF is passed through again, and can be moved.

A round is a cell of the table. The whole matrix is printed at the end, with the
reason for each cell that cannot happen.
"""

import contextlib
import re
import time
from dataclasses import dataclass
from typing import Callable

from conftest import SRC
from rigtest import mailbox, move
from rigtest.client import vfclient
from rigtest.held import FAST, LANDED, P2P, PHASES, PRECOPY, RESUMING, SETUP, STOPCOPY, HeldMove
from rigtest.mailbox import granted
from rigtest.migration import MAGIC, STATE, S, record
from rigtest.pair import Pair, refusal
from rigtest.pci import wait_for
from rigtest.qmp import QmpError
from rigtest.relay import Cut, CutAt, Flip
from rigtest.stage import GUEST_IP, MEDIATOR, Place, Stage

NICS = 3
HERE, THERE, ANEW = "goes on here", "goes on there", "starts anew"
VLAN_OF_ANOTHER = 77
JUMBO = 9018
# Patterns in QEMU's stream, and their lengths: the first bytes of the mediator's; and
# some of the VF's final state, which begins a piece that QEMU has marked as data.
BEGIN = re.escape(MAGIC), len(MAGIC)
FINAL = rb"\xff\xff\xff\xff\xef\x10\x00\x04.{8}" + re.escape(record(STATE, b"")[:4]) + b".{40}", 60
LATE = 180
# MiB of a guest: all of it is sent in each move.
MEMORY = 160


# What happens to a guest that QEMU moves. Each answers what became of it.

def cancel(held):
    held.source.qmp.command("migrate_cancel")
    if held.phase == SETUP:
        # QEMU's connect() blocks, and is not broken off: it says `cancelling` until it ends.
        held.relay.close()
    assert held.ended() == "cancelled"
    return HERE


def target_killed(held):
    held.target.kill()
    if held.phase == LANDED:
        # It had all of the guest; the source has kept it, stopped.
        held.source.qmp.command("cont")
        return HERE
    with contextlib.suppress(QmpError):
        # It may have failed by now.
        held.release()
    assert held.ended() == "failed"
    return HERE


def source_killed(held):
    held.source.kill()
    if held.phase == LANDED:
        held.target.qmp.command("cont")
        return THERE
    held.close()
    if held.phase == SETUP:
        # It waits for another source.
        held.target.kill()
        return ANEW
    wait_for(lambda: held.target.process.poll() is not None, LATE, "the target's end")
    assert held.target.process.returncode != 0
    return ANEW


def refused(held):
    held.release()
    assert held.ended() == "failed"
    return HERE


def in_the_guest(command):
    """Something the guest does meanwhile, which the migration survives."""
    def event(held):
        held.source.run(command.format(net=held.source.vf_netdev), timeout=LATE)
        held.release()
        ended = held.ended()
        assert ended == "completed", held.why()
        return THERE
    return event


def after_a_reset(happens):
    """A reset of the VF by its VMM: the migration ends if the VF takes part in it."""
    def event(held):
        happens(held)
        held.release()
        ended = held.ended()
        assert ended == ("completed" if held.phase == SETUP else "failed"), held.why()
        return THERE if ended == "completed" else HERE
    return event


def reboot(held):
    # The guests' QEMU is told to end instead; the target's, too, as the BIOS, once it finds
    # that it has run before, asks for another reset, and may have moved by then.
    for side in (held.source, held.target):
        side.qmp.command("set-action", reboot="reset")
    held.source.qmp.command("system_reset")


def reboot_landed(held):
    held.target.qmp.command("set-action", reboot="reset")
    held.target.qmp.command("system_reset")
    held.target.qmp.command("cont")
    return THERE


DEVICE = "$(readlink -f /sys/class/net/{net}/device)"
IFDOWN_UP = "ip link set {net} down; ip link set {net} up"
MTU = "ip link set {net} mtu 1400; ip link set {net} mtu 1500"
# The driver goes down and up with another ring, which writes VTCTRL.
VTCTRL_RESET = "ethtool -G {net} rx 128; ethtool -G {net} rx 256"
FLR = ("d=" + DEVICE + "; a=$(basename $d); echo $a >$d/driver/unbind; echo 1 >$d/reset; "
       f"echo $a >/sys/bus/pci/drivers/igbvf/bind; sleep 1; ip addr add {GUEST_IP}/24 dev {{net}}; ip link set {{net}} up")


def flr(held):
    held.source.run(FLR.format(net=held.source.vf_netdev), timeout=LATE)


# What happens to a pair of VFs, through the raw uAPI.

def broken_off(pair):
    """The VMM gives up at any state."""
    pair.source.go(S.RUNNING)
    pair.source.works()
    return HERE


def raw_target_killed(pair):
    pair.target.reopen()
    return broken_off(pair)


def raw_source_killed(pair):
    pair.source.reopen().start()
    pair.source.works()
    return ANEW


def raw_refused(pair, damaged):
    """A stream that the target does not take, now or when it is to begin."""
    with contextlib.suppress(OSError):
        pair.write(damaged)
    refusal(lambda: pair.target.go(S.STOP))
    assert pair.target.state == S.ERROR
    pair.target.reset()
    assert pair.target.state == S.RUNNING
    return broken_off(pair)


def raw_incompatible(pair):
    """What the administrator set has changed since it was compared."""
    pair.source.place.admin("vlan", VLAN_OF_ANOTHER)
    try:
        pair.source.file.info()
        changed = pair.read()
        assert changed, "the change is not told of"
        outcome = raw_refused(pair, changed)
    finally:
        pair.source.place.admin("vlan", 0)
    assert "vlan" in pair.target.place.debugfs("last_error")
    return outcome


def raw_corrupt(pair):
    """A record that nobody knows comes next; or the last byte, of the checksum, is another."""
    return raw_refused(pair, b"\xff" * 8 if pair.phase == P2P else bytes([pair.stream[-1] ^ 0xFF]))


def raw_truncated(pair):
    return raw_refused(pair, b"")


def raw_arrives(happens, then=lambda side: None):
    """Something the guest does to its VF in P2P goes along with it; `then` is what
    its driver does there, before it works."""
    def event(pair):
        happens(pair.source)
        pair.finish()
        then(pair.target)
        pair.target.works()
        return THERE
    return event


def raw_flr_source(pair):
    pair.source.reset()
    assert refusal(pair.source.file.read) == "ENODEV", "the data file has ended"
    pair.source.start()
    pair.source.works()
    return HERE


def raw_flr_target(pair):
    pair.target.reset()
    assert refusal(lambda: pair.target.file.write(b"x")) == "ENODEV"
    assert pair.target.state == S.RUNNING
    pair.target.start()
    pair.target.works()
    return broken_off(pair)


def raw_new_mtu(side):
    assert granted(side.user.ask(mailbox.MAX_FRAME, JUMBO, seconds=20), mailbox.MAX_FRAME)


@dataclass
class Qemu:
    """A cell for stock QEMU with a stock guest."""

    act: Callable
    damage: Callable = None
    # A setting of the target's administrator that the source's has not.
    setting: tuple = None


@dataclass
class Raw:
    """A cell for the raw uAPI: for phases that QEMU does not stop at."""

    act: Callable


ANOTHER_VLAN = ("vlan", VLAN_OF_ANOTHER)
NOTHING_SENT = "nothing of the VF has been sent"
NO_GUEST = "the guest's processors are stopped"
ARRIVED = "the whole stream has been taken"
NOT_YET = "the guest is not there yet"


def guests(act, *p2p):
    """Cells of what only a running guest does."""
    return {SETUP: Qemu(act), PRECOPY: Qemu(act), P2P: Raw(raw_arrives(*p2p)), STOPCOPY: NO_GUEST, RESUMING: NO_GUEST,
            LANDED: NO_GUEST}


# What is done, or why it cannot happen.
TABLE = {
    "migrate_cancel": {
        SETUP: Qemu(cancel), PRECOPY: Qemu(cancel), P2P: Raw(broken_off), STOPCOPY: Qemu(cancel), RESUMING: Qemu(cancel),
        LANDED: "the migration is complete"},
    "destination killed": {
        SETUP: Qemu(target_killed), PRECOPY: Qemu(target_killed), P2P: Raw(raw_target_killed),
        STOPCOPY: Qemu(target_killed), RESUMING: Qemu(target_killed), LANDED: Qemu(target_killed)},
    "incompatible destination": {
        SETUP: NOTHING_SENT, PRECOPY: Qemu(refused, setting=ANOTHER_VLAN), P2P: Raw(raw_incompatible),
        STOPCOPY: Qemu(refused, setting=ANOTHER_VLAN), RESUMING: Qemu(refused, setting=ANOTHER_VLAN), LANDED: ARRIVED},
    "corrupt stream": {
        SETUP: NOTHING_SENT, PRECOPY: Qemu(refused, damage=lambda: Flip(*BEGIN)), P2P: Raw(raw_corrupt),
        STOPCOPY: Qemu(refused, damage=lambda: Flip(*FINAL)), RESUMING: Raw(raw_corrupt), LANDED: ARRIVED},
    "truncated stream": {
        SETUP: Qemu(refused, damage=lambda: CutAt(64)), PRECOPY: Qemu(refused, damage=lambda: CutAt(1 << 20)),
        P2P: Raw(raw_truncated), STOPCOPY: Qemu(refused, damage=lambda: Cut(*FINAL)), RESUMING: Raw(raw_truncated),
        LANDED: ARRIVED},
    "guest VTCTRL reset": guests(in_the_guest(VTCTRL_RESET), lambda side: side.user.reset(), lambda side: side.set_up()),
    "FLR": {
        SETUP: Qemu(after_a_reset(flr)), PRECOPY: Qemu(after_a_reset(flr)), P2P: Raw(raw_flr_source),
        STOPCOPY: Raw(raw_flr_source), RESUMING: Raw(raw_flr_target), LANDED: Raw(raw_flr_target)},
    "guest reboot": {
        SETUP: Qemu(after_a_reset(reboot)), PRECOPY: Qemu(after_a_reset(reboot)), P2P: "QEMU is not to be reached in this phase",
        STOPCOPY: Qemu(after_a_reset(reboot)), RESUMING: NOT_YET, LANDED: Qemu(reboot_landed)},
    "ifdown, ifup": guests(in_the_guest(IFDOWN_UP), lambda side: side.start()),
    "MTU change": guests(in_the_guest(MTU), raw_new_mtu),
    "source VMM killed": {
        SETUP: Qemu(source_killed), PRECOPY: Qemu(source_killed), P2P: Raw(raw_source_killed), STOPCOPY: Qemu(source_killed),
        RESUMING: Qemu(source_killed), LANDED: Qemu(source_killed)},
}
assert all(tuple(row) == PHASES for row in TABLE.values())
# The quick ones first.
CELLS = sorted(((event, phase) for event, row in TABLE.items() for phase in PHASES if not isinstance(row[phase], str)),
               key=lambda cell: isinstance(TABLE[cell[0]][cell[1]], Qemu))
ROUNDS = len(CELLS)


class Trip:
    """Where guests move, a guest of QEMU's, and what came of it."""

    def __init__(self, host):
        self.stack = contextlib.ExitStack()
        host.load("mediate", "igb_rs")
        for nic in host.nics:
            nic.bind("igb_rs")
        self.stage = self.stack.enter_context(Stage(SRC, host.nics, transport="fixed"))
        self.places = [self.stage.place(0, 0), self.stage.place(1, 3)]
        self.at, self.moves, self.guest = 0, 0, None
        self.stack.callback(lambda: self.guest and self.guest.kill())
        # For the raw uAPI: VFs whose address is the guest's own choice.
        self.raw = [self.free_place(0, 2), self.free_place(1, 1)]

    def free_place(self, nic, index):
        place = Place(self.stage.nics[nic], index)
        place.vf.bind(MEDIATOR)
        self.stack.callback(place.vf.bind, None)
        return place

    def new_target(self, phase=None):
        """A guest that waits where the guest is not; its own command line has an
        address, too, for when it boots anew."""
        self.moves += 1
        place = self.places[1 - self.at]
        return self.stage.guest(f"target-{self.moves}", place, incoming=True, memory=MEMORY,
                                append=f"vf.ip={GUEST_IP}/24", extra=["-S"] if phase == LANDED else []).start()

    def ensure_guest(self):
        if self.guest is None or self.guest.process.poll() is not None:
            self.moves += 1
            self.guest = self.stage.guest(f"guest-{self.moves}", self.places[self.at], memory=MEMORY).start()
            self.guest.wait_up()
            self.trapped = self.places[self.at].debugfs("trapped")

    def by_qemu(self, cell, phase):
        """One cell; answers what became of the guest."""
        self.ensure_guest()
        there = self.places[1 - self.at]
        damage = cell.damage and cell.damage()
        with contextlib.ExitStack() as stack:
            target = self.new_target(phase)
            stack.callback(target.kill)
            if cell.setting:
                stack.callback(there.admin, cell.setting[0], 0)
            if cell.setting and phase == PRECOPY:
                there.admin(*cell.setting)
            held = HeldMove(self.guest, target, phase, damage)
            stack.callback(held.close)
            if not damage:
                held.reach()
            if cell.setting and phase != PRECOPY:
                # Changed behind the comparison's back.
                there.admin(*cell.setting)
            outcome = cell.act(held)
            assert not damage or damage.found, "nothing was damaged"
            if outcome == THERE:
                source, self.guest, self.at = self.guest, target, 1 - self.at
                source.kill()
                # It stays.
                stack.pop_all()
                held.close()
        self.settle()
        self.move_on()
        return outcome

    def settle(self):
        """Who runs is reached, and its VF is passed through as before."""
        self.ensure_guest()
        wait_for(lambda: self.guest.qmp.command("query-status")["status"] == "running", LATE, "a guest that runs")
        wait_for(lambda: min(self.stage.reached(3).values()) >= 2, LATE, "answers of the guest")
        here, there = self.places[self.at], self.places[1 - self.at]
        wait_for(lambda: here.debugfs("state") == "RUNNING", LATE, "a VF that runs")
        assert here.debugfs("trapped") == self.trapped
        assert there.debugfs("state") == "none"

    def move_on(self):
        """A new migration of the same VF works."""
        target = self.new_target()
        try:
            # A capability stays set, and so does a limit.
            self.guest.qmp.command("migrate-set-capabilities",
                                   capabilities=[{"capability": "pause-before-switchover", "state": False}])
            move.migrate(self.guest, target, max_bandwidth=FAST)
        except BaseException:
            target.kill()
            raise
        source, self.guest, self.at = self.guest, target, 1 - self.at
        source.leave()
        wait_for(lambda: self.stage.outside.ping(GUEST_IP, 1), LATE, "an answer of the guest")

    def by_hand(self, cell, phase):
        with Pair(*self.raw, phase) as pair:
            pair.reach()
            outcome = cell.act(pair)
        assert [place.debugfs("state") for place in self.raw] == ["none", "none"]
        # Both VFs work, and can be moved from and to, with packets all the way.
        vfclient("roundtrip", "--from", self.raw[0].vf, "--to", self.raw[1].vf, "--rounds", 4)
        return outcome


trip = None
outcomes = {}


def round(host, n):
    global trip
    event, phase = CELLS[n % len(CELLS)]
    cell = TABLE[event][phase]
    outcomes[event, phase] = "FAILED"
    if trip is None:
        trip = Trip(host)
    start = time.monotonic()
    outcomes[event, phase] = trip.by_hand(cell, phase) if isinstance(cell, Raw) else trip.by_qemu(cell, phase)
    print(f"{event}, {phase}: {outcomes[event, phase]}, {time.monotonic() - start:.0f} s", flush=True)


def finish(_host):
    global trip
    if trip is not None:
        ended, trip = trip, None
        ended.stack.close()


def report():
    """The matrix, and why a cell of it cannot happen."""
    notes = sorted({cell for row in TABLE.values() for cell in row.values() if isinstance(cell, str)})
    line = "{:26}" + "{:16}" * len(PHASES)
    print(line.format("event", *PHASES))
    for event, row in TABLE.items():
        told = (f"({notes.index(cell) + 1})" if isinstance(cell, str) else outcomes.get((event, phase), "not tried")
                for phase, cell in row.items())
        print(line.format(event, *told))
    for number, note in enumerate(notes, 1):
        print(f"({number}) cannot happen: {note}", flush=True)
