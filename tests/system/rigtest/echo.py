# SPDX-License-Identifier: GPL-2.0
"""A TCP connection through a guest that sends back what it gets: every byte is
compared, so one lost or changed in either direction is noticed.

    with Echo(peer, guest, "192.0.2.2") as echo:
        ...
    echo.check()
"""

import collections
import json
import os
import random
import select
import signal
import socket
import subprocess
import sys
import time

from .pci import wait_for

PORT = 7000
CHUNK = 16 << 10
# So much is under way at most, so that sender and receiver stay close.
WINDOW = 256 << 10
END_SECONDS = 20


class Echo:
    """Runs while the context lasts, from a namespace to a guest."""

    def __init__(self, peer, guest, address, bytes_per_second=2 << 20):
        self.peer, self.guest, self.address = peer, guest, address
        self.rate = bytes_per_second
        self.result = None

    def __enter__(self):
        self.guest.run(f"rm -f /tmp/echo; mkfifo /tmp/echo; (nc -l -p {PORT} </tmp/echo | cat >/tmp/echo) 2>/tmp/echo.log &")
        wait_for(lambda: f":{PORT}" in self.guest.run("netstat -ltn"), 20, "the echo server in the guest")
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.peer.name, sys.executable, "-B", "-m", "rigtest.echo", self.address, str(self.rate)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
        if self._process.stdout.readline() != "connected\n":
            raise RuntimeError(f"no echo: {self._process.communicate()[1]}")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        out, err = self._process.communicate(timeout=END_SECONDS + 30)
        self.result = json.loads(out) if out.strip() else {"error": err or "the echo client died", "returned": 0}

    def check(self):
        """Raises unless everything came back as it was sent."""
        if self.result["error"]:
            raise AssertionError(f"TCP through the guest: {self.result}")
        assert self.result["returned"] == self.result["sent"] > 0, self.result
        return self.result


def _exchange(sock, rate, stop, result):
    """Sends pseudo-random bytes and compares what returns with them."""
    source, started = random.Random(1), time.monotonic()
    expected, unsent = collections.deque(), b""
    while not stop or (result["returned"] < result["sent"] and time.monotonic() < stop[0] + END_SECONDS):
        under_way = result["sent"] - result["returned"]
        may_send = not stop and under_way < WINDOW and result["sent"] < rate * (time.monotonic() - started)
        readable, writable, _ = select.select([sock], [sock] if may_send or unsent else [], [], 0.02)
        if readable:
            data = sock.recv(1 << 16)
            if not data:
                result["error"] = "the guest closed the connection"
                return
            while data:
                head = expected.popleft()
                part, data = data[:len(head)], data[len(head):]
                if part != head[:len(part)]:
                    result["error"] = f"another byte returned within {len(head)} after {result['returned']}"
                    return
                result["returned"] += len(part)
                if len(part) < len(head):
                    expected.appendleft(head[len(part):])
        if writable:
            unsent = unsent or source.randbytes(CHUNK)
            count = sock.send(unsent)
            expected.append(unsent[:count])
            result["sent"] += count
            unsent = unsent[count:]
        elif not readable:
            time.sleep(0.002)
    if result["returned"] < result["sent"]:
        result["error"] = f"{result['sent'] - result['returned']} bytes did not return within {END_SECONDS} s"


def main():
    stop, result = [], {"sent": 0, "returned": 0, "error": ""}
    signal.signal(signal.SIGTERM, lambda *_: stop.append(time.monotonic()))
    sock = socket.create_connection((sys.argv[1], PORT), 20)
    sock.setblocking(False)
    print("connected", flush=True)
    try:
        _exchange(sock, float(sys.argv[2]), stop, result)
    except (OSError, IndexError) as error:
        result["error"] = f"{type(error).__name__}: {error}"
    print(json.dumps(result))


if __name__ == "__main__":
    main()
