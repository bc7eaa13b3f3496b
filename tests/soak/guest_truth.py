# SPDX-License-Identifier: GPL-2.0
"""A real guest's memory after a move: stock QEMU with its normal settings moves a stock
guest that receives all it can, and what it has received is read only where it arrives.

All of the guest's memory is compared on both sides before it goes on, and then with what
was sent to it: datagrams lie in a socket's buffer where the NIC has put them, for the sums
are the NIC's business, and nobody has looked at them. Each is read after the move, and each
byte of it verified. A page that the VF wrote after QEMU had sent it, and that was not told,
holds something else.

With FAULTS=1 the driver does not tell of every tenth page, so that rounds must fail.
"""

import contextlib
import json
import os
import socket
import subprocess
import threading

from conftest import SRC
from rigtest import move
from rigtest.net import run
from rigtest.pci import wait_for
from rigtest.ram import stale_pages
from rigtest.stage import GUEST_IP, OUTSIDE_IP, Stage

ROUNDS = 100
NICS = 3
PROGRAM = SRC / "build/target/release/datagrams"
PORT, BESIDE, DOWNLOAD = 7001, 7002, 7003
SOCKET_BYTES = 16 << 20
# The longest ring of igbvf's: what QEMU sends of it before it is filled is what is written
# afterwards by the VF alone.
RING = 4096
# From here on igbvf has headers split off and the rest put into halves of pages that no
# processor writes: that the VF has written them, only the VF's driver can tell. Below it the
# processor writes each buffer's page when it makes the buffer, and QEMU knows by itself.
MTU = 2100
# Something else in the guest that writes memory: so many bytes, and then a rest. Without it
# QEMU has so little to send in its second pass that hardly a datagram comes meanwhile, and
# only what comes after a page was sent for the last time can be missed.
WORK_BYTES, WORK_REST_SECONDS = 24 << 20, 8
# Numbered datagrams that have room there, and with some of it left; how many of them there
# are per second at first, and later so that they come until the guest has arrived.
ROOM = 6000
RATE, RATES = 120, (20, 3000)
# So many lie there at least, or the round has shown little.
LEAST = 500
# QEMU's own default.
DOWNTIME_LIMIT_MS = 300
READ_SECONDS = 120


class Load:
    """Datagrams from outside, as fast as they go."""

    def __init__(self, peer, number, rate, folder):
        self.stop_file = folder / f"stop-{number}"
        words = [PROGRAM, "send", f"{GUEST_IP}:{PORT}", f"{GUEST_IP}:{BESIDE}", "--run", number, "--rate", rate, "--until",
                 self.stop_file]
        with peer.inside():
            self.process = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, text=True)
        self.sent = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop_file.touch()
        try:
            self.sent = json.loads(self.process.communicate(timeout=60)[0])
        finally:
            self.process.kill()
            self.stop_file.unlink()


class Journey:
    """The guest under way."""

    def __init__(self, host):
        self.stack = contextlib.ExitStack()
        host.load("mediate", "igb_rs")
        faults = run("modinfo", "-F", "faults", host.path("igb_rs")).strip()
        assert faults == os.environ.get("FAULTS", ""), f"the driver was built with faults={faults!r}"
        for nic in host.nics:
            nic.bind("igb_rs")
        self.stage = self.stack.enter_context(Stage(SRC, host.nics, transport="kvm"))
        self.places = [self.stage.place(0, 0), self.stage.place(1, 3)]
        self.at = self.moves = 0
        self.rate = RATE
        self.guest = self.stage.guest("guest-0", self.places[0]).start()
        self.stack.callback(lambda: self.guest.kill())
        self.guest.wait_up()
        netdev = self.guest.vf_netdev
        self.guest.run(f"ethtool -G {netdev} rx {RING} && ip link set {netdev} mtu {MTU}")
        self.guest.wait_up()
        features = self.guest.run(f"ethtool -k {netdev}")
        assert "rx-checksumming: on" in features, features
        self.guest.run(f"echo {SOCKET_BYTES} >/proc/sys/net/core/rmem_default")
        self.download()

    def download(self):
        """The program, into the guest."""
        with self.stage.outside.inside():
            server = socket.create_server((OUTSIDE_IP, DOWNLOAD))

        def serve():
            with server, server.accept()[0] as client:
                client.sendall(PROGRAM.read_bytes())
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        self.guest.run(f"nc {OUTSIDE_IP} {DOWNLOAD} </dev/null >/tmp/datagrams && chmod +x /tmp/datagrams && /tmp/datagrams --help")
        thread.join()

    def step(self, number):
        self.guest.run(f"rm -f /tmp/go; /tmp/datagrams keep {PORT} --run {number} --until /tmp/go >/tmp/kept 2>&1 &")
        copies = WORK_BYTES // PROGRAM.stat().st_size + 1
        self.guest.run(f"while [ ! -e /tmp/go ]; do for i in $(seq {copies}); do cat /tmp/datagrams; done >/tmp/work; "
                       f"sleep {WORK_REST_SECONDS}; done >/dev/null 2>&1 &")
        wait_for(lambda: f":{PORT} " in self.guest.run("netstat -lnu"), 20, "the receiver in the guest")
        there = 1 - self.at
        self.moves += 1
        # It stands still until its memory has been looked at.
        target = self.stage.guest(f"guest-{self.moves}", self.places[there], incoming=True, extra=["-S"]).start()
        try:
            with Load(self.stage.outside, number, self.rate, self.guest.folder) as load:
                moved = move.finish(move.start(self.guest, target, downtime_limit=DOWNTIME_LIMIT_MS), self.guest)
                assert moved.completed, moved.error
                counts = {name: int(self.places[self.at].debugfs(name)) for name in ("trapped_writes", "dirty_pages")}
                wait_for(lambda: target.qmp.command("query-status")["status"] == "paused", 60, "the guest's arrival")
                stale = stale_pages(self.guest, target)
                print(f"round {number}: {len(stale)} pages are stale {stale[:20]}", flush=True)
                target.qmp.command("cont")
        except BaseException:
            target.kill()
            raise
        source, self.guest, self.at = self.guest, target, there
        source.leave()
        kept = self.read()
        ram = moved.info["ram"]
        self.rate = min(max(int(ROOM / load.sent["seconds"]), RATES[0]), RATES[1])
        print(f"round {number}: {kept['read']} datagrams verified of {load.sent['sent']} ({load.sent['others']} beside them), "
              f"{kept['wrong']} wrong; {ram['dirty-sync-count']} passes in {moved.info['total-time']} ms, down for "
              f"{moved.info['downtime']} ms; {counts}", flush=True)
        assert kept["passed"], kept
        assert not stale
        assert kept["read"] >= LEAST, kept
        assert min(counts.values()) > 0, counts

    def read(self):
        """What the receiver says of what lay there."""
        self.guest.run("touch /tmp/go")
        wait_for(lambda: not self.guest.run("pidof datagrams || true").strip(), READ_SECONDS, "the receiver's end", 0.5)
        text = self.guest.run("cat /tmp/kept")
        errors = self.guest.run("grep ^Udp: /proc/net/snmp").splitlines()
        counters = dict(zip(errors[0].split(), errors[1].split()))
        # Else they were thrown away, and not found wrong.
        assert counters["InCsumErrors"] == "0", counters
        return json.loads(text)


journey = None


def round(host, n):
    global journey
    if journey is None:
        journey = Journey(host)
    journey.step(n + 1)


def finish(_host):
    global journey
    if journey is not None:
        ended, journey = journey, None
        ended.stack.close()
