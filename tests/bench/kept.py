# SPDX-License-Identifier: GPL-2.0
"""What a part has measured so far. The emulated processor may lose a rig (Documentation/rig.rst):
another one goes on with the round that was lost, and has those before."""

import json
from pathlib import Path

OUT = Path(__file__).resolve().parents[2] / "build/bench/parts"


def file(part):
    return OUT / f"{part}.kept.json"


def read(part):
    """What was kept last, or None."""
    return json.loads(file(part).read_text()) if file(part).exists() else None


def write(part, what):
    """Instead of what was kept before; whole, or not at all."""
    OUT.mkdir(parents=True, exist_ok=True)
    new = file(part).with_suffix(".new")
    new.write_text(json.dumps(what))
    new.replace(file(part))


def remove(part):
    file(part).unlink(missing_ok=True)
