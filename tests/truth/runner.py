# SPDX-License-Identifier: GPL-2.0
"""Run `vfclient truth` inside the rig, for one channel and each transport in turn: on VF 0
of the first NIC, with packets from VF 1, which vfio-pci has. Writes
build/truth/TRANSPORT-CHANNEL.json and exits with 0 if vfclient did each time."""

import argparse
import subprocess
import sys
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

VFCLIENT = SRC / "build/target/release/vfclient"
FOLDER = SRC / "build/truth"
TRANSPORTS = ("kvm", "region", "fixed")


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


def compare(transport, channel, seeds, seed):
    """vfclient's status, after so many seeds from that one on."""
    host, guest, peer = prepare(transport)
    # A container has the scope, devices have the log whatever they get memory from.
    backend = "container,iommufd" if channel == "log" else "container"
    print(f"truth: {transport}, {channel}, {seeds} seeds", flush=True)
    with open(FOLDER / f"{transport}-{channel}.json", "w") as report:
        done = subprocess.run([VFCLIENT, "truth", guest.address, "--peer", peer.address, "--transport", transport,
                               "--channel", channel, "--backend", backend, "--seeds", str(seeds), "--seed", str(seed)],
                              stdout=report, check=False)
    host.clean()
    return done.returncode


def transport_and_seeds(word):
    """TRANSPORT=SEEDS."""
    transport, _, seeds = word.partition("=")
    if transport not in TRANSPORTS:
        raise ValueError(word)
    return transport, int(seeds)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("channel", choices=("log", "scope"))
    parser.add_argument("seed", type=int)
    parser.add_argument("counts", nargs="+", type=transport_and_seeds, metavar="TRANSPORT=SEEDS")
    options = parser.parse_args()
    FOLDER.mkdir(parents=True, exist_ok=True)
    statuses = [compare(transport, options.channel, seeds, options.seed) for transport, seeds in options.counts]
    return max(statuses)


if __name__ == "__main__":
    sys.exit(main())
