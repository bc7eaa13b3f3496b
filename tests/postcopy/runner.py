# SPDX-License-Identifier: GPL-2.0
"""Run `vfclient postcopy` inside the rig: from VF 0 of the first NIC to VF 0 of the
second, with packets to and from VF 1 of the first, which vfio-pci has. Writes
build/postcopy/TRANSPORT.json for each transport, with the IOMMU's faults beside what
vfclient says, and exits with 0 if all passed."""

import argparse
import json
import re
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

VFCLIENT = SRC / "build/target/release/vfclient"
# The IOMMU refused a device: DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr …
FAULT = re.compile(r"DMAR: .*(?:fault addr|fault index)|AMD-Vi: .*IO_PAGE_FAULT")


def count_faults(log):
    """How often the IOMMU refused a device, as far as the kernel says so."""
    return len(FAULT.findall(log))


def prepare(transport):
    """The host, the guest's VF, where it goes, and its peer."""
    from conftest import MEDIATOR, Host
    from rigtest import pci
    host = Host()
    host.clean()
    pci.load_vfio_driver("vfio-pci", SRC)
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, f"transport={transport}")
    vfs = []
    for nic in host.nics[:2]:
        vfs.append(host.make_vfs(nic, "igb_rs", 2))
        subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    for nic in host.nics[:2]:
        nic.wait_carrier()
    (source, peer), (target, _) = vfs
    source.bind(MEDIATOR)
    target.bind(MEDIATOR)
    peer.bind("vfio-pci")
    return host, source, target, peer


def run(transport, seeds, seed):
    """What vfclient says, and how often the IOMMU refused a device."""
    host, source, target, peer = prepare(transport)
    mark = host.log_mark()
    done = subprocess.run([VFCLIENT, "postcopy", "--from", source.address, "--to", target.address,
                           "--peer", peer.address, "--seeds", str(seeds), "--seed", str(seed)],
                          stdout=subprocess.PIPE, text=True, check=False)
    faults = count_faults(host.log_since(mark))
    try:
        report = json.loads(done.stdout)
    except ValueError:
        report = {"seeds": 0, "prefaults": 0, "wrong_bytes": 0, "wrong": [f"vfclient: status {done.returncode}"],
                  "passed": False}
    report |= {"transport": transport, "iommu_faults": faults}
    report["passed"] = bool(report["passed"]) and not faults
    host.clean()
    return report


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("seeds", type=int)
    parser.add_argument("seed", type=int)
    parser.add_argument("transports", nargs="+", choices=("region", "fixed"))
    options = parser.parse_args()
    folder = SRC / "build/postcopy"
    folder.mkdir(parents=True, exist_ok=True)
    passed, first, left = True, options.seed, options.seeds
    for number, transport in enumerate(options.transports):
        share = -(-left // (len(options.transports) - number))
        report = run(transport, share, first)
        (folder / f"{transport}.json").write_text(json.dumps(report, indent=1) + "\n")
        passed &= report["passed"]
        first, left = first + share, left - share
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
