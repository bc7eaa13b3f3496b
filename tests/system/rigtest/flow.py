# SPDX-License-Identifier: GPL-2.0
"""One TCP connection that stays open, and how much came through it when."""

import json
import subprocess
import threading
import time

from .pci import wait_for

PORT = 5201


class Flow:
    """iperf3 from a guest to a server in a namespace, until it is stopped.

    `intervals` is a list of (begin, end, bytes) as the receiver saw them, in
    seconds of the monotonic clock.
    """

    def __init__(self, server, guest, mbit=20, interval=0.25, seconds=3600):
        self.server, self.guest = server, guest
        self.mbit, self.interval, self.seconds = mbit, interval, seconds
        self.intervals, self.connections, self.errors = [], 0, []

    def __enter__(self):
        self._process = subprocess.Popen(
            ["ip", "netns", "exec", self.server.name, "iperf3", "-s", "-1", "-B", self.server.address, "-i",
             str(self.interval), "--json-stream", "--forceflush"],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        listening = f"{self.server.address}:{PORT}"
        wait_for(lambda: listening in self.server("ss", "-ltn"), 20, "iperf3's server")
        self.guest.run(f"iperf3 -c {self.server.address} -b {self.mbit}M -t {self.seconds} -i 0 "
                       "--connect-timeout 10000 >/tmp/flow 2>&1 & echo $! >/tmp/flow.pid")
        end = time.monotonic() + 30
        while not self.intervals:
            if time.monotonic() > end:
                raise RuntimeError(f"the flow did not begin: {self.guest.run('cat /tmp/flow')}{self.errors}")
            time.sleep(0.1)
        return self

    def _read(self):
        for line in self._process.stdout:
            now = time.monotonic()
            try:
                message = json.loads(line)
            except ValueError:
                continue
            match message.get("event"):
                case "start":
                    self.connections += len(message["data"].get("connected", []))
                case "interval":
                    total = message["data"]["sum"]
                    self.intervals.append((now - total["seconds"], now, total["bytes"]))
                case "error":
                    self.errors.append(str(message.get("data")))

    def bytes_since(self, moment):
        """Bytes of the intervals that began after `moment`."""
        return sum(count for begin, _, count in list(self.intervals) if begin >= moment)

    def alive(self, moment, seconds=15):
        """Whether the same connection carries data after `moment`, at the latest
        in so many seconds."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            if self.bytes_since(moment) > 0:
                return self._process.poll() is None and self.connections == 1 and not self.errors
            time.sleep(0.1)
        return False

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait()
        self._reader.join(5)
