# SPDX-License-Identifier: GPL-2.0
"""Put the parts of build/postcopy/ together as report.json, and say whether as many
moves passed as there were to be."""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build/postcopy"
SUMS = ("seeds", "prefaults", "iommu_faults", "wrong_bytes")


def collect(folder, wanted):
    """The whole report, which is written to report.json, too."""
    parts = [json.loads(path.read_text()) for path in sorted(folder.glob("*.json")) if path.name != "report.json"]
    report = {key: sum(part[key] for part in parts) for key in SUMS}
    report["passed"] = bool(parts) and all(part["passed"] for part in parts) and report["seeds"] == wanted
    report["wrong"] = [f"{part['transport']}: {line}" for part in parts for line in part["wrong"]]
    if report["seeds"] != wanted:
        report["wrong"].append(f"{report['seeds']} moves came to an end, not {wanted}: see build/postcopy/console")
    report["parts"] = parts
    (folder / "report.json").write_text(json.dumps(report, indent=1) + "\n")
    return report


def main():
    report = collect(FOLDER, int(sys.argv[1]))
    for line in report["wrong"]:
        print(line)
    print(", ".join(f"{key} {report[key]}" for key in SUMS))
    print(f"postcopy: {int(report['passed'])} passed, {int(not report['passed'])} failed")
    return 0 if report["passed"] else 1


if __name__ == "__main__":
    sys.exit(main())
