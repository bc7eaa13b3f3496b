# SPDX-License-Identifier: GPL-2.0
"""The trap of transport `kvm`, with unmodified QEMU and guest: it is there while a
migration is under way, and at no other time."""

from pathlib import Path

import pytest

from conftest import SRC, Host
from rigtest import pci
from rigtest.net import run
from rigtest.pci import wait_for
from rigtest.trapped import FAST, trapped_guest

ROUNDS = 3


@pytest.fixture(scope="module")
def trapped():
    with trapped_guest(Host()) as ready:
        yield ready


def test_the_driver_is_not_one_that_does_wrong():
    driver = pci.built(SRC, "drivers/net/ethernet/vendor/igb_rs.ko")
    assert run("modinfo", "-F", "faults", driver).strip() == ""


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


def test_a_page_that_goes_while_kvm_looks_for_it_does_not_end_the_guest(trapped):
    """KVM looks twice for a page, and has no second thoughts after the second time; but it
    begins anew where the first look's fault says so. The module makes it slow between them."""
    pci.insmod(pci.built(SRC, "tests/system/modules/test_slowfault.ko"))
    try:
        for _ in range(ROUNDS):
            trapped.begin()
            assert trapped.talk()[0] > 0
            trapped.cancel()
            assert trapped.talk()[0] == 0
        delayed = int(Path("/sys/module/test_slowfault/parameters/delayed").read_text())
    finally:
        run("rmmod", "test_slowfault")
    # Once for the shadow and once for the BAR, at least.
    assert delayed >= 2 * ROUNDS


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
