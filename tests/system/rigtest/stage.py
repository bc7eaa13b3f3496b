# SPDX-License-Identifier: GPL-2.0
"""Where guests move: NICs on one wire, VFs to run on, and who watches.

NIC 0 and NIC 1 carry guests; NIC 2 is the outside, in a network namespace of
its own; VF 1 of NIC 0 is a neighbour of the guest's, in another namespace.
"""

import contextlib
import subprocess
from pathlib import Path

from . import pci
from .guest import Guest
from .net import Peer, run

MEDIATOR = "vfio_pci_mediate"
PREFIX = "192.0.2."
PF_IP, GUEST_IP, OUTSIDE_IP, NEIGHBOUR_IP = (PREFIX + str(n) for n in (1, 2, 3, 4))
GUEST_MAC = "02:00:00:00:02:02"
VLAN = 100
VLAN_GUEST_IP, VLAN_OUTSIDE_IP = "198.51.100.2", "198.51.100.3"
VFS = 4


class Place:
    """A VF that a guest can run on."""

    def __init__(self, nic, index):
        self.nic, self.index = nic, index
        self.vf = nic.vfs[index]

    def admin(self, *words):
        """One setting of the administrator's for the VF."""
        run("ip", "link", "set", self.nic.netdev, "vf", self.index, *words)

    def debugfs(self, name):
        return Path("/sys/kernel/debug/vfio_pci_mediate", self.vf.address, name).read_text().strip()


class Stage(contextlib.ExitStack):
    """Everything but the guests; a context manager."""

    def __init__(self, checkout, nics=None, transport="auto"):
        super().__init__()
        self.nics = nics or pci.pfs()
        pci.load_vfio_driver(MEDIATOR, checkout, f"transport={transport}")
        pci.load_kvm()

    def __enter__(self):
        super().__enter__()
        try:
            self._set_up()
        except BaseException:
            self.close()
            raise
        return self

    def _set_up(self):
        first, second, third = self.nics[:3]
        for nic in self.nics:
            nic.numvfs = VFS
        self.outside = self._peer("outside", third.netdev, OUTSIDE_IP)
        self.outside.ip("link", "add", "link", self.outside.netdev, "name", "vlan", "type", "vlan", "id", VLAN)
        self.outside.ip("link", "set", "vlan", "up")
        self.outside.ip("addr", "add", f"{VLAN_OUTSIDE_IP}/24", "dev", "vlan")
        run("ip", "addr", "replace", f"{PF_IP}/24", "dev", first.netdev)
        for nic in (first, second):
            run("sysctl", "-qw", f"net.ipv6.conf.{nic.netdev}.disable_ipv6=1")
            run("ip", "link", "set", nic.netdev, "up")
        pci.modprobe("igbvf")
        neighbour = first.vfs[1]
        neighbour.bind("igbvf")
        self.callback(neighbour.bind, None)
        self.neighbour = self._peer("neighbour", neighbour.wait_netdev(), NEIGHBOUR_IP)
        for nic in (first, second):
            nic.wait_carrier()
        self.outside.wait_carrier()
        self.neighbour.wait_carrier()

    def _peer(self, name, netdev, address):
        peer = Peer(netdev, address, name=name)
        self.callback(peer.close)
        return peer

    def place(self, nic, index, mac=GUEST_MAC):
        """A VF for a guest, bound to the mediator."""
        place = Place(self.nics[nic], index)
        place.admin("mac", mac)
        place.vf.bind(MEDIATOR)
        self.callback(place.vf.bind, None)
        return place

    def guest(self, name, place, *, address=GUEST_IP, incoming=False, also=None, extra=(), **options):
        """A guest on a place, and with a second VF on `also`; `incoming`: one that
        waits for a migration."""
        options.setdefault("vfio", "enable-migration=on")
        extra = list(extra)
        if also is not None:
            extra += ["-device", "pcie-root-port,id=port1,slot=1,chassis=1",
                      "-device", f"vfio-pci,id=vf1,bus=port1,host={also.vf.address},{options['vfio']}"]
        return Guest(name, vf=place.vf, incoming="defer" if incoming else None, extra=extra,
                     ip=None if incoming else f"{address}/24", **options)

    def reached(self, count=5):
        """Who reaches the guest's address: name → answers of `count`."""
        local = subprocess.run(["ip", "neigh", "flush", "dev", self.nics[0].netdev], capture_output=True, text=True)
        assert local.returncode == 0, local.stderr
        words = ["ping", "-q", "-c", str(count), "-i", "0.1", "-W", "2", GUEST_IP]
        text = subprocess.run(words, capture_output=True, text=True).stdout
        return {"outside": self.outside.ping(GUEST_IP, count), "pf": int(text.split(" received")[0].rsplit(" ", 1)[1]),
                "neighbour": self.neighbour.ping(GUEST_IP, count)}


def link_identity(guest):
    """What would change if the guest's driver had started anew."""
    netdev = guest.vf_netdev
    base = f"/sys/class/net/{netdev}"
    words = f"cat {base}/ifindex {base}/address {base}/carrier_changes; dmesg | grep -c igbvf"
    ifindex, mac, changes, lines = guest.run(words).split()
    return {"netdev": netdev, "ifindex": int(ifindex), "mac": mac, "carrier_changes": int(changes),
            "log_lines": int(lines)}
