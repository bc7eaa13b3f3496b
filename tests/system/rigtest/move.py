# SPDX-License-Identifier: GPL-2.0
"""Live migration of a guest between two QEMU processes, by QMP as libvirt does."""

import time
from dataclasses import dataclass, field

from .guest import GuestError

# How long a guest may stand still. QEMU's default of 300 ms makes a short stop and, on an
# emulated machine under load, a long pre-copy; a guest is to be moved in any case.
DOWNTIME_LIMIT_MS = 20_000


def _clock_offset():
    """What to add to the time of day for the monotonic clock."""
    return time.monotonic() - time.time()


@dataclass
class Moved:
    """One migration; times are seconds of the monotonic clock."""

    begin: float
    end: float = 0
    status: str = ""
    error: str = ""
    info: dict = field(default_factory=dict)     # query-migrate's answer at the end
    events: list = field(default_factory=list)   # (time, "source"|"target", event, data)

    @property
    def completed(self):
        return self.status == "completed"

    def when(self, side, name, **data):
        """When an event was first seen, or None."""
        for at, whose, event, details in self.events:
            if (whose, event) == (side, name) and data.items() <= details.items():
                return at
        return None

    def phases(self):
        """Milliseconds of each phase, in order, as QEMU's events tell."""
        marks = [("begin", self.begin),
                 ("setup", self.when("source", "MIGRATION", status="active")),
                 ("precopy", self.when("source", "STOP")),
                 ("stop_copy", self.when("source", "MIGRATION", status="completed")),
                 ("resume", self.when("target", "RESUME"))]
        known = [(name, at) for name, at in marks if at is not None]
        return {name: round(1e3 * (at - before), 1) for (_, before), (name, at) in zip(known, known[1:])}


def _capabilities(guest):
    guest.qmp.command("migrate-set-capabilities", capabilities=[{"capability": "events", "state": True}])


def _collect(moved, guest, side, offset):
    guest.qmp.command("query-status")
    for event in guest.qmp.events:
        stamp = event["timestamp"]
        at = stamp["seconds"] + stamp["microseconds"] / 1e6 + offset
        moved.events.append((at, side, event["event"], event.get("data", {})))
    guest.qmp.events.clear()


def start(source, target=None, *, uri=None, downtime_limit=DOWNTIME_LIMIT_MS, **parameters):
    """Begin to move `source` to `target`, which waits for it; to `uri` without one."""
    _capabilities(source)
    source.qmp.command("migrate-set-parameters", downtime_limit=downtime_limit, **parameters)
    if target is not None:
        _capabilities(target)
        uri = f"unix:{target.folder}/migrate"
        target.qmp.command("migrate-incoming", uri=uri)
    moved = Moved(time.monotonic())
    source.qmp.command("migrate", uri=uri)
    return moved


def finish(moved, source, target=None, timeout=600, look=None):
    """Wait for the end of a migration, good or bad. `look` is called once for each
    of QEMU's passes over memory, when it has ended."""
    offset = _clock_offset()
    limit = time.monotonic() + timeout
    passes = 0
    while True:
        try:
            info = source.qmp.command("query-migrate")
        except ConnectionError as error:
            source.explain(error)
        if look is not None and info.get("ram", {}).get("dirty-sync-count", 0) > passes:
            passes = info["ram"]["dirty-sync-count"]
            look()
        moved.status = info.get("status", "")
        if moved.status in ("completed", "failed", "cancelled"):
            break
        if time.monotonic() > limit:
            raise GuestError(f"migration not done within {timeout} s: {info}")
        time.sleep(0.02)
    moved.end = time.monotonic()
    moved.info = info
    moved.error = info.get("error-desc", "")
    _collect(moved, source, "source", offset)
    if target is not None and moved.completed:
        while True:
            running = target.qmp.command("query-status")["status"]
            if running == "running":
                break
            if time.monotonic() > limit:
                raise GuestError(f"{target.name}: still {running} after the migration")
            time.sleep(0.02)
        _collect(moved, target, "target", offset)
    return moved


def migrate(source, target, look=None, **options):
    """Move a running guest; raises unless it arrives. `look`: see finish()."""
    moved = finish(start(source, target, **options), source, target, look=look)
    if not moved.completed:
        raise GuestError(f"migration {moved.status}: {moved.error}\n{source.qemu_log.read_text()}\n"
                         f"{target.qemu_log.read_text()}")
    return moved
