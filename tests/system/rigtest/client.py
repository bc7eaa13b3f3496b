# SPDX-License-Identifier: GPL-2.0
"""vfclient, which plays VMM and guest at once on VFs: run it, read its JSON."""

import json
import subprocess
from pathlib import Path

BINARY = Path(__file__).resolve().parents[3] / "build/target/release/vfclient"


class Failed(AssertionError):
    """vfclient could not do what it was to do."""


def vfclient(command, *words, timeout=300):
    """What a command answers; an error if it is not as it must be. Options are
    words, VFs are functions."""
    words = [getattr(word, "address", str(word)) for word in words]
    done = subprocess.run([str(BINARY), command, *words], capture_output=True, text=True, timeout=timeout)
    try:
        answer = json.loads(done.stdout)
    except ValueError:
        raise Failed(f"vfclient {command} {' '.join(words)}: status {done.returncode}: {done.stderr}") from None
    if done.returncode:
        shown = {key: value for key, value in answer.items() if key != "registers"}
        raise Failed(f"vfclient {command} {' '.join(words)}: {json.dumps(shown, indent=1)}\n{done.stderr}")
    return answer
