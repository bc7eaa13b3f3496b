# SPDX-License-Identifier: GPL-2.0
"""The kernel's own vfio selftests, unmodified: the same on vfio-pci and here."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from conftest import MEDIATOR
from rigtest import pci

PROGRAMS = ("vfio_pci_device_test", "vfio_dma_mapping_test", "vfio_dma_mapping_mmio_test", "vfio_iommufd_setup_test")
FOLDER = Path(os.environ["MEDIATE_CACHE"], "selftests/vfio")
STOCK = "mediate-debug" not in os.uname().release
RESULT = re.compile(r"^(ok|not ok) \d+ (\S+)(.*# SKIP)?")


def run(program, vf):
    """{test: ok, not ok or skip} of one program."""
    done = subprocess.run([FOLDER / program, vf.address], capture_output=True, text=True, timeout=200)
    results = {}
    for line in done.stdout.splitlines():
        if found := RESULT.match(line):
            results[found[2]] = "skip" if found[3] else found[1]
    assert results, f"{program} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return results


@pytest.fixture
def machine(host):
    """Huge pages for the tests that want them, and both vfio drivers."""
    Path("/proc/sys/vm/nr_hugepages").write_text("32\n")
    pci.modprobe("vfio-pci")
    host.load("mediate", MEDIATOR)
    yield host
    Path("/proc/sys/vm/nr_hugepages").write_text("0\n")


@pytest.mark.parametrize("program", PROGRAMS)
def test_results_are_those_of_vfio_pci(machine, program):
    """Without a provider (in-tree igb drives the PF) and with one (igb_rs)."""
    seen = {}
    for pf_driver in ("igb", "igb_rs"):
        if pf_driver == "igb":
            pci.modprobe("igb")
        else:
            machine.load("igb_rs")
        vf = machine.make_vfs(machine.nics[0], pf_driver, 1)[0]
        for driver in ("vfio-pci", MEDIATOR):
            vf.bind(driver)
            seen[pf_driver, driver] = run(program, vf)
        vf.bind(None)
        machine.nics[0].numvfs = 0
        machine.nics[0].bind(None)
    plain = seen["igb", "vfio-pci"]
    print("\n".join(f"{result:6} {name}" for name, result in plain.items()))
    assert all(results == plain for results in seen.values()), seen
    # Equal, but failing everywhere, would prove nothing. The stock kernel has
    # no iommufd, and its variants cannot run there.
    passed = {name for name, result in plain.items() if result == "ok"}
    iommufd = {name for name in plain if "iommufd" in name}
    container = set(plain) - iommufd
    if program in ("vfio_iommufd_setup_test", "vfio_pci_device_test"):
        # These two know iommufd only; and the VF has MSI-X alone, no MSI.
        assert STOCK or passed == {name for name in plain if ".msi." not in name}
    else:
        wanted = container if STOCK else container | iommufd
        # Huge pages of 1 GiB are more than the rig has.
        assert {n for n in wanted if "1gb" not in n} <= passed, plain
