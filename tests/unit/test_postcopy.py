# SPDX-License-Identifier: GPL-2.0
"""What `make postcopy` makes of its parts' reports."""

import json

from loading import load

summary = load("tests/postcopy/summary.py")
runner = load("tests/postcopy/runner.py")

GOOD = {"transport": "fixed", "seeds": 3, "prefaults": 9, "iommu_faults": 0, "wrong_bytes": 0, "wrong": [], "passed": True}


def collect(folder, wanted, **parts):
    for name, part in parts.items():
        (folder / f"{name}.json").write_text(json.dumps(part))
    return summary.collect(folder, wanted)


def test_parts_are_summed(tmp_path):
    report = collect(tmp_path, 7, fixed=GOOD, region=GOOD | {"transport": "region", "seeds": 4})
    assert (report["seeds"], report["prefaults"], report["passed"]) == (7, 18, True)
    assert json.loads((tmp_path / "report.json").read_text()) == report
    # It is no part of its own.
    assert summary.collect(tmp_path, 7) == report


def test_what_is_missing_or_wrong_has_failed(tmp_path):
    assert not summary.collect(tmp_path, 0)["passed"]
    assert not collect(tmp_path, 4, fixed=GOOD)["passed"]
    assert not collect(tmp_path, 3, fixed=GOOD | {"passed": False, "iommu_faults": 1})["passed"]
    assert collect(tmp_path, 3, fixed=GOOD)["passed"]


def test_faults_of_the_iommu_are_counted():
    log = ("DMAR: DRHD: handling fault status reg 2\n"
           "DMAR: [DMA Write NO_PASID] Request device [01:10.0] fault addr 0x10200000 [fault reason 0x05]\n"
           "igb_rs 0000:01:00.0: VF 0 opened\n"
           "DMAR: [DMA Read NO_PASID] Request device [01:10.0] fault addr 0x10201000 [fault reason 0x06]\n")
    assert runner.count_faults(log) == 2
    assert runner.count_faults("igb_rs: fault\n") == 0
