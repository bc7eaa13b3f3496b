# SPDX-License-Identifier: GPL-2.0
"""Random and hostile mailbox messages from a VF, 500 a round; the PF goes on, and
a neighbour VF keeps what it has."""

import random
import subprocess

from conftest import MEDIATOR
from rigtest import mailbox as mbx
from rigtest.mailbox import Silent, VfUser, granted, mac_words

# 200 rounds are 100,000 messages.
ROUNDS = 200
MESSAGES = 500
NEIGHBOUR = "02:00:00:00:00:77"


def message(rng):
    """Mostly near a real message, sometimes plain noise."""
    if rng.random() < 0.2:
        return [rng.getrandbits(32) for _ in range(rng.randint(1, mbx.WORDS))]
    head = rng.choice((1, 2, 3, 4, 5, 6, 7, 0x100)) | rng.choice((0, 0, 1, 2, 3, 30, 31, 0x80, 0x9E, 0xFF)) << 16
    body = [rng.choice((0, 1, 100, 4094, 4095, 9018, 0xFFFF, rng.getrandbits(16), rng.getrandbits(32)))
            for _ in range(mbx.WORDS - 1)]
    return [head, *body]


def round(host, n):
    rng = random.Random(n)
    host.load("mediate", MEDIATOR, "igb_rs")
    nic = host.nics[0]
    if nic.driver != "igb_rs" or nic.numvfs != 2:
        host.make_vfs(nic, "igb_rs", 2)
        subprocess.run(["ip", "link", "set", nic.netdev, "up"], check=True)
    hostile, neighbour = nic.vfs
    for vf in (hostile, neighbour):
        vf.bind(MEDIATOR)
    with VfUser(hostile) as user, VfUser(neighbour) as other:
        other.reset()
        assert granted(other.ask(mbx.SET_MAC, *mac_words(NEIGHBOUR)), mbx.SET_MAC)
        unanswered = 0
        for _ in range(MESSAGES):
            words = message(rng)
            try:
                user.send(words)
                user.answer(0.05)
            except Silent:
                # A flood is slowed down: that is as it should be.
                unanswered += 1
            if rng.random() < 0.02:
                user.write(rng.choice((0x0, 0x0C40, 0x0800 + 4 * rng.randrange(16))), rng.getrandbits(32))
        # The neighbour is served, and nobody got its address.
        assert granted(other.ask(mbx.SET_MAC, *mac_words(NEIGHBOUR), seconds=10), mbx.SET_MAC)
        user.device.reset()
        user.device.enable_memory()
        for attempt in range(5):
            try:
                user.reset()
                break
            except Silent:
                assert attempt < 4, "the VF that flooded is not served again"
        assert not granted(user.ask(mbx.SET_MAC, *mac_words(NEIGHBOUR), seconds=10), mbx.SET_MAC)
