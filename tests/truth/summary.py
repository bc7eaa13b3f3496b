# SPDX-License-Identifier: GPL-2.0
"""Put reports of build/truth/ together as report.json, and say what passed.

    summary.py TRANSPORT-CHANNEL...
"""

import json
import sys
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[2] / "build/truth"
# What a part that came to nothing looks like.
NOTHING = {"seeds": 0, "pages_changed": 0, "pages_reported": 0, "missed": 0, "stray": 0, "recall": 0.0, "precision": 0.0,
           "precision_wide": 0.0, "wrong": ["there is no report: see the console log"], "passed": False}


def part(folder, name):
    """One part's report."""
    try:
        return json.loads((folder / f"{name}.json").read_text())
    except (OSError, ValueError):
        transport, channel = name.split("-")
        return {"transport": transport, "channel": channel} | NOTHING


def collect(folder, names):
    """These parts' reports, in report.json, too."""
    parts = [part(folder, name) for name in names]
    (folder / "report.json").write_text(json.dumps(parts, indent=1) + "\n")
    return parts


def main():
    parts = collect(FOLDER, sys.argv[1:])
    for entry in parts:
        for line in entry["wrong"]:
            print(f"{entry['transport']}, {entry['channel']}: {line}")
        print(f"{entry['transport']:6} {entry['channel']:5} {entry['seeds']:5} seeds  {entry['pages_changed']:8} changed "
              f"{entry['pages_reported']:8} reported  missed {entry['missed']} stray {entry['stray']}  "
              f"precision {entry['precision']:.4f} wide {entry['precision_wide']:.4f}  "
              f"{'passed' if entry['passed'] else 'FAILED'}")
    failed = sum(not entry["passed"] for entry in parts)
    print(f"truth: {len(parts) - failed} passed, {failed} failed")
    return 0 if parts and not failed else 1


if __name__ == "__main__":
    sys.exit(main())
