# SPDX-License-Identifier: GPL-2.0
"""Everything that can come between a migration's begin and its end, at every
phase at which it can: after each the guest goes on, here or there, the VF is
passed through again, and it can be moved.

Rounds go through the table; the matrix of outcomes is printed at the end.
"""

import contextlib
import time

from conftest import SRC
from rigtest import move
from rigtest.guest import GuestError
from rigtest.pci import wait_for
from rigtest.relay import Flip, Relay, cut
from rigtest.stage import GUEST_IP, Stage

NICS = 3
# Slow enough that pre-copy lasts until something ends it.
SLOW = 1 << 20
FAST = 1 << 40
# The first bytes of the mediator's stream: Documentation/stream-format.rst.
STREAM_MAGIC = b"VFMEDIAT"
HERE, THERE, ANEW = "goes on here", "goes on there", "starts anew"

PRECOPY, STOPCOPY, SETUP, RESUMING, LANDED = "pre-copy", "stop-copy", "set-up", "resuming", "before RUNNING"


class Move:
    """One migration under way, held at a phase."""

    def __init__(self, trip, phase, damage=None):
        self.trip, self.phase = trip, phase
        self.source = trip.guest
        self.target = trip.stage.guest(f"target-{trip.moves}", trip.places[1 - trip.at], incoming=True,
                                       extra=["-S"] if phase == LANDED else []).start()
        trip.moves += 1
        for guest, capabilities in ((self.source, ("events", "pause-before-switchover")), (self.target, ("events",))):
            wanted = {name: name in capabilities for name in ("events", "pause-before-switchover")}
            wanted["pause-before-switchover"] &= phase == STOPCOPY
            guest.qmp.command("migrate-set-capabilities",
                              capabilities=[{"capability": c, "state": s} for c, s in wanted.items()])
        held = phase in (SETUP, PRECOPY, RESUMING)
        self.source.qmp.command("migrate-set-parameters", max_bandwidth=SLOW if held else FAST,
                                downtime_limit=move.DOWNTIME_LIMIT_MS)
        path = f"{self.target.folder}/migrate"
        self.target.qmp.command("migrate-incoming", uri=f"unix:{path}")
        if damage:
            relay = Relay(f"{self.target.folder}/relay", path, damage)
            path = relay.path
        self.source.qmp.command("migrate", uri=f"unix:{path}")

    def status(self):
        return self.source.qmp.command("query-migrate").get("status")

    def reach(self):
        """Wait for the phase."""
        match self.phase:
            case "set-up":
                pass
            case "pre-copy" | "resuming":
                wait_for(lambda: self.status() == "active", 30, "pre-copy")
                time.sleep(0.3)
            case "stop-copy":
                wait_for(lambda: self.status() == "pre-switchover", 90, "the switchover")
            case "before RUNNING":
                wait_for(lambda: self.status() == "completed", 120, "the end of the migration")

    def ended(self):
        """How the source saw it end."""
        return wait_for(lambda: (s := self.status()) in ("completed", "failed", "cancelled") and s, 120,
                        "the end of the migration")

    def release(self):
        """Let a migration that is held in pre-copy go on to its end."""
        self.source.qmp.command("migrate-set-parameters", max_bandwidth=FAST)


def cancel(move):
    move.source.qmp.command("migrate-cancel")
    assert move.ended() == "cancelled"
    return HERE


def target_killed(move):
    move.target.kill()
    if move.phase == LANDED:
        # It has all of the guest; the source has kept it, stopped.
        move.source.qmp.command("cont")
        return HERE
    if move.phase == STOPCOPY:
        with contextlib.suppress(Exception):
            move.source.qmp.command("migrate-continue", state="pre-switchover")
    assert move.ended() == "failed"
    return HERE


def source_killed(move):
    move.source.kill()
    if move.phase == LANDED:
        move.target.qmp.command("cont")
        return THERE
    wait_for(lambda: move.target.process.poll() is not None, 60, "the target's end")
    assert move.target.process.returncode != 0
    return ANEW


def refused(move):
    assert move.ended() == "failed"
    return HERE


def goes_through(command):
    """Something the guest does meanwhile, which the migration survives."""
    def event(move):
        move.source.run(command.format(net=move.source.vf_netdev), timeout=60)
        move.release()
        assert move.ended() == "completed", move.source.qmp.command("query-migrate")
        return THERE
    return event


def reboot(move):
    move.source.qmp.command("system_reset")
    move.release()
    assert move.ended() == "completed", move.source.qmp.command("query-migrate")
    return THERE


DEVICE = "$(readlink -f /sys/class/net/{net}/device)"
IFDOWN_UP = "ip link set {net} down; ip link set {net} up"
MTU = "ip link set {net} mtu 1400; ip link set {net} mtu 1500"
# Its reset_task, by way of the transmit timeout or a ring change, writes VTCTRL.
VTCTRL_RESET = "ethtool -G {net} rx 128; ethtool -G {net} rx 256"
FLR = ("d=" + DEVICE + "; a=$(basename $d); echo $a >$d/driver/unbind; echo 1 >$d/reset; echo $a >/sys/bus/pci/drivers/igbvf/bind; "
       f"sleep 1; ip addr add {GUEST_IP}/24 dev {{net}}; ip link set {{net}} up")

# (event, phase, what is done, how the stream is damaged, a setting of the target)
CELLS = [
    ("migrate_cancel", SETUP, cancel, None, None),
    ("migrate_cancel", PRECOPY, cancel, None, None),
    ("migrate_cancel", STOPCOPY, cancel, None, None),
    ("destination killed", PRECOPY, target_killed, None, None),
    ("destination killed", RESUMING, target_killed, None, None),
    ("destination killed", STOPCOPY, target_killed, None, None),
    ("destination killed", LANDED, target_killed, None, None),
    ("incompatible destination", PRECOPY, refused, None, ("vlan", 77)),
    ("corrupt stream", RESUMING, refused, lambda: Flip(STREAM_MAGIC, 0), None),
    ("truncated stream", PRECOPY, refused, lambda: cut(1 << 20), None),
    ("VTCTRL reset", PRECOPY, goes_through(VTCTRL_RESET), None, None),
    ("FLR", PRECOPY, goes_through(FLR), None, None),
    ("ifdown, ifup", PRECOPY, goes_through(IFDOWN_UP), None, None),
    ("MTU change", PRECOPY, goes_through(MTU), None, None),
    ("guest reboot", PRECOPY, reboot, None, None),
    ("source killed", PRECOPY, source_killed, None, None),
    ("source killed", STOPCOPY, source_killed, None, None),
    ("source killed", LANDED, source_killed, None, None),
]
ROUNDS = len(CELLS)


class Trip:
    """A guest, two VFs for it, and what came of it."""

    def __init__(self, host):
        self.stack = contextlib.ExitStack()
        host.load("mediate", "igb_rs")
        for nic in host.nics:
            nic.bind("igb_rs")
        self.stage = self.stack.enter_context(Stage(SRC, host.nics))
        self.places = [self.stage.place(0, 0), self.stage.place(1, 3)]
        self.at, self.moves, self.guest = 0, 0, None
        self.stack.callback(lambda: self.guest and self.guest.kill())

    def ensure_guest(self):
        if self.guest is None or self.guest.process.poll() is not None:
            self.guest = self.stage.guest(f"guest-{self.moves}", self.places[self.at]).start().wait_up()

    def settle(self, move, outcome):
        """After an event: who runs, and whether everything is as before."""
        if outcome == THERE:
            self.guest, self.at = move.target, 1 - self.at
            if move.source.process.poll() is None:
                move.source.leave()
        else:
            move.target.kill()
            if outcome == ANEW:
                self.guest = None
                self.ensure_guest()
        self.guest.check_alive()
        status = self.guest.qmp.command("query-status")["status"]
        assert status == "running", f"the guest is {status}"
        wait_for(lambda: min(self.stage.reached(3).values()) >= 2, 60, "answers of the guest")
        place = self.places[self.at]
        assert place.debugfs("state") == "RUNNING" and place.debugfs("trapped") == "0"

    def move_on(self):
        """A new migration of the same VF works."""
        target = self.stage.guest(f"next-{self.moves}", self.places[1 - self.at], incoming=True).start()
        self.moves += 1
        # A capability stays set, and so does a limit.
        self.guest.qmp.command("migrate-set-capabilities",
                               capabilities=[{"capability": "pause-before-switchover", "state": False}])
        move.migrate(self.guest, target, max_bandwidth=FAST)
        self.guest.leave()
        self.guest, self.at = target, 1 - self.at
        wait_for(lambda: min(self.stage.reached(3).values()) >= 2, 60, "answers of the guest")


trip = None
outcomes = {}


def round(host, n):
    global trip
    event, phase, act, damage, setting = CELLS[n % len(CELLS)]
    outcomes[event, phase] = "FAILED"
    if trip is None:
        trip = Trip(host)
    trip.ensure_guest()
    target = trip.places[1 - trip.at]
    if setting:
        target.admin(*setting)
    try:
        move = Move(trip, phase, damage and damage())
        try:
            move.reach() if not damage and not setting else move.release()
            outcome = act(move)
        except (AssertionError, GuestError, TimeoutError):
            move.target.kill()
            raise
    finally:
        if setting:
            target.admin(setting[0], 0)
    trip.settle(move, outcome)
    trip.move_on()
    outcomes[event, phase] = outcome


def finish(_host):
    global trip
    if trip is not None:
        ended, trip = trip, None
        ended.stack.close()
    print(f"{'event':26}{'phase':18}outcome")
    for (event, phase), outcome in outcomes.items():
        print(f"{event:26}{phase:18}{outcome}", flush=True)
