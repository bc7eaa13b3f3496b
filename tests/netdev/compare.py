# SPDX-License-Identifier: GPL-2.0
"""igb_rs beside in-tree igb: the same NIC by either driver in turn, in one rig run.

    scripts/rig run --nics 2 --timeout 3000 -- python3 -B tests/netdev/compare.py [--rounds N]

The first NIC is the one that is measured; the second, always driven by igb, is at the
other end of the wire. Writes build/netdev/compare.json, and fails if a median of igb_rs
is worse than LEAST of igb's.
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
from rigtest.net import iperf3
from rigtest.pci import modprobe
from rigtest.placement import each_queue, flow, placed_peers
from rigtest.processors import busy_seconds

DRIVERS = ("igb", "igb_rs")
LEAST = 0.97
SECONDS = 2


def bulk(number, server, client, *options):
    """Mb/s that arrive, and CPU seconds for each gigabyte: means over the server's queues. That the client's
    processor is the one that receives, too, takes a third of the rate by either driver."""
    def once(queue):
        before, start = busy_seconds(), time.monotonic()
        rate = iperf3(server, client, *flow(number * os.cpu_count() + queue), *options, seconds=SECONDS)
        busy, elapsed = busy_seconds() - before, time.monotonic() - start
        # What was sent beside the measured time, the start of iperf3 above all, is the same for both.
        return rate / 1e6, busy / (rate / 8 * min(elapsed, SECONDS) / 1e9)
    return map(statistics.mean, zip(*(once(queue) for queue in each_queue(server))))


def latency(ours, other):
    """Microseconds there and back, the mean over the queues that receive at either end and the processors that
    ask: which of them are one is worth more than the driver."""
    def average(processor):
        text = ours("taskset", "-c", processor,
                    "ping", "-q", "-n", "-c", 300, "-i", "0.002", "-s", "16", other.address)
        return float(re.search(r"= [\d.]+/([\d.]+)/", text).group(1)) * 1000
    return statistics.mean(average(processor) for _ in each_queue(ours) for _ in each_queue(other)
                           for processor in range(os.cpu_count()))


def measure(ours, other, n):
    """Each measurement of round `n` by its name."""
    values, flows = {}, itertools.count(n * 10)
    values["tcp sent, Mb/s"], values["CPU of tcp sent, s/GB"] = bulk(next(flows), other, ours)
    values["tcp received, Mb/s"], values["CPU of tcp received, s/GB"] = bulk(next(flows), ours, other)
    for name, server, client in (("sent", other, ours), ("received", ours, other)):
        udp = ("-u", "-b", "0", "-l")
        values[f"udp {name}, Mb/s"], _ = bulk(next(flows), server, client, *udp, "1400")
        # 18 bytes of payload make a frame of 64.
        small, _ = bulk(next(flows), server, client, *udp, "18")
        values[f"64-byte frames {name}, 1/s"] = small * 1e6 / 8 / 18
    ours("ethtool", "-K", ours.netdev, "tso", "off")
    values["tcp sent without TSO, Mb/s"], _ = bulk(next(flows), other, ours)
    ours("ethtool", "-K", ours.netdev, "tso", "on")
    values["latency, us"] = latency(ours, other)
    return values


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
    parser.add_argument("--rounds", type=int, default=9)
    options = parser.parse_args()
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    modprobe("igb")
    nic, far = host.nics
    far.bind("igb")
    samples = {}
    for n in range(options.rounds):
        # Neither is always the first.
        for driver in DRIVERS if n % 2 == 0 else reversed(DRIVERS):
            nic.bind(driver)
            with placed_peers(n, nic, far) as (ours, other):
                for name, value in measure(ours, other, n).items():
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
