# SPDX-License-Identifier: GPL-2.0
"""PCI functions of the rig by sysfs: PFs, their VFs, drivers, groups."""

import os
import subprocess
import time
from pathlib import Path

SRC = Path(__file__).resolve().parents[3]
DEVICES = Path("/sys/bus/pci/devices")
DRIVERS = Path("/sys/bus/pci/drivers")
PF_ID, VF_ID = (0x8086, 0x10C9), (0x8086, 0x10CA)


class Deadline:
    """A time from now on."""

    def __init__(self, seconds):
        self._end = time.monotonic() + seconds

    @property
    def over(self):
        return time.monotonic() > self._end


def wait_for(check, seconds, what, step=0.05):
    """The first true value of check(), or TimeoutError naming `what`."""
    end = Deadline(seconds)
    while True:
        value = check()
        if value:
            return value
        if end.over:
            raise TimeoutError(f"{what}: not within {seconds:g} s")
        time.sleep(step)


def _link_name(path):
    try:
        return os.path.basename(os.readlink(path))
    except OSError:
        return None


class Function:
    """One PCI function, named by its address (0000:01:10.0)."""

    def __init__(self, address):
        self.address = address
        self.path = DEVICES / address

    def __repr__(self):
        return f"Function({self.address})"

    def __eq__(self, other):
        return isinstance(other, Function) and other.address == self.address

    def __hash__(self):
        return hash(self.address)

    def read(self, name):
        return (self.path / name).read_text().strip()

    def write(self, name, value):
        (self.path / name).write_text(f"{value}")

    @property
    def ident(self):
        return int(self.read("vendor"), 16), int(self.read("device"), 16)

    @property
    def driver(self):
        return _link_name(self.path / "driver")

    @property
    def iommu_group(self):
        name = _link_name(self.path / "iommu_group")
        return None if name is None else int(name)

    @property
    def vfio_group(self):
        return f"/dev/vfio/{self.iommu_group}"

    @property
    def vfio_cdev(self):
        """/dev/vfio/devices/vfioN, or None without VFIO_DEVICE_CDEV."""
        names = [p.name for p in (self.path / "vfio-dev").glob("vfio*")]
        return f"/dev/vfio/devices/{names[0]}" if names else None

    @property
    def netdevs(self):
        folder = self.path / "net"
        return sorted(p.name for p in folder.iterdir()) if folder.is_dir() else []

    @property
    def netdev(self):
        names = self.netdevs
        return names[0] if names else None

    def wait_netdev(self, seconds=20):
        """Its interface, when its driver has made one."""
        return wait_for(lambda: self.netdev, seconds, f"netdev of {self.address}")

    def wait_carrier(self, seconds=20):
        """Until its interface, which must be up, has a carrier."""
        carrier = self.path / "net" / self.netdev / "carrier"
        wait_for(lambda: carrier.read_text().strip() == "1", seconds, f"carrier of {self.netdev}")

    @property
    def pf(self):
        name = _link_name(self.path / "physfn")
        return Function(name) if name else None

    @property
    def vfs(self):
        links = sorted(self.path.glob("virtfn*"), key=lambda p: int(p.name[6:]))
        return [Function(_link_name(p)) for p in links]

    @property
    def vf_index(self):
        return self.pf.vfs.index(self)

    @property
    def numvfs(self):
        return int(self.read("sriov_numvfs"))

    @numvfs.setter
    def numvfs(self, count):
        """Going from one count to another needs zero in between."""
        self.write("sriov_drivers_autoprobe", 0)
        if self.numvfs not in (0, count):
            self.write("sriov_numvfs", 0)
        if self.numvfs != count:
            self.write("sriov_numvfs", count)

    def unbind(self):
        if self.driver:
            (self.path / "driver" / "unbind").write_text(self.address)

    def bind(self, driver):
        """Bind to `driver`, whatever its id table says; None only unbinds."""
        if self.driver == driver:
            return
        self.unbind()
        self.write("driver_override", f"{driver or ''}\n")
        if driver:
            # `bind` reports the probe's error; drivers_probe would hide it.
            (DRIVERS / driver / "bind").write_text(self.address)
            if self.driver != driver:
                raise OSError(f"{self.address} did not bind to {driver}")


def find(ident):
    found = [Function(p.name) for p in sorted(DEVICES.iterdir())]
    return [f for f in found if f.ident == ident]


def pfs():
    return find(PF_ID)


def vfs():
    return find(VF_ID)


def loaded(module):
    return Path("/sys/module", module.replace("-", "_")).is_dir()


def modprobe(*words):
    subprocess.run(["modprobe", *words], check=True)


def insmod(path, *params):
    """Load a module file unless a module of that name is loaded."""
    if not loaded(Path(path).stem):
        subprocess.run(["insmod", str(path), *params], check=True)


def built(checkout, part):
    """A module of this project built for the running kernel; one with FAULTS=1 for
    tests that run with it."""
    folder = os.uname().release + ("-faults" if os.environ.get("FAULTS") == "1" else "")
    return Path(checkout) / "build" / folder / part


def load_vfio_driver(driver, checkout, *params):
    """vfio-pci, or the project's mediator and what it needs."""
    modprobe("vfio_iommu_type1")
    if driver == "vfio-pci":
        modprobe("vfio-pci", *params)
    else:
        modprobe("vfio-pci-core")
        insmod(built(checkout, "mediate/mediate.ko"))
        insmod(built(checkout, f"mediate/{driver}.ko"), *params)


def load_kvm():
    """The KVM of the processor that the rig's host has; an emulated AMD one needs help."""
    if "svm" not in Path("/proc/cpuinfo").read_text().split():
        modprobe("kvm_intel")
        return
    modprobe("kvm_amd")
    insmod(built(SRC, "tests/system/modules/test_svm.ko"))
