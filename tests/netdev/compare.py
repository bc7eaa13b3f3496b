# SPDX-License-Identifier: GPL-2.0
"""igb_rs beside in-tree igb: two NICs of one kind that swap their drivers with each round, in one rig run.

    scripts/rig run --nics 4 --wires 2 --timeout 3000 -- python3 -B tests/netdev/compare.py [--rounds N]

The first two NICs are measured (rigtest/turns.py); at the other end of each one's wire is one that igb
drives. Writes build/netdev/compare.json, and fails if a median of igb_rs is worse than LEAST of igb's.
"""

import argparse
import itertools
import json
import os
import re
import statistics
import sys
import time
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SRC / "tests/system")]

from conftest import Host
from rigtest.pci import modprobe
from rigtest.placement import receive_by
from rigtest.processors import busy_seconds
from rigtest.turns import taking_turns

DRIVERS = ("igb", "igb_rs")
LEAST = 0.97
SECONDS = 2


def bulk(run, *options):
    """Mb/s that arrive, and CPU seconds for each gigabyte."""
    before, start = busy_seconds(), time.monotonic()
    rate = run(*options, seconds=SECONDS)
    busy, elapsed = busy_seconds() - before, time.monotonic() - start
    # What was sent beside the measured time, the start of iperf3 above all, is the same for both.
    return rate / 1e6, busy / (rate / 8 * min(elapsed, SECONDS) / 1e9)


def ping(asker, answerer, processor):
    """Microseconds there and back, asked by a processor."""
    text = asker("taskset", "-c", processor,
                 "ping", "-q", "-n", "-c", 300, "-i", "0.002", "-s", "16", answerer.address)
    return float(re.search(r"= [\d.]+/([\d.]+)/", text).group(1)) * 1000


class Round:
    """What is measured of both drivers in turn."""

    def __init__(self, turns):
        self.turns, self.values = turns, {driver: {} for driver in turns.ends}

    def note(self, name, means, part=0, factor=1):
        """Keeps a part of `means` by a name, in another unit."""
        for driver, parts in means.items():
            self.values[driver][name] = parts[part] * factor

    def flows(self, sent, *options):
        """`bulk` from the NICs or to them."""
        return self.turns.flows(sent, lambda _, run: bulk(run, *options))

    def latency(self):
        """Means over the queues that receive at either end and the processors that ask: which of them are
        one is worth more than the driver."""
        def case(near, far, here, there, processor):
            receive_by(near, here)
            receive_by(far, there)
            return (ping(near, far, processor),)
        return self.turns.means(itertools.product(range(os.cpu_count()), repeat=3), case)

    def offload(self, on):
        """Switches TSO."""
        for near, _ in self.turns.ends.values():
            near("ethtool", "-K", near.netdev, "tso", "on" if on else "off")

    def run(self):
        """Measures all: driver → name → value."""
        for name, sent in (("sent", True), ("received", False)):
            tcp = self.flows(sent)
            self.note(f"tcp {name}, Mb/s", tcp)
            self.note(f"CPU of tcp {name}, s/GB", tcp, 1)
            udp = ("-u", "-b", "0", "-l")
            self.note(f"udp {name}, Mb/s", self.flows(sent, *udp, "1400"))
            # 18 bytes of payload make a frame of 64.
            self.note(f"64-byte frames {name}, 1/s", self.flows(sent, *udp, "18"), factor=1e6 / 8 / 18)
        self.offload(False)
        self.note("tcp sent without TSO, Mb/s", self.flows(True))
        self.offload(True)
        self.note("latency, us", self.latency())
        return self.values


def is_cost(name):
    """Whether less is better."""
    return name.startswith(("CPU", "latency"))


def summary(name, samples):
    """Medians, spreads, and what of igb's igb_rs reaches: more than 1 is better."""
    row = {"cost": is_cost(name)}
    for driver in DRIVERS:
        values = samples[driver]
        row[driver] = {"median": statistics.median(values), "least": min(values), "most": max(values),
                       "samples": values}
    igb, rust = (row[driver]["median"] for driver in DRIVERS)
    row["ratio"] = igb / rust if row["cost"] else rust / igb
    return row


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=16)
    options = parser.parse_args()
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    modprobe("igb")
    samples = {}
    for n in range(options.rounds):
        with taking_turns(host, DRIVERS, n) as turns:
            for driver, values in Round(turns).run().items():
                for name, value in values.items():
                    samples.setdefault(name, {each: [] for each in DRIVERS})[driver].append(value)
        print(f"round {n + 1} of {options.rounds}", flush=True)
    host.clean()
    rows = {name: summary(name, values) for name, values in samples.items()}
    for name, row in rows.items():
        print(f"{name:28}" + "".join(
            f"  {driver} {row[driver]['median']:10.1f} ({row[driver]['least']:.1f} to {row[driver]['most']:.1f})"
            for driver in DRIVERS) + f"  {row['ratio']:.2f}")
    passed = all(row["ratio"] >= LEAST for row in rows.values())
    out = SRC / "build/netdev/compare.json"
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps({"rounds": options.rounds, "least": LEAST, "passed": passed, "rows": rows}, indent=2) + "\n")
    print(f"compare: {'passed' if passed else 'FAILED'}: {out.relative_to(SRC)}")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
