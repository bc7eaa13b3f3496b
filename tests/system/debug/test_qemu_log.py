# SPDX-License-Identifier: GPL-2.0
"""Unmodified QEMU and guest on a kernel with IOMMUFD: without a property of its vfio-pci, QEMU takes the device's own log,
with a container and with iommufd, and sends what the VF has written."""

import pytest

from conftest import Host
from rigtest.pci import wait_for
from rigtest.trapped import FAST, trapped_guest

WAYS = {"container": ("", ()), "iommufd": ("iommufd=fd0", ("-object", "iommufd,id=fd0"))}


@pytest.fixture(scope="module", params=WAYS)
def trapped(request):
    with trapped_guest(Host(), *WAYS[request.param]) as ready:
        yield ready


def test_qemu_logs_and_the_trap_goes_with_it(trapped):
    assert trapped.debugfs("transport") == "kvm" and trapped.debugfs("report_channel") == "none"
    assert not trapped.is_trapped()
    trapped.begin()
    assert trapped.debugfs("report_channel") == "log" and trapped.is_trapped()
    writes, pages = trapped.talk()
    assert writes > 0 and pages > 0
    trapped.cancel()
    assert trapped.debugfs("report_channel") == "none" and not trapped.is_trapped()
    assert trapped.talk()[1] == 0


def test_qemu_sends_what_was_written_and_no_more(trapped):
    """All memory once, and then a small part of it."""
    trapped.begin(FAST)
    wait_for(lambda: trapped.status() in ("completed", "failed"), 300, "the migration's end")
    info = trapped.guest.qmp.command("query-migrate")
    assert info["status"] == "completed", info
    sent = info["ram"]["normal"] + info["ram"]["duplicate"]
    assert sent < 2 * info["ram"]["total"] // 4096, info
    # The guest has been sent into nothing, and goes on here.
    trapped.guest.qmp.command("cont")
    wait_for(lambda: trapped.debugfs("state") == "RUNNING", 60, "the guest's going on")
    assert not trapped.is_trapped() and trapped.debugfs("report_channel") == "none"
    trapped.talk()
