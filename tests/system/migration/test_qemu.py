# SPDX-License-Identifier: GPL-2.0
"""Unmodified QEMU moves unmodified guests with mediated VFs."""

import pytest

from conftest import SRC
from rigtest import move
from rigtest.guest import GuestError
from rigtest.pci import wait_for
from rigtest.stage import GUEST_IP, PREFIX, Stage, link_identity

MACS = ("02:00:00:00:02:02", "02:00:00:00:02:03")
SECOND_IP = f"{PREFIX}12"


@pytest.fixture
def stage(host):
    host.load("mediate", "igb_rs")
    for nic in host.nics:
        nic.bind("igb_rs")
    with Stage(SRC, host.nics) as stage:
        yield stage


def answers(stage, address=GUEST_IP):
    return wait_for(lambda: stage.outside.reaches(address), 30, f"answers of {address}")


def test_a_snapshot_goes_on(stage, tmp_path):
    """`migrate` to a file, quit, start again from the file."""
    place = stage.place(0, 0)
    with stage.guest("before", place) as guest:
        guest.wait_up()
        answers(stage)
        identity = link_identity(guest)
        guest.run("echo kept >/tmp/kept")
        saved = move.finish(move.start(guest, uri=f"file:{tmp_path}/state"), guest)
        assert saved.completed, saved.error
        guest.leave()
    with stage.guest("after", place, incoming=True) as guest:
        guest.qmp.command("migrate-incoming", uri=f"file:{tmp_path}/state")
        wait_for(lambda: guest.qmp.command("query-status")["status"] == "running", 120, "the guest from the file")
        answers(stage)
        assert guest.run("cat /tmp/kept") == "kept\n"
        assert link_identity(guest) == identity


def test_two_guests_at_once(stage):
    pairs = [(stage.place(0, 0, MACS[0]), stage.place(1, 3, MACS[0]), GUEST_IP),
             (stage.place(0, 2, MACS[1]), stage.place(1, 1, MACS[1]), SECOND_IP)]
    sources = [stage.enter_context(stage.guest(f"source-{ip}", here, address=ip)) for here, _, ip in pairs]
    for guest, (_, _, address) in zip(sources, pairs):
        guest.wait_up()
        answers(stage, address)
    targets = [stage.enter_context(stage.guest(f"target-{ip}", there, incoming=True)) for _, there, ip in pairs]
    before = [link_identity(guest) for guest in sources]
    under_way = [move.start(source, target) for source, target in zip(sources, targets)]
    for moved, source, target in zip(under_way, sources, targets):
        assert move.finish(moved, source, target).completed, moved.error
    for source in sources:
        source.leave()
    for target, identity, (_, _, address) in zip(targets, before, pairs):
        answers(stage, address)
        assert link_identity(target) == identity


def test_one_guest_with_two_vfs(stage):
    """QEMU asks for P2P where a guest has more than one device."""
    here, also_here = stage.place(0, 0, MACS[0]), stage.place(0, 2, MACS[1])
    there, also_there = stage.place(1, 3, MACS[0]), stage.place(1, 1, MACS[1])
    source = stage.enter_context(stage.guest("source", here, also=also_here))
    source.wait_up()
    names = source.run("for n in /sys/class/net/*; do [ -e $n/device ] && echo $(cat $n/address) $(basename $n); done; true")
    second = dict(line.split() for line in names.splitlines())[MACS[1]]
    source.run(f"ip addr add {SECOND_IP}/32 dev {second}; ip link set {second} up")
    answers(stage)
    target = stage.enter_context(stage.guest("target", there, also=also_there, incoming=True))
    move.migrate(source, target)
    source.leave()
    answers(stage)
    carrier = target.run(f"cat /sys/class/net/{second}/carrier")
    assert carrier == "1\n", "the second VF has no link"


SETTINGS = {
    "port VLAN": [("vlan", 300, "qos", 3)],
    "trusted": [("trust", "on")],
    "untrusted, rate-limited": [("max_tx_rate", 200)],
}


@pytest.mark.parametrize("name", SETTINGS)
def test_what_the_administrator_set_is_the_same_on_both_sides(stage, name):
    here, there = stage.place(0, 0), stage.place(1, 3)
    address = GUEST_IP
    for place in (here, there):
        for words in SETTINGS[name]:
            place.admin(*words)
    if name == "port VLAN":
        stage.outside.ip("link", "add", "link", stage.outside.netdev, "name", "v300", "type", "vlan", "id", 300)
        stage.outside.ip("link", "set", "v300", "up")
        stage.outside.ip("addr", "del", f"{stage.outside.address}/24", "dev", stage.outside.netdev)
        stage.outside.ip("addr", "add", f"{stage.outside.address}/24", "dev", "v300")
    source = stage.enter_context(stage.guest("source", here))
    source.wait_up()
    answers(stage, address)
    identity = link_identity(source)
    target = stage.enter_context(stage.guest("target", there, incoming=True))
    move.migrate(source, target)
    source.leave()
    answers(stage, address)
    assert link_identity(target) == identity


REFUSALS = {
    "vlan": (("vlan", 77), "vlan"),
    "mac": (("mac", "02:00:00:00:00:99"), "mac"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_another_setting_is_refused_early_and_named(stage, log, name):
    words, cure = REFUSALS[name]
    here, there = stage.place(0, 0), stage.place(1, 3)
    there.admin(*words)
    source = stage.enter_context(stage.guest("source", here))
    source.wait_up()
    answers(stage)
    identity = link_identity(source)
    target = stage.enter_context(stage.guest("target", there, incoming=True))
    with pytest.raises((GuestError, TimeoutError)):
        move.migrate(source, target)
    target.kill()
    assert "ip link set" in log() and f"vf 3 {cure}" in log()
    answers(stage)
    assert link_identity(source) == identity
    assert here.debugfs("state") == "RUNNING"
