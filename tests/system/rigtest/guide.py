# SPDX-License-Identifier: GPL-2.0
"""The blocks of a guide in reStructuredText that can be run.

Comments right before a block say what the reader sees from the text:

    .. run on: host-a               where; "both hosts" are two
    .. prints: vf-guest +running    a regular expression for what it prints
    .. not run: needs a reboot      instead of "run on"
"""

import re
import textwrap
from dataclasses import dataclass

MARK = re.compile(r"\.\. (run on|not run|prints): (.*)$")
BLOCK = ".. code-block:: sh"
PLACES = {"build machine": ("build machine",), "host-a": ("host-a",), "host-b": ("host-b",),
          "both hosts": ("host-a", "host-b")}


@dataclass(frozen=True)
class Block:
    """One block: `places` is empty if it is not run, and `reason` says why."""

    line: int
    text: str
    places: tuple = ()
    prints: str = ""
    reason: str = ""

    @property
    def name(self):
        return f"line-{self.line}"


def _body(lines, at):
    """The indented lines from `at` on, without their indentation."""
    end = at
    while end < len(lines) and (not lines[end].strip() or lines[end].startswith(" ")):
        end += 1
    return textwrap.dedent("\n".join(lines[at:end])).strip("\n") + "\n"


def _marks(lines, at):
    """The marks in the comments that end before line `at`."""
    marks = {}
    while at > 0 and (found := MARK.match(lines[at - 1])):
        marks[found[1]] = found[2]
        at -= 1
    return marks


def blocks(path):
    """All blocks in order. ValueError: one of them has no mark, or an unknown one."""
    lines = path.read_text().splitlines()
    found = []
    for at, line in enumerate(lines):
        if line != BLOCK:
            continue
        marks = _marks(lines, at)
        if ("run on" in marks) == ("not run" in marks):
            raise ValueError(f"{path.name}:{at + 1}: is this block run, and where?")
        if marks.get("run on", "host-a") not in PLACES:
            raise ValueError(f"{path.name}:{at + 1}: there is no place {marks['run on']!r}")
        places = PLACES[marks["run on"]] if "run on" in marks else ()
        found.append(Block(at + 1, _body(lines, at + 1), places, marks.get("prints", ""), marks.get("not run", "")))
    return found
