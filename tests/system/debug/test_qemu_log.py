# SPDX-License-Identifier: GPL-2.0
"""Unmodified QEMU and guest on a kernel with IOMMUFD: without a property of its vfio-pci, QEMU takes the device's own log,
with a container and with iommufd, and sends what the VF has written."""

import pytest

from conftest import MEDIATOR, SRC, Host
from rigtest import pci
from rigtest.guest import Guest
from rigtest.net import peers
from rigtest.pci import wait_for
from test_trap import FAST, INSIDE, PF, Trapped

WAYS = {"container": ("", ()), "iommufd": ("iommufd=fd0", ("-object", "iommufd,id=fd0"))}


@pytest.fixture(scope="module", params=WAYS)
def trapped(request):
    vfio, extra = WAYS[request.param]
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=kvm")
    pci.load_kvm()
    vf = host.make_vfs(host.nics[0], "igb_rs", 1)[0]
    vf.bind(MEDIATOR)
    with peers((host.nics[0].netdev, PF)) as (pf,):
        with Guest("guest", vf=vf, vfio=vfio, extra=extra, ip=f"{INSIDE}/24") as guest:
            guest.wait_up()
            yield Trapped(vf, guest, pf)
    host.clean()


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
