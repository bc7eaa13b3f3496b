# SPDX-License-Identifier: GPL-2.0
"""Unmodified QEMU and an unmodified Debian guest on a mediated VF."""

import subprocess

import pytest

from conftest import MEDIATOR
from rigtest import pci
from rigtest.guest import Guest


@pytest.mark.parametrize("pf_driver", ("igb", "igb_rs"))
def test_igbvf_comes_up_and_pings_in_a_guest(host, pf_driver):
    """With in-tree igb there is no provider, and the mediator is vfio-pci."""
    host.load("mediate", MEDIATOR)
    if pf_driver == "igb":
        pci.modprobe("igb")
    else:
        host.load("igb_rs")
    pci.load_kvm()
    nic = host.nics[0]
    vf = host.make_vfs(nic, pf_driver, 1)[0]
    subprocess.run(["ip", "addr", "replace", "192.0.2.1/24", "dev", nic.netdev], check=True)
    subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    vf.bind(MEDIATOR)
    with Guest("guest", vf=vf, ip="192.0.2.2/24") as guest:
        guest.wait_up()
        assert "igbvf" in guest.run("readlink /sys/class/net/*/device/driver")
        assert " 0% packet loss" in guest.run("ping -c 20 -i 0.1 -w 30 192.0.2.1")
        ping = subprocess.run(["ping", "-c", "20", "-i", "0.1", "-w", "30", "192.0.2.2"],
                              capture_output=True, text=True)
        assert " 0% packet loss" in ping.stdout
        # A guest that resets its NIC and comes up again.
        guest.run(f"ip link set {guest.vf_netdev} down; ip link set {guest.vf_netdev} up", timeout=60)
        guest.wait_up()
        guest.run("ping -c 3 -w 30 192.0.2.1")
        assert guest.stop()
    vf.bind(None)
