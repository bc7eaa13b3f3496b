# SPDX-License-Identifier: GPL-2.0
"""mediate.ko: who may register, and in which order modules come and go."""

import itertools

import pytest

from conftest import MEDIATOR

# Defect of the test provider: (errno's text from insmod, words of the log line).
DEFECTS = {
    "null": ("Invalid", "ops is NULL"),
    # Module loading keeps EEXIST for itself and says EBUSY instead.
    "twice": ("busy", "test_provider refused: it is registered already"),
    "name": ("busy", "test_provider refused: it is registered already"),
    "abi_version": ("Invalid", "built for interface version"),
    "owner": ("Invalid", "test_provider refused: owner is NULL"),
    "no_name": ("Invalid", "(unnamed) refused: it has no name"),
    "empty_name": ("Invalid", "(unnamed) refused: it has no name"),
    "long_name": ("Invalid", "refused: its name is longer than 31 bytes"),
    "id_table": ("Invalid", "test_provider refused: id_table is NULL"),
    "windows": ("Invalid", "nr_windows is set, but windows is NULL"),
    "open": ("Invalid", "test_provider refused: open is NULL"),
    "release": ("Invalid", "test_provider refused: release is NULL"),
    "get_region_info": ("Invalid", "test_provider refused: get_region_info is NULL"),
    "rw": ("Invalid", "test_provider refused: rw is NULL"),
    "mmap": ("Invalid", "test_provider refused: mmap is NULL"),
    "state_size": ("Invalid", "test_provider refused: migration->state_size is NULL"),
    "save": ("Invalid", "test_provider refused: migration->save is NULL"),
    "load": ("Invalid", "test_provider refused: migration->load is NULL"),
    "quiesce": ("Invalid", "test_provider refused: migration->quiesce is NULL"),
    "resume": ("Invalid", "test_provider refused: migration->resume is NULL"),
    "reset": ("Invalid", "test_provider refused: migration->reset is NULL"),
    "window_offset": ("Invalid", "window 1 is not page-aligned"),
    "window_size": ("Invalid", "window 1 is not page-aligned"),
    "window_empty": ("Invalid", "window 1 is empty"),
    "window_overflow": ("Invalid", "window 1 reaches beyond"),
    "window_overlap": ("Invalid", "windows 0 and 1 overlap"),
    "window_region": ("Invalid", "window 1 is not in a BAR"),
}


@pytest.mark.parametrize("defect", DEFECTS)
def test_a_malformed_provider_is_refused_with_its_reason(host, log, defect):
    host.load("mediate")
    status, message = host.insmod("test_provider", f"bad={defect}")
    errno, words = DEFECTS[defect]
    assert status != 0 and errno in message
    assert words in log()


@pytest.mark.parametrize("defect", ("unregistered", "attach"))
def test_calls_out_of_turn_are_refused(host, defect):
    host.load("mediate")
    status, _ = host.insmod("test_provider", f"bad={defect}")
    assert status != 0
    status, message = host.insmod("test_provider")
    assert status == 0, message


@pytest.mark.parametrize("order", itertools.permutations(("igb_rs", MEDIATOR, "test_provider")),
                         ids="-".join)
def test_any_order_of_load_and_unload_works(host, order):
    host.load("mediate", *order)
    assert host.rmmod("mediate")[0] != 0, "mediate has users and must stay"
    for module in order:
        status, message = host.rmmod(module)
        assert status == 0, message
    host.unload("mediate")
    host.load("mediate", *order)
    host.unload(*reversed(order), "mediate")


def test_a_pf_driver_that_binds_after_the_vf_has_no_part_in_it(host):
    """Modules loaded late serve what is opened after that."""
    host.load("mediate", "igb_rs")
    vfs = host.make_vfs(host.nics[0], "igb_rs", 1)
    host.load(MEDIATOR)
    vfs[0].bind(MEDIATOR)
    assert vfs[0].driver == MEDIATOR
