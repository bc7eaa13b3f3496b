# SPDX-License-Identifier: GPL-2.0
"""Which of the kernel's selftests fit an Ethernet NIC, and how they tell their results."""

import re

# How a program finds the interface: by its environment, with the other end of the wire in a
# namespace; by two arguments, both ends in its own; or by looking for all Ethernet devices.
SINGLE, PAIR, ALL = "single", "pair", "all"

PROGRAMS = {
    **dict.fromkeys((
        "drivers/net/ping.py", "drivers/net/stats.py", "drivers/net/queues.py", "drivers/net/ring_reconfig.py",
        "drivers/net/napi_id.py", "drivers/net/napi_threaded.py", "drivers/net/netpoll_basic.py", "drivers/net/gro.py",
        "drivers/net/hds.py", "drivers/net/shaper.py", "drivers/net/so_txtime.py", "drivers/net/xdp.py",
        "drivers/net/hw/csum.py", "drivers/net/hw/irq.py", "drivers/net/hw/rss_api.py", "drivers/net/hw/rss_ctx.py",
        "drivers/net/hw/rss_drv.py", "drivers/net/hw/rss_input_xfrm.py", "drivers/net/hw/rss_flow_label.py",
        "drivers/net/hw/toeplitz.py", "drivers/net/hw/tso.py", "drivers/net/hw/uso.py", "drivers/net/hw/gro_hw.py",
        "drivers/net/hw/ntuple.py", "drivers/net/hw/nic_timestamp.py", "drivers/net/hw/pp_alloc_fail.py",
        "drivers/net/hw/xdp_metadata.py", "drivers/net/hw/xsk_reconfig.py"), SINGLE),
    **dict.fromkeys((
        "drivers/net/hw/ethtool.sh", "drivers/net/hw/ethtool_rmon.sh", "drivers/net/hw/ethtool_std_stats.sh",
        "drivers/net/hw/loopback.sh", "net/forwarding/min_max_mtu.sh"), PAIR),
    "net/netdevice.sh": ALL,
}

# How long a program may take, in seconds.
LIMITS = {None: 300}

# Tests that igb passes and igb_rs does not: PROGRAM:TEST, and why, as Documentation/netdev.rst
# gives reasons. One that is not needed any more fails the run.
LEFT_OUT = {
    "drivers/net/hw/nic_timestamp.py:nic_timestamp.test_hwtstamp_(tx|rx)_(ioctl|netlink)":
        "no PTP clock, and so no time stamps of hardware",
    "drivers/net/hw/xsk_reconfig.py:xsk_reconfig.check_(xdp_bind|rx_resize)":
        "AF_XDP goes by a copy",
}

# Of the Python tests and ktap_helpers.sh, of net/lib.sh, and of netdevice.sh, to which the name of a test
# that puts an ability back says what it was at first.
KTAP = re.compile(r"^(ok|not ok) \d+ (.*?)\s*(?:# *(SKIP|XFAIL|XPASS)?.*)?$")
FORWARDING = re.compile(r"^TEST: (.*?)\s+\[\s*(OK|FAIL|SKIP|XFAIL)\s*\]$")
NETDEVICE = re.compile(r"^(PASS|FAIL|XFAIL|SKIP): (.*?)(?: to initial state (?:on|off))?$")
WORDS = {"ok": "ok", "not ok": "fail", "OK": "ok", "PASS": "ok", "FAIL": "fail", "SKIP": "skip", "XFAIL": "xfail",
         "XPASS": "fail"}
# Statuses that say something of their own: kselftest's skip, and those of timeout(1).
STATUSES = {0: "ok", 4: "skip", 124: "timeout", 137: "timeout"}
WHOLE = "(the program)"


def results(text, status, names):
    """{test: ok, fail, skip or xfail} of a program's output; `names` of interfaces are
    replaced, as they need not be the same twice. Without any test its status counts."""
    found = {}
    for line in text.splitlines():
        if match := KTAP.match(line):
            test, result = match[2], WORDS[match[3] or match[1]] if match[1] == "ok" else "fail"
        elif match := FORWARDING.match(line):
            test, result = match[1], WORDS[match[2]]
        elif match := NETDEVICE.match(line):
            test, result = match[2], WORDS[match[1]]
        else:
            continue
        for name, neutral in names.items():
            test = re.sub(rf"\b{re.escape(name)}\b", neutral, test)
        # Of a name that comes twice, the worst.
        found[test] = result if found.get(test, "ok") == "ok" else found[test]
    if not found or STATUSES.get(status) == "timeout":
        found[WHOLE] = STATUSES.get(status, "fail")
    return found
