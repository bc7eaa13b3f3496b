# SPDX-License-Identifier: GPL-2.0
"""How migration and the mediator's module parameters go with modules that come and go."""

import time
from pathlib import Path

import pytest

from conftest import MEDIATOR
from rigtest.migration import DataFile, S, set_state
from rigtest.vfio import Device, outcome

TRANSPORT = Path("/sys/module/vfio_pci_mediate/parameters/transport")


@pytest.fixture
def vf(host):
    host.load("mediate", MEDIATOR)
    status, message = host.insmod("test_provider")
    assert status == 0, message
    TRANSPORT.write_text("fixed")
    vf = host.make_vfs(host.nics[0], "test_provider", 1)[0]
    vf.bind(MEDIATOR)
    yield vf
    vf.bind(None)


def test_a_data_file_outlives_all_but_the_module(host, vf):
    with Device(vf) as device:
        fd = set_state(device, S.STOP_COPY)
    vf.bind(None)
    status, _ = host.rmmod(MEDIATOR)
    assert status != 0, "an open data file holds the module"
    with DataFile(fd) as data:
        assert outcome(data.read) == "ENODEV"
    # A file is put a moment after it was closed.
    deadline = time.monotonic() + 10
    while host.rmmod(MEDIATOR)[0] != 0:
        assert time.monotonic() < deadline
        time.sleep(0.1)
    host.load(MEDIATOR)


def test_the_transport_can_be_set_at_load(host):
    host.load("mediate")
    status, message = host.insmod(MEDIATOR, "transport=wrong")
    assert status != 0 and "Invalid" in message
    status, message = host.insmod(MEDIATOR, "transport=none")
    assert status == 0, message
    assert TRANSPORT.read_text() == "none\n"
