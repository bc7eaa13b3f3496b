# SPDX-License-Identifier: GPL-2.0
"""The trap of transport `kvm`, with unmodified QEMU and guest: it is there while a
migration is under way, and at no other time."""

from pathlib import Path

import pytest

from conftest import MEDIATOR, SRC, Host
from rigtest import pci
from rigtest.guest import Guest
from rigtest.net import peers
from rigtest.pci import wait_for

PF, INSIDE = "192.0.2.1", "192.0.2.2"
WINDOW = "BAR0 0x2000-0x2fff trapped"
# So slow that pre-copy lasts until it is ended.
SLOW, FAST = 1 << 20, 1 << 40
ROUNDS = 3


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


@pytest.fixture(scope="module")
def trapped():
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=kvm")
    pci.load_kvm()
    vf = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    vf.bind(MEDIATOR)
    with peers((host.nics[0].netdev, PF)) as (pf,):
        with Guest("guest", vf=vf, vfio="enable-migration=on", ip=f"{INSIDE}/24", cpus=2) as guest:
            guest.wait_up()
            yield Trapped(vf, guest, pf)
    host.clean()


def test_the_windows_are_passed_through_until_a_migration(trapped):
    assert trapped.debugfs("transport") == "kvm"
    assert not trapped.is_trapped()
    # Control, mailbox and statistics are mediated all the time, and igbvf writes there.
    assert trapped.debugfs("trapped") == "BAR0 0x0-0xfff"
    assert trapped.talk()[1] == 0


def test_doorbells_are_trapped_while_it_lasts_and_not_after(trapped):
    for _ in range(ROUNDS):
        trapped.begin()
        assert trapped.is_trapped()
        writes, pages = trapped.talk()
        assert writes > 0 and pages > 0
        trapped.cancel()
        assert not trapped.is_trapped()
        assert trapped.talk()[1] == 0


def test_a_guest_restarts_its_nic_while_it_is_trapped(trapped):
    """Rings that are switched off, and made anew elsewhere and of another size."""
    netdev = trapped.guest.vf_netdev
    trapped.begin()
    for size in (512, 128, 256):
        trapped.guest.run(f"ethtool -G {netdev} rx {size}", timeout=60)
        trapped.guest.wait_up()
        assert trapped.is_trapped()
        writes, pages = trapped.talk()
        assert writes > 0 and pages > 0
    trapped.cancel()
    trapped.talk()


def test_the_container_reports_what_was_written_and_no_more(trapped):
    """QEMU sends all memory once, and then what was written: a small part of it."""
    trapped.begin(FAST)
    wait_for(lambda: trapped.status() in ("completed", "failed"), 180, "the migration's end")
    info = trapped.guest.qmp.command("query-migrate")
    assert info["status"] == "completed", info
    sent = info["ram"]["normal"] + info["ram"]["duplicate"]
    total = info["ram"]["total"] // 4096
    assert sent < 2 * total, info
    # The guest has been sent into nothing, and goes on here.
    trapped.guest.qmp.command("cont")
    wait_for(lambda: trapped.debugfs("state") == "RUNNING", 60, "the guest's going on")
    assert not trapped.is_trapped()
    trapped.talk()


def test_a_vmm_that_is_killed_leaves_no_trap(trapped):
    """The last one: the guest is gone after that."""
    trapped.begin()
    assert trapped.is_trapped()
    trapped.guest.kill()
    wait_for(lambda: trapped.debugfs("state") == "none", 30, "the close of the device")
    assert trapped.debugfs("trapped") == ""
