# SPDX-License-Identifier: GPL-2.0
"""`scripts/check`, inside the cached root."""

import os
import sys
import time
from pathlib import Path

import languages
import rust_checks
import text_checks
import tools
from tree import Finding, Result, Tree

SRC = Path(__file__).resolve().parents[2]
KERNELS = Path(os.environ.get("MEDIATE_CACHE", "")) / "kernel"
# Longest list of findings shown for one check.
SHOWN = 60

CHECKS = {
    "rustfmt": lambda tree: tools.rustfmt(tree, KERNELS),
    "clippy-debug": lambda tree: tools.clippy(tree, KERNELS / "debug/build"),
    "clippy-stock": lambda tree: tools.clippy(tree, KERNELS / "stock/build"),
    "cargo-clippy": tools.cargo_clippy,
    "cargo-fmt": tools.cargo_fmt,
    "checkpatch": lambda tree: tools.checkpatch(tree, KERNELS),
    "spdx": text_checks.spdx,
    "languages": languages.languages,
    "neutral": text_checks.neutral,
    "places": text_checks.places,
    "unsafe": rust_checks.unsafe,
    "panics": rust_checks.panics,
    "length": text_checks.length,
}


def show(lines):
    for line in lines[:SHOWN]:
        print(f"     {line}")
    if len(lines) > SHOWN:
        print(f"     … and {len(lines) - SHOWN} lines more")


def judge(name, check, tree):
    """Runs one check and prints its line; whether it passed."""
    started = time.monotonic()
    try:
        result = check(tree)
    except OSError as error:
        result = Result([Finding(str(error))])
    seconds = time.monotonic() - started
    took = f" ({seconds:.0f} s)" if seconds >= 5 else ""
    if result.findings:
        print(f"FAIL {name}: {result.findings[0]}{took}")
        show(result.findings[1:])
    else:
        print(f"ok   {name}{took}")
    show(result.table)
    show([f"note: {note}" for note in result.notes])
    sys.stdout.flush()
    return not result.findings


def main(names):
    unknown = [name for name in names if name not in CHECKS]
    if unknown:
        sys.exit(f"check: no check is named {' '.join(unknown)}; there are {' '.join(CHECKS)}")
    tree = Tree(SRC)
    passed = [judge(name, CHECKS[name], tree) for name in names or CHECKS]
    print(f"check: {sum(passed)} passed, {len(passed) - sum(passed)} failed")
    return 0 if all(passed) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
