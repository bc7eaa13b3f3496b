# SPDX-License-Identifier: GPL-2.0
"""Run `vfclient truth` inside the rig, for one transport and one channel: on VF 0
of the first NIC, with packets from VF 1, which vfio-pci has. Writes
build/truth/TRANSPORT-CHANNEL.json and exits as vfclient does."""

import argparse
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

VFCLIENT = SRC / "build/target/release/vfclient"


def prepare(transport):
    """The guest's VF and its peer."""
    from conftest import MEDIATOR, Host
    from rigtest import pci
    host = Host()
    host.clean()
    pci.load_vfio_driver("vfio-pci", SRC)
    if transport == "kvm":
        pci.load_kvm()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver(MEDIATOR, SRC, f"transport={transport}")
    nic = host.nics[0]
    guest, peer = host.make_vfs(nic, "igb_rs", 2)
    guest.bind(MEDIATOR)
    peer.bind("vfio-pci")
    subprocess.run(["ip", "link", "set", nic.netdev, "mtu", "9000", "up"], check=True)
    nic.wait_carrier()
    return host, guest, peer


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("transport", choices=("kvm", "region", "fixed"))
    parser.add_argument("channel", choices=("log", "scope"))
    parser.add_argument("seeds", type=int)
    parser.add_argument("seed", type=int)
    options = parser.parse_args()
    host, guest, peer = prepare(options.transport)
    # A container has the scope, devices have the log whatever they get memory from.
    backend = "container,iommufd" if options.channel == "log" else "container"
    folder = SRC / "build/truth"
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / f"{options.transport}-{options.channel}.json", "w") as report:
        done = subprocess.run([VFCLIENT, "truth", guest.address, "--peer", peer.address, "--transport", options.transport,
                               "--channel", options.channel, "--backend", backend, "--seeds", str(options.seeds), "--seed", str(options.seed)],
                              stdout=report, check=False)
    host.clean()
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
