# SPDX-License-Identifier: GPL-2.0
"""A guest goes from one host to another and back, over the hosts' own network.

Two rigs on one emulated network. One runs the soak runner with this part; the
other runs this file, which serves what the first asks of it.
"""

import sys
import time
import xmlrpc.client
from pathlib import Path
from xmlrpc.server import SimpleXMLRPCServer

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "tests/system"))

from conftest import host_of_igb_rs  # noqa: E402
from rigtest import move, pci  # noqa: E402
from rigtest.guest import Guest  # noqa: E402
from rigtest.net import Peer, run  # noqa: E402

ROUNDS = 5
NICS = 2
RIGS = 2
ADDRESSES = ("192.0.2.1", "192.0.2.11")
OUTSIDE_IP, GUEST_IP, GUEST_MAC = "192.0.2.3", "192.0.2.2", "02:00:00:00:02:02"
RPC_PORT, MIGRATION_PORT = 8000, 4444
PEER_SECONDS = 300


class Side:
    """One host with the one VF that the guest can run on."""

    def __init__(self, address):
        self.address, self.guest, self.moved = address, None, None
        self.host = host_of_igb_rs()
        pci.load_vfio_driver("vfio_pci_mediate", SRC, "transport=fixed")
        pci.load_kvm()
        self.nic = self.host.nics[0]
        self.nic.numvfs = 2
        run("ip", "addr", "replace", f"{address}/24", "dev", self.nic.netdev)
        run("ip", "link", "set", self.nic.netdev, "up")
        run("ip", "link", "set", self.nic.netdev, "vf", 0, "mac", GUEST_MAC)
        self.nic.vfs[0].bind("vfio_pci_mediate")

    def _new(self, **options):
        return Guest(f"guest-{time.monotonic_ns()}", vf=self.nic.vfs[0], vfio="enable-migration=on", **options).start()

    def boot(self):
        self.guest = self._new(ip=f"{GUEST_IP}/24").wait_up()
        return True

    def wait_for_guest(self):
        self.guest = self._new(incoming="defer")
        self.guest.qmp.command("migrate-incoming", uri=f"tcp:{self.address}:{MIGRATION_PORT}")
        return True

    def send_guest(self, address):
        moved = move.finish(move.start(self.guest, uri=f"tcp:{address}:{MIGRATION_PORT}"), self.guest)
        if not moved.completed:
            raise RuntimeError(f"{moved.status}: {moved.error}")
        self.guest.leave()
        self.guest = None
        return moved.info["downtime"]

    def wait_running(self):
        pci.wait_for(lambda: self.guest.qmp.command("query-status")["status"] == "running", 60, "the guest")
        return True

    def note(self, words):
        """The kernel's file /tmp/note in the guest, to tell it is the same one."""
        self.guest.run(f"echo {words} >>/tmp/note")
        return self.guest.run("cat /tmp/note")

    def end(self):
        if self.guest is not None:
            self.guest.stop()
            self.guest = None
        self.nic.vfs[0].bind(None)
        self.host.clean()
        return True


class Journey:
    """Both sides, and the outside, which is NIC 1 of the first."""

    def __init__(self):
        self.here = Side(ADDRESSES[0])
        self.outside = Peer(self.here.host.nics[1].netdev, OUTSIDE_IP, name="outside").wait_carrier()
        proxy = xmlrpc.client.ServerProxy(f"http://{ADDRESSES[1]}:{RPC_PORT}", allow_none=True)
        self.there = pci.wait_for(lambda: self._answers(proxy) and proxy, PEER_SECONDS, "the other host", 1)
        self.here.boot()

    @staticmethod
    def _answers(proxy):
        try:
            return proxy.system.listMethods()
        except OSError:
            return None

    def move(self, source, target, address, words):
        target.wait_for_guest()
        downtime = source.send_guest(address)
        target.wait_running()
        pci.wait_for(lambda: self.outside.reaches(GUEST_IP), 30, "answers of the guest")
        print(f"{words}: QEMU's downtime {downtime} ms; guest's note: {target.note(words).split()}", flush=True)

    def end(self):
        self.outside.close()
        self.there.end()
        self.here.end()


journey = None


def round(_host, n):
    global journey
    if journey is None:
        journey = Journey()
    journey.move(journey.here, journey.there, ADDRESSES[1], f"there-{n}")
    journey.move(journey.there, journey.here, ADDRESSES[0], f"back-{n}")
    notes = journey.here.note(f"end-{n}").split()
    assert len(notes) == 3 * (n + 1), notes


def finish(_host):
    global journey
    if journey is not None:
        ended, journey = journey, None
        ended.end()


def serve():
    """The second host: until it was told to end."""
    side = Side(ADDRESSES[1])
    ended = []
    with SimpleXMLRPCServer((ADDRESSES[1], RPC_PORT), allow_none=True, logRequests=False) as server:
        server.register_introspection_functions()
        for call in (side.boot, side.wait_for_guest, side.send_guest, side.wait_running, side.note):
            server.register_function(call)
        server.register_function(lambda: ended.append(True) or True, "end")
        while not ended:
            server.handle_request()
    # The answer goes by the NIC that is given back here.
    side.end()


if __name__ == "__main__":
    serve()
