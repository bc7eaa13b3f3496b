# SPDX-License-Identifier: GPL-2.0
"""Network interfaces in namespaces of their own, and traffic between them."""

import contextlib
import json
import subprocess
import time

from .pci import wait_for


def run(*words, check=True, timeout=120):
    done = subprocess.run([str(w) for w in words], capture_output=True, text=True, timeout=timeout)
    if check and done.returncode:
        raise AssertionError(f"{' '.join(map(str, words))} ended with {done.returncode}:\n{done.stdout}{done.stderr}")
    return done.stdout


class Peer:
    """An interface in its own namespace, with one address."""

    def __init__(self, netdev, address, mtu=1500, name=None):
        self.name = name or f"peer-{netdev}"
        self.netdev, self.address = netdev, address
        run("ip", "netns", "add", self.name)
        run("ip", "link", "set", netdev, "netns", self.name)
        self.ip("link", "set", "lo", "up")
        # A VF hears its own multicasts in the model: no duplicate detection.
        self("sysctl", "-qw", f"net.ipv6.conf.{netdev}.disable_ipv6=1", check=False)
        self.ip("link", "set", netdev, "mtu", mtu, "up")
        self.ip("addr", "add", f"{address}/24", "dev", netdev)

    def __call__(self, *words, **options):
        return run("ip", "netns", "exec", self.name, *words, **options)

    def ip(self, *words, **options):
        return run("ip", "-n", self.name, *words, **options)

    def wait_carrier(self, seconds=30):
        wait_for(lambda: self("cat", f"/sys/class/net/{self.netdev}/carrier", check=False).strip() == "1", seconds,
                 f"carrier of {self.netdev}")
        return self

    def ping(self, address, count=5, size=56, extra=()):
        """Answers that came, of `count`; the first may be lost to ARP."""
        text = self("ping", "-q", "-c", count, "-i", "0.1", "-W", "1", "-s", size, *extra, address, check=False)
        return int(text.split(" received")[0].rsplit(" ", 1)[1]) if " received" in text else 0

    def reaches(self, address, seconds=15, **options):
        """Whether the address answers, at the latest after `seconds`, and goes on to."""
        # A neighbour that did not answer before is asked anew: packets that wait
        # for its last failing try would be dropped with it.
        self.ip("neigh", "flush", "dev", self.netdev, check=False)
        end = time.monotonic() + seconds
        while not self.ping(address, count=1):
            if time.monotonic() > end:
                return False
        return self.ping(address, **options) >= options.get("count", 5) - 1

    def close(self):
        """Give the interface back, as the driver made it."""
        self.ip("link", "set", self.netdev, "down", check=False)
        self.ip("addr", "flush", "dev", self.netdev, check=False)
        self.ip("link", "set", self.netdev, "netns", "1", check=False)
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


def iperf3(server, client, *options, seconds=2):
    """Bits per second that the receiver saw."""
    words = ["ip", "netns", "exec", server.name, "iperf3", "-s", "-1", "-B", server.address]
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            time.sleep(0.7)
            text = client("iperf3", "-J", "-t", seconds, "-c", server.address, "--connect-timeout", "8000", *options,
                          timeout=seconds + 60)
            end = json.loads(text)["end"]
            return end.get("sum_received", end.get("sum", {}))["bits_per_second"]
        finally:
            process.terminate()


def exercise(first, second):
    """Ping, TCP and UDP both ways."""
    assert first.reaches(second.address) and second.reaches(first.address)
    for server, client in ((first, second), (second, first)):
        tcp = iperf3(server, client)
        udp = iperf3(server, client, "-u", "-b", "2M", "-l", "1200")
        # Emulated, and with KASAN: that packets flow, not how fast.
        assert tcp > 2e5 and udp > 1e5, (tcp, udp)
