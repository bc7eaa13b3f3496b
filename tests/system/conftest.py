# SPDX-License-Identifier: GPL-2.0
"""Fixtures of the system tests. They run inside the rig:

    scripts/rig run --nics 2 --timeout 900 -- python3 -m pytest tests/system
"""

import contextlib
import os
import subprocess
from pathlib import Path

import pytest
from _pytest.runner import runtestprotocol

from rigtest import emulated, pci
from rigtest.net import peers

SRC = Path(__file__).resolve().parents[2]
PROJECT = ("test_failnth", "test_errors", "test_sleep", "test_provider", "provider_c", "igb_rs", "vfio_pci_mediate", "mediate")
MEDIATOR = "vfio_pci_mediate"


def pytest_configure():
    if "MEDIATE_IN_RIG" not in os.environ:
        pytest.exit("these tests run inside the rig: make system", returncode=2)


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item, nextitem):
    """A test that failed while the emulated processor lost a guest runs once more, with nothing
    left of the first time (Documentation/rig.rst)."""
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    lost = emulated.lost()
    reports = runtestprotocol(item, nextitem=nextitem, log=False)
    failed = next((report for report in reports if report.failed), None)
    if failed and emulated.lost() > lost:
        print(f"\n{item.nodeid}: runs once more, the emulated processor lost a guest:\n{failed.longreprtext}", flush=True)
        item.session._setupstate.teardown_exact(None)
        item._initrequest()
        reports = runtestprotocol(item, nextitem=nextitem, log=False)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


class Host:
    """The rig's host: its NICs, and modules by name."""

    files = {
        "mediate": "mediate/mediate.ko",
        "vfio_pci_mediate": "mediate/vfio_pci_mediate.ko",
        "igb_rs": "drivers/net/ethernet/vendor/igb_rs.ko",
        "test_failnth": "tests/system/modules/test_failnth.ko",
        "test_errors": "tests/system/modules/test_errors.ko",
        "test_sleep": "tests/system/modules/test_sleep.ko",
        "test_provider": "tests/system/modules/test_provider.ko",
        "provider_c": "tests/system/provider_c/provider_c.ko",
    }

    def __init__(self):
        self.nics = pci.pfs()

    def load(self, *modules):
        """Load the project's modules, and what they need, in the order given."""
        for module in modules:
            if module == MEDIATOR:
                pci.modprobe("vfio-pci-core")
                pci.modprobe("vfio_iommu_type1")
            pci.insmod(self.path(module))

    def path(self, module):
        return pci.built(SRC, self.files[module])

    def insmod(self, module, *params):
        """(status, message) of loading one module, which may be refused."""
        done = subprocess.run(["insmod", str(self.path(module)), *params], capture_output=True, text=True)
        return done.returncode, done.stderr

    def rmmod(self, module):
        """(status, message) of unloading one module, which may be refused."""
        done = subprocess.run(["rmmod", module], capture_output=True, text=True)
        return done.returncode, done.stderr

    def unload(self, *modules):
        for module in modules:
            if pci.loaded(module):
                status, message = self.rmmod(module)
                assert status == 0, message

    def make_vfs(self, nic, driver, count):
        """Bind the PF to a driver and switch on VFs; answers them."""
        nic.bind(driver)
        nic.numvfs = count
        return nic.vfs

    def log_mark(self):
        """Write a marker into the kernel log; `log_since` reads from there."""
        mark = f"rigtest mark {os.urandom(6).hex()}"
        # A line without an end is shown when the next one has come.
        Path("/dev/kmsg").write_text(f"{mark}\n")
        return mark

    def log_since(self, mark):
        text = subprocess.run(["dmesg"], capture_output=True, text=True, check=True).stdout
        return text.split(mark, 1)[1]

    def clean(self):
        """As after boot: no VFs, no PF driver, none of the project's modules."""
        for nic in self.nics:
            if nic.driver:
                nic.numvfs = 0
            nic.bind(None)
        self.unload(*PROJECT)


@pytest.fixture
def host():
    rig = Host()
    rig.clean()
    yield rig
    rig.clean()


@pytest.fixture
def nics(host):
    """The NICs, driven by igb_rs and without VFs."""
    host.load("mediate", "igb_rs")
    for nic in host.nics:
        nic.bind("igb_rs")
    return host.nics


def host_of_igb_rs():
    """The rig's host as it was at first, but that igb_rs drives its NICs."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    for nic in host.nics:
        nic.bind("igb_rs")
    return host


@contextlib.contextmanager
def two_nics(left, right):
    """Two NICs, driven by igb_rs, each with an address in a namespace of its own:
    (host, left, right)."""
    host = host_of_igb_rs()
    with peers((host.nics[0].netdev, left), (host.nics[1].netdev, right)) as (one, other):
        yield host, one, other
    host.clean()


@pytest.fixture
def log(host):
    """A function that answers the kernel's log since the test began."""
    mark = host.log_mark()
    return lambda: host.log_since(mark)
