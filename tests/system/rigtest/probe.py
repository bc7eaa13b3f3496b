# SPDX-License-Identifier: GPL-2.0
"""A stream of numbered probes: who answers, when, and how long nobody does.

    with Prober("192.0.2.2", interval_ms=5, namespace="outside") as prober:
        ...
    prober.answers                     # seconds of the monotonic clock

Probes are ICMP echo requests: the kernel of whoever is asked answers them, so
nothing else has to run there.
"""

import json
import os
import select
import signal
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

ECHO_REQUEST, ECHO_REPLY = 8, 0
PACKET = struct.Struct("!BBHHHQ")
LATE_SECONDS = 1
# A gap is a downtime if it is so many times the usual one.
DOWN_FACTOR = 10


def checksum(data):
    """That of the internet (RFC 1071), of an even number of bytes; zero if they have the right one."""
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _request(ident, number):
    blank = PACKET.pack(ECHO_REQUEST, 0, 0, ident, number & 0xFFFF, number)
    return PACKET.pack(ECHO_REQUEST, 0, checksum(blank), ident, number & 0xFFFF, number)


def _probe(address, interval, out):
    """Send and receive until SIGTERM; then write what happened to `out`."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
    sock.setblocking(False)
    ident = os.getpid() & 0xFFFF
    sent, answers, ending = [], [], []
    signal.signal(signal.SIGTERM, lambda *_: ending.append(time.monotonic()))
    print("probing", flush=True)
    due = time.monotonic()
    while not ending or (len(answers) < len(sent) and time.monotonic() < ending[0] + LATE_SECONDS):
        now = time.monotonic()
        if now >= due and not ending:
            try:
                sock.sendto(_request(ident, len(sent)), (address, 0))
            except OSError:
                pass  # No route or no buffers: a probe that is lost.
            sent.append(now)
            # After a pause of this process the missed ones are not made up for.
            due = max(due + interval, now)
        if not select.select([sock], [], [], max(0, due - time.monotonic()) if not ending else 0.05)[0]:
            continue
        packet = sock.recv(2048)
        now = time.monotonic()
        body = packet[(packet[0] & 15) * 4:]
        if len(body) < PACKET.size:
            continue
        kind, _, _, theirs, _, number = PACKET.unpack_from(body)
        if kind == ECHO_REPLY and theirs == ident and number < len(sent):
            answers.append((number, now))
    Path(out).write_text(json.dumps({"sent": sent, "answers": answers}))


@dataclass
class Gaps:
    """The time between neighbouring answers, in milliseconds."""

    usual: float
    all: list = field(default_factory=list)  # (begin in s of the monotonic clock, ms)

    @property
    def long(self):
        return [ms for _, ms in self.all if ms > DOWN_FACTOR * self.usual]

    @property
    def downtime(self):
        return sum(self.long)


def gaps(answers, begin, end):
    """Gaps between the answers (sorted times) that touch [begin, end]; the usual
    one is the median of those before `begin`."""
    pairs = list(zip(answers, answers[1:]))
    before = [b - a for a, b in pairs if b <= begin]
    if not before:
        raise ValueError("no answers before the move")
    inside = [(a, 1e3 * (b - a)) for a, b in pairs if b > begin and a < end]
    # Silence to the end is a gap too.
    last = answers[-1]
    if last < end:
        inside.append((last, 1e3 * (end - last)))
    return Gaps(1e3 * statistics.median(before), inside)


class Prober:
    """Sends probes from a network namespace while the context lasts."""

    def __init__(self, address, interval_ms=5, namespace=None):
        self.address, self.interval_ms, self.namespace = address, interval_ms, namespace
        self.sent, self.numbers, self.answers = [], set(), []

    def __enter__(self):
        self._out = tempfile.NamedTemporaryFile(suffix=".json")
        inside = ["ip", "netns", "exec", self.namespace] if self.namespace else []
        self._process = subprocess.Popen(
            [*inside, sys.executable, "-B", __file__, self.address, str(self.interval_ms / 1e3), self._out.name],
            stdout=subprocess.PIPE, text=True)
        if self._process.stdout.readline() != "probing\n":
            raise RuntimeError(f"no probes: the prober ended with {self._process.wait()}")
        return self

    def __exit__(self, *_):
        self._process.terminate()
        self._process.wait(30)
        self._process.stdout.close()
        text = Path(self._out.name).read_text()
        self._out.close()
        if text:
            record = json.loads(text)
            self.sent = record["sent"]
            self.numbers = {number for number, _ in record["answers"]}
            self.answers = sorted(when for _, when in record["answers"])

    def counts(self):
        return {"interval_ms": self.interval_ms, "sent": len(self.sent), "received": len(self.numbers),
                "lost": len(self.sent) - len(self.numbers)}


if __name__ == "__main__":
    _probe(sys.argv[1], float(sys.argv[2]), sys.argv[3])
