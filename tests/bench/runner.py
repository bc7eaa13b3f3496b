# SPDX-License-Identifier: GPL-2.0
"""Run one part of the bench: `run(rounds, say)` of tests/bench/PART.py. Writes
build/bench/parts/PART.json."""

import argparse
import importlib
import json
import sys
import time
import traceback
from pathlib import Path

SRC = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SRC / "tests/bench"), str(SRC / "tests/system")]
OUT = SRC / "build/bench/parts"

import results  # noqa: E402


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("part", choices=results.PARTS)
    parser.add_argument("--rounds", type=int, required=True)
    options = parser.parse_args()
    start = time.monotonic()

    def say(text):
        print(f"[{time.monotonic() - start:6.1f} s] {options.part}: {text}", flush=True)

    OUT.mkdir(parents=True, exist_ok=True)
    try:
        result = importlib.import_module(options.part).run(options.rounds, say)
    except Exception as error:
        traceback.print_exc()
        result = results.not_run(f"{type(error).__name__}: {error}")
    (OUT / f"{options.part}.json").write_text(json.dumps(result) + "\n")
    return 0 if result["ran"] else 1


if __name__ == "__main__":
    sys.exit(main())
