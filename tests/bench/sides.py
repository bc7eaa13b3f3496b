# SPDX-License-Identifier: GPL-2.0
"""The two ways to move a guest that has a VF: mediation and bonding failover.

What an operator does on the hosts is in Documentation/performance/, one script for
each side, and is run from there.
"""

import contextlib
import time

from conftest import MEDIATOR, SRC, Host
from rigtest import move, pci
from rigtest.guest import Guest
from rigtest.net import Peer, run
from rigtest.pci import wait_for

SCRIPTS = SRC / "Documentation/performance"
GUEST_IP, OUTSIDE_IP = "192.0.2.2", "192.0.2.3"
GUEST_MAC = "02:00:00:00:02:02"
# The VFs that the guest leaves and comes to, of NIC 0 and NIC 1.
VFS, LEAVES, ARRIVES = 4, 0, 3
# QEMU's own limit for how long a guest may stand still.
DOWNTIME_LIMIT_MS = 300
PLUG_SECONDS = 120
# In the guest: whether the VF has a carrier.
CARRIER = "vf() { for n in /sys/class/net/*; do case $(readlink $n/device/driver) in */igbvf) cat $n/carrier 2>/dev/null; " \
          "esac; done; }"
# What igbvf says when its VF has a link, on the console of a guest that is not quiet.
VF_BACK, NOT_QUIET = "igbvf 0000:01:00.0: Link is Up", "loglevel=7"


class Side(contextlib.ExitStack):
    """Two hosts, as one side wants them: a context manager."""

    # The PF's driver, the script, more words for the guest's kernel.
    pf_driver = script = ""
    words = ""

    def __init__(self, host, transport="auto"):
        super().__init__()
        self.host, self.transport = host, transport
        self.nics = host.nics[:2]
        # (time, what was done by then) of a move.
        self.marks = []

    def load(self):
        """The modules of the host."""
        raise NotImplementedError

    def __enter__(self):
        super().__enter__()
        try:
            self.load()
            for nic in self.nics:
                nic.bind(self.pf_driver)
                self.callback(nic.bind, None)
                nic.numvfs = VFS
                self.callback(nic.write, "sriov_numvfs", 0)
                nic.wait_netdev()
                run("sysctl", "-qw", f"net.ipv6.conf.{nic.netdev}.disable_ipv6=1")
            self.outside = Peer(self.host.nics[2].netdev, OUTSIDE_IP, name="outside")
            self.callback(self.outside.close)
            for place in ((0, LEAVES), (1, ARRIVES)):
                self.step("prepare", *place)
                self.callback(self.step, "undo", *place)
            for nic in self.nics:
                nic.wait_carrier()
            self.outside.wait_carrier()
        except BaseException:
            self.close()
            raise
        return self

    def step(self, name, nic, vf):
        """One step of the script on one of the hosts."""
        return run("sh", SCRIPTS / self.script, name, self.nics[nic].netdev, vf, GUEST_MAC)

    def guest(self, name, nic, vf, incoming=False):
        """QEMU on a host."""
        return Guest(name, extra=self.step("devices", nic, vf).split(), append=self.words if not incoming else "",
                     incoming="defer" if incoming else None)

    def source(self):
        """The running guest, reachable from outside."""
        guest = self.enter_context(self.guest("source", 0, LEAVES))
        guest.wait_up()
        self.wait_vf(guest)
        wait_for(lambda: self.outside.ping(GUEST_IP, 1), 60, "the guest's address")
        return guest

    def target(self):
        """QEMU that waits for the guest."""
        return self.enter_context(self.guest("target", 1, ARRIVES, incoming=True))

    def wait_vf(self, guest):
        """Until the guest has a VF with a carrier."""
        guest.run(f"modprobe igbvf; {CARRIER}; until [ \"$(vf)\" = 1 ]; do sleep 0.2; done", timeout=PLUG_SECONDS)

    def move(self, source, target):
        """Moves the guest; a Moved, and when the guest had its VF again."""
        raise NotImplementedError


class Mediated(Side):
    """The VF goes along."""

    name, pf_driver, script = "mediated", "igb_rs", "mediated.sh"
    words = f"vf.ip={GUEST_IP}/24 {NOT_QUIET}"

    def load(self):
        self.host.load("mediate", "igb_rs")
        pci.load_vfio_driver(MEDIATOR, SRC, f"transport={self.transport}")
        pci.load_kvm()

    def move(self, source, target):
        moved = move.migrate(source, target, downtime_limit=DOWNTIME_LIMIT_MS)
        return moved, moved.when("target", "RESUME")


class Failover(Side):
    """The guest gives its VF back, goes on with virtio-net, and gets another VF."""

    name, pf_driver, script = "failover", "igb", "failover.sh"
    words = f"vn.ip={GUEST_IP}/24 {NOT_QUIET}"

    def load(self):
        pci.modprobe("igb")
        pci.modprobe("vhost_net")
        pci.modprobe("macvtap")
        pci.load_vfio_driver("vfio-pci", SRC)
        pci.load_kvm()

    def guest(self, name, nic, vf, incoming=False):
        guest = super().guest(name, nic, vf, incoming)
        index = run("cat", f"/sys/class/net/sb-{self.nics[nic].netdev}/ifindex").strip()
        guest.command = ["sh", "-c", f'exec "$@" 3<>/dev/tap{index}', "sh", *guest.command]
        return guest

    def target(self):
        target = super().target()
        # No guest has this VF yet.
        self.step("vf-left", 1, ARRIVES)
        return target

    def move(self, source, target):
        moved = move.start(source, target, downtime_limit=DOWNTIME_LIMIT_MS)
        wait_for(lambda: source.qmp.command("query-migrate").get("status") not in ("setup", "wait-unplug"),
                 PLUG_SECONDS, "the guest's giving its VF back", 0.01)
        self.marks.append((time.monotonic(), "operator: told by QEMU"))
        self.step("vf-left", 0, LEAVES)
        self.marks.append((time.monotonic(), "operator: standby's address added"))
        moved = move.finish(moved, source, target)
        assert moved.completed, f"{moved.status}: {moved.error}"
        target.wait_console(VF_BACK, PLUG_SECONDS)
        back = time.monotonic()
        self.marks.append((back, "VF back"))
        self.step("vf-back", 1, ARRIVES)
        return moved, back


SIDES = (Mediated, Failover)


def fresh_host():
    """The rig's host with nothing loaded, and its outside NIC driven by the kernel's igb."""
    host = Host()
    host.clean()
    pci.modprobe("igb")
    host.nics[2].bind("igb")
    return host
