# SPDX-License-Identifier: GPL-2.0
"""A guest of unmodified QEMU on a VF with the transport `kvm`, and its migrations, which go
nowhere."""

import contextlib
from pathlib import Path

from conftest import MEDIATOR, SRC

from . import pci
from .guest import Guest
from .net import peers
from .pci import wait_for

PF, INSIDE = "192.0.2.1", "192.0.2.2"
WINDOW = "BAR0 0x2000-0x2fff trapped"
# So slow that pre-copy lasts until it is ended.
SLOW, FAST = 1 << 20, 1 << 40


class Trapped:
    """A guest on a VF, what the operator sees of the VF, and the VF's PF."""

    def __init__(self, vf, guest, pf):
        self.vf, self.guest, self.pf = vf, guest, pf

    def debugfs(self, name):
        return Path("/sys/kernel/debug/vfio_pci_mediate", self.vf.address, name).read_text().strip()

    def is_trapped(self):
        return WINDOW in self.debugfs("trapped")

    def talk(self):
        """The guest answers; so many writes were trapped and pages told meanwhile."""
        before = [int(self.debugfs(name)) for name in ("trapped_writes", "dirty_pages")]
        assert self.pf.reaches(INSIDE, count=20)
        return [int(self.debugfs(name)) - b for name, b in zip(("trapped_writes", "dirty_pages"), before)]

    def status(self):
        return self.guest.qmp.command("query-migrate").get("status")

    def begin(self, bandwidth=SLOW):
        self.guest.qmp.command("migrate-set-parameters", max_bandwidth=bandwidth)
        self.guest.qmp.command("migrate", uri="exec:cat >/dev/null")
        wait_for(lambda: self.debugfs("state") == "PRE_COPY", 60, "pre-copy")

    def cancel(self):
        self.guest.qmp.command("migrate_cancel")
        wait_for(lambda: self.status() == "cancelled" and self.debugfs("state") == "RUNNING", 60, "the guest's going on")


@contextlib.contextmanager
def trapped_guest(host, vfio="enable-migration=on", extra=(), cpus=2):
    """It runs, and nothing is trapped yet. `vfio`, `extra` and `cpus` are `Guest`'s."""
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=kvm")
    pci.load_kvm()
    vf = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    vf.bind(MEDIATOR)
    with peers((host.nics[0].netdev, PF)) as (pf,):
        with Guest("guest", vf=vf, vfio=vfio, extra=extra, ip=f"{INSIDE}/24", cpus=cpus) as guest:
            guest.wait_up()
            yield Trapped(vf, guest, pf)
    host.clean()
