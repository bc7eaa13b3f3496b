# SPDX-License-Identifier: GPL-2.0
"""Each message of igbvf and of DPDK's VF driver, sent from a VF by hand."""

import subprocess
import time
from pathlib import Path

import pytest

from conftest import MEDIATOR, Host
from rigtest import mailbox as mbx
from rigtest.mailbox import VfUser, granted, mac_words, refused
from rigtest.net import run

MAC, OTHER = "02:00:00:00:00:11", "02:00:00:00:00:22"


def ip(*words, fails=False):
    done = subprocess.run(["ip", *words], capture_output=True, text=True)
    assert (done.returncode != 0) == fails, done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def machine():
    """PF 0 with two VFs that vfio users may open."""
    host = Host()
    host.clean()
    host.load("mediate", MEDIATOR, "igb_rs")
    nic = host.nics[0]
    for vf in host.make_vfs(nic, "igb_rs", 2):
        vf.bind(MEDIATOR)
    ip("link", "set", nic.netdev, "up")
    # Without a link no answer says "clear to send".
    nic.wait_carrier()
    yield nic
    host.clean()


@pytest.fixture
def nic(machine):
    """With nothing set for its VFs; what a VF itself has set ends when it is opened."""
    yield machine
    run("ip", "-batch", "-", input="".join(
        f"link set {machine.netdev} vf {vf} {words}\n" for vf in (0, 1)
        for words in ("mac 00:00:00:00:00:00", "vlan 0", "trust off")))


@pytest.fixture
def vf(nic):
    with VfUser(nic.vfs[0]) as user:
        user.reset()
        yield user


def test_reset_answers_the_administrators_mac(nic):
    ip("link", "set", nic.netdev, "vf", "0", "mac", MAC)
    with VfUser(nic.vfs[0]) as user:
        answer = user.reset()
    assert answer == [mbx.RESET | mbx.ACK, *mac_words(MAC)]


def test_reset_without_a_mac_is_a_nack(nic):
    with VfUser(nic.vfs[1]) as user:
        assert user.reset()[0] == mbx.RESET | mbx.NACK


def test_nothing_is_granted_before_reset(nic):
    with VfUser(nic.vfs[0]) as user:
        user.device.reset()
        user.device.enable_memory()
        assert refused(user.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)
        user.reset()
        assert granted(user.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)


def test_each_message_of_igbvf_is_granted(vf):
    for words in (
        [mbx.SET_MAC, *mac_words(MAC)],
        [mbx.SET_MAC | mbx.MAC_CLEAR, 0, 0],
        [mbx.SET_MAC | mbx.MAC_ADD, *mac_words(OTHER)],
        [mbx.MULTICAST | 3 << 16, 0x0123_0456, 0x0789],
        [mbx.MULTICAST | 30 << 16, *[0x0FFF_0FFF] * 15],
        [mbx.MULTICAST],
        [mbx.VLAN | 1 << 16, 100],
        [mbx.VLAN, 100],
        [mbx.VLAN | 1 << 16, 0],
        [mbx.MAX_FRAME, 9018],
        [mbx.MAX_FRAME, 1522],
    ):
        word = vf.ask(*words)
        assert granted(word, words[0]) and word & mbx.CTS, f"{words[0]:#x}: {word:#x}"


def test_each_message_of_dpdk_is_granted(nic):
    """Of e1000_vf.c; it sends all of the mailbox's memory, whatever is in there."""
    ip("link", "set", nic.netdev, "vf", "0", "trust", "on")
    garbage = [0xDEAD_BEEF] * mbx.WORDS
    both, unicast, multicast = 3 << 16, 1 << 16, 2 << 16
    with VfUser(nic.vfs[0]) as vf:
        vf.reset()
        for words in (
            [mbx.SET_MAC, *mac_words(MAC)],
            [mbx.MULTICAST | 3 << 16, 0x0123_0456, 0xDEAD_0789],
            [mbx.MULTICAST | 30 << 16, *[0x0FFF_0FFF] * 15],
            # More groups than fit: receive all.
            [mbx.MULTICAST | (mbx.OVERFLOW | 30) << 16, *[0x0FFF_0FFF] * 15],
            [mbx.MULTICAST | mbx.OVERFLOW << 16],
            [mbx.MULTICAST],
            [mbx.VLAN | 1 << 16, 100],
            [mbx.VLAN, 100],
            [mbx.MAX_FRAME, 9018],
            [mbx.MAX_FRAME, 1518],
            *([mbx.PROMISCUOUS | info] for info in (both, unicast, multicast, 0)),
        ):
            word = vf.ask(*words, *garbage[len(words):])
            assert granted(word, words[0]) and word & mbx.CTS, f"{words[0]:#x}: {word:#x}"
        # When it is closed it has no address any more, which in-tree igb refuses too.
        assert refused(vf.ask(mbx.SET_MAC, 0, 0), mbx.SET_MAC)


def test_promiscuity_is_dpdks_and_for_trusted_vfs(nic, vf):
    multicast, unicast = mbx.PROMISCUOUS | 1 << 17, mbx.PROMISCUOUS | 1 << 16
    assert granted(vf.ask(multicast), multicast)
    assert refused(vf.ask(unicast), unicast)
    # At once, as with in-tree igb.
    ip("link", "set", nic.netdev, "vf", "0", "trust", "on")
    assert granted(vf.ask(unicast), unicast)
    assert granted(vf.ask(mbx.PROMISCUOUS), mbx.PROMISCUOUS)


@pytest.mark.parametrize("words", (
    [0], [7], [0xFFFF], [0x101], [mbx.PF_CONTROL], [0xFFFF_FFFF], [mbx.ACK | mbx.SET_MAC],
    [mbx.SET_MAC | 3 << 16, 1, 2], [mbx.SET_MAC, 0, 0], [mbx.SET_MAC, 1, 0], [mbx.SET_MAC, 2, 0x1_0000],
    [mbx.SET_MAC, 0xFFFF_FFFF, 0xFFFF], [mbx.MULTICAST | 31 << 16], [mbx.MULTICAST | 1 << 16, 0x1000],
    [mbx.VLAN | 1 << 16, 4095], [mbx.VLAN | 1 << 16, 0x1_0000], [mbx.VLAN | 2 << 16, 1],
    [mbx.MAX_FRAME, 0], [mbx.RESET | 1 << 16], [mbx.PROMISCUOUS | 4 << 16],
), ids=lambda words: "-".join(f"{w:x}" for w in words[:2]))
def test_a_malformed_message_is_refused_and_the_next_one_served(vf, words):
    words = words + [0] * (mbx.WORDS - len(words))
    assert refused(vf.ask(*words), words[0])
    assert granted(vf.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)


def test_an_untrusted_vf_cannot_take_what_is_not_its_own(nic, vf):
    pf_mac = nic.read(f"net/{nic.netdev}/address")
    assert refused(vf.ask(mbx.SET_MAC, *mac_words(pf_mac)), mbx.SET_MAC)
    with VfUser(nic.vfs[1]) as second:
        second.reset()
        assert granted(second.ask(mbx.SET_MAC, *mac_words(OTHER)), mbx.SET_MAC)
        assert refused(vf.ask(mbx.SET_MAC, *mac_words(OTHER)), mbx.SET_MAC)
        add = mbx.SET_MAC | mbx.MAC_ADD
        assert refused(vf.ask(add, *mac_words(OTHER)), add)
    ip("link", "set", nic.netdev, "vf", "0", "mac", MAC)
    vf.reset()
    assert refused(vf.ask(mbx.SET_MAC, *mac_words("02:00:00:00:00:33")), mbx.SET_MAC)
    assert granted(vf.ask(mbx.SET_MAC, *mac_words(MAC)), mbx.SET_MAC)
    ip("link", "set", nic.netdev, "vf", "0", "vlan", "7")
    vf.reset()
    join = mbx.VLAN | 1 << 16
    assert refused(vf.ask(join, 8), join)


def interrupts():
    """How often the vector of the VFs has fired, on all CPUs."""
    rows = [line.split() for line in Path("/proc/interrupts").read_text().splitlines()]
    cpus = len(rows[0])
    return sum(int(count) for row in rows if row[-1] == "igb_rs-other" for count in row[1:1 + cpus])


def test_a_flood_is_moderated_and_one_message_is_served_at_once(vf):
    before, start = interrupts(), time.monotonic()
    while time.monotonic() < start + 2:
        vf.flood(1000)
    seconds, raised = time.monotonic() - start, interrupts() - before
    # 500 us between two.
    assert 100 < raised < 1.2 * seconds * 2000, f"{raised} interrupts in {seconds:.1f} s"
    # Until the VF may ask again.
    time.sleep(0.5)
    vf.reset()
    quickest = min(duration(lambda: vf.ask(mbx.SET_MAC, *mac_words(MAC))) for _ in range(20))
    print(f"{raised} interrupts in {seconds:.1f} s; a message takes {1e3 * quickest:.1f} ms")
    assert quickest < 0.05


def duration(action):
    start = time.monotonic()
    action()
    return time.monotonic() - start


def test_filters_are_finite(vf):
    add = mbx.SET_MAC | mbx.MAC_ADD
    answers = [vf.ask(add, *mac_words(f"02:00:00:00:01:{n:02x}")) for n in range(40)]
    assert granted(answers[0], add) and refused(answers[-1], add)
    join = mbx.VLAN | 1 << 16
    answers = [vf.ask(join, 10 + n) for n in range(40)]
    assert granted(answers[0], join) and refused(answers[-1], join)
    vf.reset()
    assert granted(vf.ask(join, 3000), join)
