# SPDX-License-Identifier: GPL-2.0
"""One migration by QEMU, held at a phase so that something can happen there."""

import time

from .move import DOWNTIME_LIMIT_MS
from .pci import wait_for
from .relay import Relay

SETUP, PRECOPY, P2P, STOPCOPY, RESUMING, LANDED = PHASES = (
    "set-up", "pre-copy", "pre-copy P2P", "stop-copy", "resuming", "before RUNNING")
# Bytes per second: pre-copy lasts until something ends it, and does not.
SLOW, FAST = 1 << 20, 1 << 40
CAPABILITIES = ("events", "return-path", "pause-before-switchover")
QUIET_SECONDS = 3
DONE = ("completed", "failed", "cancelled")


class HeldMove:
    """From a guest to a target that waits with `-incoming defer`. A damaged
    stream is not held: it goes on until the damage is noticed.

    set-up          QEMU waits to be connected
    pre-copy        memory is sent so slowly that it does not end
    stop-copy       QEMU pauses before the switchover; the VF is in STOP_COPY
    resuming        the source has sent everything, the target lacks the end of it
    before RUNNING  the target has everything, and was started with -S
    """

    def __init__(self, source, target, phase, damage=None):
        self.source, self.target, self.phase, self.damage = source, target, phase, damage
        pauses = phase in (STOPCOPY, RESUMING) and damage is None
        for guest in (source, target):
            guest.qmp.command("migrate-set-capabilities", capabilities=[
                {"capability": name, "state": pauses or name != "pause-before-switchover"} for name in CAPABILITIES])
        slow = phase == PRECOPY and damage is None
        source.qmp.command("migrate-set-parameters", max_bandwidth=SLOW if slow else FAST,
                           downtime_limit=DOWNTIME_LIMIT_MS)
        path = f"{target.folder}/migrate"
        target.qmp.command("migrate-incoming", uri=f"unix:{path}")
        self.relay = Relay(f"{target.folder}/relay", path, damage, shut=phase == SETUP and damage is None)
        source.qmp.command("migrate", uri=f"unix:{self.relay.path}")

    def status(self):
        return self.source.qmp.command("query-migrate").get("status")

    def _wait(self, *wanted, seconds=180):
        def reached():
            status = self.status()
            assert status in wanted or status not in DONE, f"the migration {status}: {self.why()}"
            return status in wanted
        wait_for(reached, seconds, f"a migration that is {' or '.join(wanted)}")

    def reach(self):
        """Wait for the phase."""
        match self.phase:
            case "set-up":
                self._wait("setup")
            case "pre-copy":
                self._wait("active")
                # So much that set-up is over on both sides.
                wait_for(lambda: self.source.qmp.command("query-migrate").get("ram", {}).get("transferred", 0) > 1 << 18,
                         60, "memory sent")
            case "stop-copy":
                self._wait("pre-switchover")
            case "resuming":
                self._wait("pre-switchover")
                self.relay.hold()
                self.switch_over()
                # The end of the stream is kept, so the target does not answer.
                self._wait("device")
                wait_for(self._sent, 120, "the end of the stream")
            case "before RUNNING":
                self._wait("completed")

    def _sent(self):
        """Whether nothing more comes from the source."""
        before = self.relay.came
        time.sleep(QUIET_SECONDS)
        return self.relay.came == before

    def switch_over(self):
        self.source.qmp.command("migrate-continue", state="pre-switchover")

    def release(self):
        """Let it go on to its end."""
        if self.damage is not None:
            return
        match self.phase:
            case "set-up":
                self.relay.open()
            case "pre-copy":
                self.source.qmp.command("migrate-set-parameters", max_bandwidth=FAST)
            case "stop-copy":
                self.switch_over()
            case "resuming":
                self.relay.release()

    def ended(self):
        """How the source saw it end."""
        return wait_for(lambda: (s := self.status()) in DONE and s, 180, "the end of the migration")

    def why(self):
        """What both sides said, for a failure's message."""
        info = self.source.qmp.command("query-migrate")
        return f"{info.get('error-desc', '')}\n{self.source.qemu_log.read_text()}\n{self.target.qemu_log.read_text()}"

    def close(self):
        self.relay.close()
