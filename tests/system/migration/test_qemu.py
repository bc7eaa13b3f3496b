# SPDX-License-Identifier: GPL-2.0
"""Unmodified QEMU moves unmodified guests with mediated VFs.

Two guests move at once from NIC 0 to NIC 1, and the tests look at what came of
it; then one of them is refused elsewhere, and goes through a file.
"""

import pytest

from conftest import SRC, Host, host_of_igb_rs
from rigtest import move
from rigtest.guest import GuestError
from rigtest.pci import wait_for
from rigtest.stage import GUEST_IP, Stage, link_identity

PLAIN_MAC, SECOND_MAC, VLAN_MAC = (f"02:00:00:00:02:0{n}" for n in (2, 3, 4))
# The other addresses are the outside's in the same networks.
SECOND_IP, SECOND_OUTSIDE = "203.0.113.2", "203.0.113.3"
VLAN_IP, VLAN_OUTSIDE = "198.18.0.2", "198.18.0.3"
PORT_VLAN = 300
# MiB of a guest: all of it is sent in each move.
MEMORY = 160


class Settled:
    """A guest that is where it is to be, and what it was before it went there."""

    def __init__(self, stage, name, address, here, there, also_here=None, also_there=None):
        self.stage, self.address, self.place, self.former = stage, address, there, here
        self.source = stage.guest(f"{name}-source", here, also=also_here, address=address, memory=MEMORY)
        stage.callback(lambda: self.source.kill())
        self.guest = self.source.start().wait_up()
        self.answers()
        self.target = stage.guest(f"{name}-target", there, also=also_there, incoming=True, memory=MEMORY)

    def answers(self):
        assert self.stage.outside.reaches(self.address, 60), f"{self.guest.name} does not answer"

    def begin(self):
        self.stage.callback(lambda: self.target.kill())
        self.target.start()
        self.identity = link_identity(self.source)
        return move.start(self.source, self.target)

    def arrive(self, under_way):
        self.moved = move.finish(under_way, self.source, self.target)
        assert self.moved.completed, f"{self.moved.error}\n{self.target.qemu_log.read_text()}"
        self.source.leave()
        self.guest = self.target


@pytest.fixture(scope="module")
def stage():
    host = host_of_igb_rs()
    with Stage(SRC, host.nics) as stage:
        outside = stage.outside
        outside.ip("addr", "add", f"{SECOND_OUTSIDE}/24", "dev", outside.netdev)
        outside.add_vlan(PORT_VLAN, VLAN_OUTSIDE)
        yield stage
    host.clean()


@pytest.fixture(scope="module")
def pair(stage):
    """Two VFs of one guest: (trusted on both sides, not trusted), and their goals."""
    places = [stage.place(0, 0, PLAIN_MAC), stage.place(0, 2, SECOND_MAC),
              stage.place(1, 3, PLAIN_MAC), stage.place(1, 1, SECOND_MAC)]
    for place in places[::2]:
        place.admin("trust", "on")
    return places


@pytest.fixture(scope="module")
def moved(stage, pair):
    """A guest with two VFs, and one in a port VLAN with a limited rate."""
    here, there = stage.place(0, 3, VLAN_MAC), stage.place(1, 0, VLAN_MAC)
    for place in (here, there):
        place.admin("vlan", PORT_VLAN, "qos", 3)
        place.admin("max_tx_rate", 200)
    two = Settled(stage, "two", GUEST_IP, pair[0], pair[2], also_here=pair[1], also_there=pair[3])
    names = two.source.run("cd /sys/class/net; for n in *; do [ -e $n/device ] && echo $(cat $n/address) $n; done; true")
    two.second = dict(line.split() for line in names.splitlines())[SECOND_MAC]
    two.source.run(f"ip addr add {SECOND_IP}/24 dev {two.second}; ip link set {two.second} up")
    assert stage.outside.reaches(SECOND_IP, 60), "the second VF does not answer"
    tagged = Settled(stage, "tagged", VLAN_IP, here, there)
    under_way = [(each, each.begin()) for each in (two, tagged)]
    for each, its in under_way:
        each.arrive(its)
    return two, tagged


@pytest.fixture
def log():
    host = Host()
    mark = host.log_mark()
    return lambda: host.log_since(mark)


def test_two_guests_at_once(moved):
    for each in moved:
        each.answers()
        assert link_identity(each.guest) == each.identity
        assert each.place.debugfs("state") == "RUNNING"
    first, second = (each.moved for each in moved)
    assert first.begin < second.end and second.begin < first.end, "they did not move at once"


def test_one_guest_with_two_vfs(stage, moved):
    """QEMU asks for P2P where a guest has more than one device."""
    two, _ = moved
    assert stage.outside.reaches(SECOND_IP, 60)
    assert two.guest.run(f"cat /sys/class/net/{two.second}/carrier") == "1\n", "the second VF has no link"


def test_a_guest_in_a_port_vlan(stage, moved):
    """It is the VLAN's before and after, with its rate limited on both sides."""
    _, tagged = moved
    tagged.answers()
    stage.outside.ip("link", "set", f"v{PORT_VLAN}", "down")
    assert stage.outside.ping(VLAN_IP, count=2) == 0, "it is reached from outside its VLAN"
    stage.outside.ip("link", "set", f"v{PORT_VLAN}", "up")
    tagged.answers()


# A setting of the other side's, how it is set back, and the cure's words.
REFUSALS = {
    "vlan": (("vlan", 77), ("vlan", PORT_VLAN, "qos", 3), "vlan 300 qos 3"),
    "mac": (("mac", "02:00:00:00:00:99"), ("mac", VLAN_MAC), f"mac {VLAN_MAC}"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_another_setting_is_refused_early_and_named(stage, moved, log, name):
    other, same, cure = REFUSALS[name]
    _, tagged = moved
    there = tagged.former
    there.admin(*other)
    with stage.guest(f"refused-{name}", there, incoming=True, memory=MEMORY) as target:
        with pytest.raises(GuestError):
            move.migrate(tagged.guest, target)
        target.kill()
    there.admin(*same)
    assert f"ip link set {there.nic.netdev} vf {there.index} {cure}" in log()
    assert tagged.guest.qmp.command("query-status")["status"] == "running"
    tagged.answers()
    assert link_identity(tagged.guest) == tagged.identity
    assert tagged.place.debugfs("state") == "RUNNING"


def test_a_snapshot_goes_on(stage, moved, tmp_path):
    """`migrate` to a file, quit, start again from the file."""
    _, tagged = moved
    tagged.guest.run("echo kept >/tmp/kept")
    saved = move.finish(move.start(tagged.guest, uri=f"file:{tmp_path}/state"), tagged.guest)
    assert saved.completed, saved.error
    tagged.guest.leave()
    with stage.guest("from-file", tagged.place, incoming=True, memory=MEMORY) as guest:
        guest.qmp.command("migrate-incoming", uri=f"file:{tmp_path}/state")
        wait_for(lambda: guest.qmp.command("query-status")["status"] == "running", 120, "the guest from the file")
        tagged.answers()
        assert guest.run("cat /tmp/kept") == "kept\n"
        assert link_identity(guest) == tagged.identity
        assert guest.stop(), "it does not power off"
