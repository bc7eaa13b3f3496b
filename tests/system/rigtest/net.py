# SPDX-License-Identifier: GPL-2.0
"""Network interfaces in namespaces of their own, and traffic between them."""

import contextlib
import itertools
import json
import os
import re
import socket
import struct
import subprocess
import threading
from pathlib import Path

from .pci import Deadline, wait_for

IPERF_PORT = 5201


def run(*words, check=True, timeout=120, **options):
    """Output of a command; its failure raises."""
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout, **options)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Peer:
    """An interface in its own namespace, with one address."""

    _numbers = itertools.count()

    def __init__(self, netdev, address, mtu=1500, name=None):
        # The same interface's name may be given anew while it is in here.
        self.name = name or f"peer{next(Peer._numbers)}"
        self.netdev, self.address = netdev, address
        try:
            run("ip", "netns", "add", self.name)
            run("ip", "link", "set", netdev, "netns", self.name)
            # A VF hears its own multicasts in the model: no duplicate detection.
            with self.inside(), contextlib.suppress(OSError):
                Path(f"/proc/sys/net/ipv6/conf/{netdev}/disable_ipv6").write_text("1")
            self.batch("link set lo up", f"link set {netdev} mtu {mtu} up", f"addr add {address}/24 dev {netdev}")
        except BaseException:
            self.close()
            raise

    @contextlib.contextmanager
    def inside(self):
        """This thread, and what it starts, in the namespace; /sys stays as it is."""
        with open("/proc/thread-self/ns/net", encoding="ascii") as home, \
                open(f"/run/netns/{self.name}", encoding="ascii") as there:
            os.setns(there.fileno(), os.CLONE_NEWNET)
            try:
                yield
            finally:
                os.setns(home.fileno(), os.CLONE_NEWNET)

    def __call__(self, *words, **options):
        with self.inside():
            return run(*words, **options)

    def popen(self, *words, output=subprocess.DEVNULL):
        """A command that runs beside the test; a context manager. `output`: the file of all that it says."""
        with self.inside():
            return subprocess.Popen([str(w) for w in words], stdout=output, stderr=output)

    def ip(self, *words, **options):
        return run("ip", "-n", self.name, *words, **options)

    def batch(self, *lines, **options):
        """Several `ip` commands for the start of one process."""
        return self.ip("-batch", "-", input="\n".join(lines) + "\n", **options)

    def link(self):
        """What `ip` says of the interface, with statistics."""
        return json.loads(self.ip("-j", "-s", "link", "show", self.netdev))[0]

    def received(self):
        """Packets that the interface has received."""
        return self.link()["stats64"]["rx"]["packets"]

    def counters(self):
        """What `ethtool -S` says."""
        found = re.findall(r"^ +(\w+): (\d+)$", self("ethtool", "-S", self.netdev), re.M)
        return {name: int(value) for name, value in found}

    def registers(self):
        """The words of `ethtool -d`, as igb_rs has them (pf/diagnose.rs)."""
        text = self("ethtool", "-d", self.netdev, "hex", "on")
        dump = bytes.fromhex("".join(re.findall(r"^0x[0-9a-f]+:\s+((?:[0-9a-f]{2} ?)+)", text, re.M)))
        return [word for word, in struct.iter_unpack("<I", dump)]

    def send_from(self, processors, queue):
        """Has `queue` send for these processors (XPS), and for no other. Processors without a queue go by the hash."""
        mask = sum(1 << processor for processor in processors)
        # Only there /sys is of the namespace.
        self("ip", "netns", "exec", self.name, "sh", "-c", "echo $2 >/sys/class/net/$0/queues/tx-$1/xps_cpus",
             self.netdev, queue, f"{mask:x}")

    def has_carrier(self):
        # A VF's driver may be about to come or go.
        text = self.ip("-j", "link", "show", self.netdev, check=False)
        return bool(text) and "LOWER_UP" in json.loads(text)[0]["flags"]

    def wait_carrier(self, seconds=30):
        wait_for(self.has_carrier, seconds, f"carrier of {self.netdev}")
        return self

    def down(self):
        self.ip("link", "set", self.netdev, "down")

    def up(self):
        """Up, and with a carrier."""
        self.ip("link", "set", self.netdev, "up")
        return self.wait_carrier()

    def add_vlan(self, vid, address):
        """A VLAN interface vVID with an address."""
        self.batch(f"link add link {self.netdev} name v{vid} type vlan id {vid}",
                   f"addr add {address}/24 dev v{vid}", f"link set v{vid} up")

    def ping(self, address, count=5, size=56, extra=(), wait=1):
        """Answers that came, of `count`; the first may be lost to ARP."""
        text = self("ping", "-q", "-n", "-c", count, "-i", "0.1", "-W", wait, "-s", size, *extra, address, check=False)
        return int(text.split(" received")[0].rsplit(" ", 1)[1]) if " received" in text else 0

    def all_answered(self, address, count=3, **options):
        """Whether every packet is answered, however late. One at a time: once ping has had an answer it
        waits for the others no longer than twice as long, or its interval."""
        return all(self.ping(address, count=1, wait=10, **options) for _ in range(count))

    def reaches(self, address, seconds=30, count=5, **options):
        """Whether the address answers, at the latest after `seconds`, and goes on to."""
        # A neighbour that did not answer before is asked anew: packets that wait
        # for its last failing try would be dropped with it.
        self.ip("neigh", "flush", "dev", self.netdev, check=False)
        end = Deadline(seconds)
        while not self.ping(address, count=1):
            if end.over:
                return False
        # A busy machine answers late, and all the same; see all_answered().
        return sum(self.ping(address, count=1, wait=5, **options) for _ in range(count)) >= count - 1

    def close(self):
        """Give the interface back, as the driver made it."""
        self.batch(f"link set {self.netdev} down", f"addr flush dev {self.netdev}", f"link set {self.netdev} netns 1",
                   check=False)
        run("ip", "netns", "del", self.name, check=False)


@contextlib.contextmanager
def peers(*pairs, mtu=1500):
    """Peers for (netdev, address) pairs, each with a carrier."""
    with contextlib.ExitStack() as stack:
        made = []
        for netdev, address in pairs:
            peer = Peer(netdev, address, mtu)
            stack.callback(peer.close)
            made.append(peer)
        for peer in made:
            peer.wait_carrier()
        yield made


@contextlib.contextmanager
def running(process):
    """A process that ends with the block."""
    with process:
        try:
            yield process
        finally:
            process.terminate()


def listens(peer, port):
    """Whether somebody in the namespace accepts TCP connections on a port."""
    with peer.inside():
        lines = Path("/proc/thread-self/net/tcp").read_text().splitlines()[1:]
    return any(fields[1].endswith(f":{port:04X}") and fields[3] == "0A" for fields in map(str.split, lines))


@contextlib.contextmanager
def iperf3_server(peer):
    """One that serves one client."""
    with running(peer.popen("iperf3", "-s", "-1", "-B", peer.address)):
        wait_for(lambda: listens(peer, IPERF_PORT), 60, "iperf3 listens")
        yield


def iperf3_rate(text):
    """Bits per second that the receiver saw, of a client's JSON."""
    end = json.loads(text)["end"]
    return end.get("sum_received", end.get("sum", {}))["bits_per_second"]


def iperf3(server, client, *options, seconds=2):
    """Bits per second that the receiver saw."""
    with iperf3_server(server):
        return iperf3_rate(client("iperf3", "-J", "-t", seconds, "-c", server.address, "--connect-timeout", "20000",
                                  *options, timeout=seconds + 100))


def transfer(sender, receiver, size=300_000, address=None):
    """Sends random bytes by TCP, to another address of the receiver's if one is given, and compares."""
    data = os.urandom(size)
    with receiver.inside():
        server = socket.create_server((address or receiver.address, 0))
    with sender.inside():
        client = socket.socket()
    with server, client:
        for sock in (server, client):
            sock.settimeout(60)
        client.connect(server.getsockname())
        thread = threading.Thread(target=lambda: (client.sendall(data), client.shutdown(socket.SHUT_WR)))
        thread.start()
        with server.accept()[0] as incoming:
            incoming.settimeout(60)
            got = b"".join(iter(lambda: incoming.recv(1 << 16), b""))
        thread.join()
    assert got == data


def exercise(first, second, seconds=1):
    """Ping, TCP and UDP both ways."""
    assert first.reaches(second.address) and second.reaches(first.address)
    for server, client in ((first, second), (second, first)):
        tcp = iperf3(server, client, seconds=seconds)
        udp = iperf3(server, client, "-u", "-b", "2M", "-l", "1200", seconds=seconds)
        # Emulated, and with KASAN: that packets flow, not how fast.
        assert tcp > 2e5 and udp > 1e5, (tcp, udp)
