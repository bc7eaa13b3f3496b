# SPDX-License-Identifier: GPL-2.0
"""What a report of written pages costs, by vfclient: against how many were written, and
against how many addresses are logged."""

import results
from conftest import MEDIATOR, SRC, Host
from rigtest import net, pci
from rigtest.client import vfclient

NICS = 1
# vfio's own log needs a kernel with IOMMUFD; Debian's has the container's scope.
KERNELS = ("debug", "stock")
PAGES = (10, 100, 1000, 10_000, 100_000)
# MiB that are mapped: enough for that many pages; and where the logged addresses grow.
MAPPED_FOR_PAGES, MAPPED = 512, 256
LOGGED = (256, 1024, 4096, 16384)
PAGES_OF_LOGGED = 1000
# Of the log: how much more a report may cost if 64 times as much is logged, and how much more for
# each page if there are 100 times as many.
FLAT_GOAL = LINEAR_GOAL = 1.5
FEWER, MANY = PAGES[2], PAGES[-1]


def channel_of(vf):
    """How the kernel reports."""
    return "log" if vfclient("info", vf)["migration"]["log"] else "scope"


def measure(vf, peer, channel):
    """({pages: us}, {MiB logged: us}) of one report each."""
    def ask(mapped, pages, *more):
        return vfclient("reports", vf, "--peer", peer, "--channel", channel, "--mapped", mapped, "--pages", pages, *more,
                        timeout=600)["reports"]
    by_pages = ask(MAPPED_FOR_PAGES, ",".join(map(str, PAGES)))
    by_range = {mib: ask(MAPPED, PAGES_OF_LOGGED, "--logged", mib)[0] for mib in LOGGED}
    for one in (*by_pages, *by_range.values()):
        assert one["reported"] > 0, one
    return ({one["pages"]: one["sync_us"] + one["report_us"] for one in by_pages},
            {mib: one["sync_us"] + one["report_us"] for mib, one in by_range.items()})


def run(rounds, say):
    """Both curves, so many times."""
    host = Host()
    host.clean()
    host.load("mediate", "igb_rs")
    pci.load_vfio_driver("vfio-pci", SRC)
    pci.load_vfio_driver(MEDIATOR, SRC, "transport=fixed")
    vf, peer = host.make_vfs(host.nics[0], "igb_rs", 2)
    net.run("ip", "link", "set", host.nics[0].netdev, "up")
    vf.bind(MEDIATOR)
    peer.bind("vfio-pci")
    channel, found = channel_of(vf), []
    for n in range(rounds):
        found.append(measure(vf, peer, channel))
        say(f"round {n + 1} of {rounds}, {channel}: us by pages {found[-1][0]}, by MiB logged {found[-1][1]}")
    host.clean()
    return result(channel, found)


def result(channel, found):
    """The part's report, of ({pages: us}, {MiB: us}) of each round. What the kernel does for the
    scope is none of the modules' doing, and has no goals."""
    flat_goal, linear_goal = (FLAT_GOAL, LINEAR_GOAL) if channel == "log" else (None, None)

    def side(which, key, name, count=1):
        return results.side(name, [one[which][key] / count for one in found])
    most, least = side(1, LOGGED[-1], f"{LOGGED[-1]} MiB logged"), side(1, LOGGED[0], f"{LOGGED[0]} MiB logged")
    many, fewer = (side(0, pages, f"each of {pages} pages", pages) for pages in (MANY, FEWER))
    linear = results.part("us", many, fewer, linear_goal) | {"what": f"for each page, {channel}"}
    also = [linear]
    also += [results.part("us", side(0, pages, f"{pages} pages")) | {"what": f"{pages} pages, {channel}"} for pages in PAGES]
    also += [results.part("us", side(1, mib, f"{mib} MiB")) | {"what": f"{mib} MiB logged, {channel}"} for mib in LOGGED]
    curves = {f"{channel}, {MAPPED_FOR_PAGES} MiB mapped": [(pages, side(0, pages, "")["median"]) for pages in PAGES]}
    ranges = {f"{channel}, {MAPPED} MiB mapped": [(mib, side(1, mib, "")["median"]) for mib in LOGGED]}
    whole = results.part("us", most, least, flat_goal, what=f"by what is logged, {channel}", also=also, curves=curves,
                         x="pages written", y="us", ranges=ranges, ranges_x="MiB logged")
    if whole["goal_met"]:
        whole["goal_met"] = linear["goal_met"]
    return whole
