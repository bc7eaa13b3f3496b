# SPDX-License-Identifier: GPL-2.0
"""`scripts/bench`, inside the cached root: each part in a rig of its own, then the
report, a table and pictures. What earlier runs have told of other parts stays."""

import argparse
import ast
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import kept
import pictures
import results

SRC = Path(__file__).resolve().parents[2]
OUT = SRC / "build/bench"
# A rig for a part that has come to a stop is ended after so many seconds, and so many for each round.
PATIENCE, ROUND_PATIENCE = 300, 400
# What scripts/rig ends with where the emulated processor lost a guest, or its host; and how many
# rigs a part may lose so.
EXIT_PROCESSOR, MOST_LOST = 98, 3


def constant(part, name, default):
    """A constant of a part's module, which wants to be imported in the rig only."""
    for node in ast.parse((SRC / f"tests/bench/{part}.py").read_text()).body:
        if isinstance(node, ast.Assign) and [getattr(target, "id", None) for target in node.targets] == [name]:
            return ast.literal_eval(node.value)
    return default


def kernels(part):
    """Of the rigs that a part is run in, one after the other."""
    return constant(part, "KERNELS", ("stock",))


def command(part, rounds, kernel="stock"):
    """What runs a part."""
    runner = ["python3", "-B", "tests/bench/runner.py", part, "--rounds", str(rounds)]
    nics = constant(part, "NICS", 2)
    if nics == 0:
        return runner
    wires = constant(part, "WIRES", 1)
    return ["scripts/rig", "run", "--kernel", kernel, "--nics", str(nics), "--wires", str(wires),
            "--timeout", str(PATIENCE + ROUND_PATIENCE * rounds), "--log", f"build/bench/{part}.console", "--", *runner]


def run_rig(part, rounds, kernel):
    """One part in one rig, or in another one that goes on where the emulated processor lost it;
    what it tells, or why it told nothing."""
    file = OUT / "parts" / f"{part}.json"
    kept.remove(part)
    for lost in range(MOST_LOST + 1):
        file.unlink(missing_ok=True)
        started = time.monotonic()
        status = subprocess.run(command(part, rounds, kernel), cwd=SRC, stdin=subprocess.DEVNULL).returncode
        print(f"{part}: {time.monotonic() - started:.0f} s", flush=True)
        if status != EXIT_PROCESSOR:
            break
    try:
        entry = json.loads(file.read_text())
    except (OSError, ValueError):
        return results.not_run(f"it ended with status {status}: see build/bench/{part}.console")
    if status and entry["ran"]:
        # Faults in the kernel's log: what was measured is not to be trusted.
        entry = results.not_run(f"it ended with status {status}: see build/bench/{part}.console")
    return entry | {"lost_rigs": lost}


def run_part(part, rounds):
    """One part in each of its rigs, up to the first that tells nothing."""
    entries = []
    for kernel in kernels(part):
        entries.append(run_rig(part, rounds, kernel))
        if not entries[-1]["ran"]:
            break
    return results.joined(entries)


def machine():
    """What it was measured on."""
    cpus = [line.split(":", 1)[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()
            if line.startswith("model name")]
    vmm = subprocess.run(["qemu-system-x86_64", "--version"], capture_output=True, text=True, check=True).stdout
    verdict = Path(os.environ["MEDIATE_CACHE"]) / "kvm"
    kvm = verdict.exists() and verdict.read_text().split()[-1:] == ["yes"]
    return {"cpu": cpus[0] if cpus else "?", "cpus": len(cpus),
            "memory_mib": os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") >> 20,
            "kernel": (Path(os.environ["MEDIATE_CACHE"]) / "kernel/release").read_text().strip(),
            "vmm": vmm.splitlines()[0], "rig": "KVM" if kvm else "TCG, multi-threaded; guests on its emulated SVM"}


def publish(whole, folder):
    """Puts the table and the pictures into Documentation/."""
    there = SRC / "Documentation/performance"
    there.mkdir(exist_ok=True)
    (there / "results.rst").write_text(results.rst(whole))
    for part in results.PARTS:
        for picture in whole.get(part, {}).get("pictures", ()):
            shutil.copy(folder / picture, there)


def main():
    parser = argparse.ArgumentParser(prog="scripts/bench")
    parser.add_argument("parts", nargs="*", choices=[*results.PARTS, []], metavar="PART")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--into", type=Path, default=OUT, help="the folder of report and pictures")
    parser.add_argument("--publish", action="store_true", help="run nothing: put what there is into Documentation/")
    options = parser.parse_args()
    into = SRC / options.into
    for folder in (OUT, into):
        folder.mkdir(parents=True, exist_ok=True)
    file = into / "report.json"
    try:
        whole = json.loads(file.read_text())
    except (OSError, ValueError):
        whole = {}
    if options.publish:
        publish(whole, into)
        return 0
    whole["machine"] = machine()
    parts = options.parts or results.PARTS
    if "downtime" not in parts:
        # What that keeps is for a [phases] of the same run.
        kept.remove("downtime")
    for number, part in enumerate(parts, 1):
        print(f"== {part} ({number} of {len(parts)})", flush=True)
        if part == "phases" and not whole.get("downtime", {}).get("ran") and "downtime" in parts:
            entry = results.not_run("no moves: [downtime] did not run")
        else:
            entry = run_part(part, options.rounds)
        if entry["ran"]:
            entry["pictures"] = pictures.draw(part, entry, into)
        whole[part] = entry
        file.write_text(json.dumps(whole, indent=1) + "\n")
    print(results.table(whole))
    print(f"bench: {sum(whole[part]['ran'] for part in parts)} passed, "
          f"{sum(not whole[part]['ran'] for part in parts)} failed")
    return 0 if all(whole[part]["ran"] for part in parts) else 1


if __name__ == "__main__":
    sys.exit(main())
