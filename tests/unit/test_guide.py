# SPDX-License-Identifier: GPL-2.0
"""The user guide says what to do about everything that the modules complain of."""

import re
import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
GUIDE = SRC / "Documentation/user-guide.rst"
sys.path.insert(0, str(SRC / "tests/system"))

from rigtest.guide import blocks

# A complaint's macro or function, and the first string behind it.
COMPLAINT = re.compile(r'\b(?:(?:dev|pr)_(?:err|warn)!\(|Fault::\w+[^=;]{0,40}=>\s*CString::try_from_fmt\(format_args!\('
                       r'|binding\.explain\(format_args!\(|write_str\(|write!\(\s*f,|AdminFault::\w+ => \(\s*[\w:()]+,'
                       r'|Denial::\w+ =>|cure\(f,)'
                       r'[^"{};]*?"((?:[^"\\]|\\.)*)"', re.S)
FOLDERS = ("mediate/vfio", "mediate/trap", "mediate/registry", "mediate/logic", "mediate/abi", "drivers/net/ethernet/vendor")
# What they say is for whoever writes a provider, and is in the guide as one line each.
FOR_DEVELOPERS = ("mediate/logic/provider.rs", "mediate/logic/region.rs", "mediate/logic/span.rs",
                  "mediate/abi/provider_ops.rs")


def complaints():
    """(file, text) of each, as printed but for what is filled in."""
    for folder in FOLDERS:
        for path in sorted((SRC / folder).rglob("*.rs")):
            name = str(path.relative_to(SRC))
            if name in FOR_DEVELOPERS:
                continue
            code = path.read_text().split("\nmod tests", 1)[0]
            for found in COMPLAINT.finditer(code):
                yield name, re.sub(r"\\\n\s*", "", found[1]).replace("\\n", "")


def longest_part(text):
    return max((part.strip(" :;,.{}") for part in re.split(r"\{[^}]*\}", text)), key=len)


def words(text):
    return " ".join(text.replace("``", "").split())


COMPLAINTS = sorted(set(complaints()))


def test_complaints_are_found():
    assert len(COMPLAINTS) > 80


@pytest.mark.parametrize("file, text", COMPLAINTS)
def test_what_is_complained_of_has_its_cure(file, text):
    part = longest_part(text)
    corrupt = text.endswith("it is corrupt")
    assert corrupt or part in words(GUIDE.read_text()), f"{file} says {text!r}; {GUIDE.name} does not know it"


def test_each_block_says_where_it_is_run_or_why_not():
    found = blocks(GUIDE)
    assert sum(bool(block.places) for block in found) > 20
    assert {block.reason for block in found if not block.places} == {
        "it ends with a reboot", "it needs the firmware's menu",
        "it takes too long there; the test lays out what was built before"}


def test_a_block_without_a_mark_is_noticed(tmp_path):
    guide = tmp_path / "guide.rst"
    guide.write_text("Text\n\n.. code-block:: sh\n\n   true\n")
    with pytest.raises(ValueError, match="guide.rst:3"):
        blocks(guide)
    guide.write_text(".. run on: both hosts\n.. prints: ^one\n.. code-block:: sh\n\n"
                     "   echo one\n     two\n\n   three\n\nText\n")
    assert [(b.line, b.text, b.places, b.prints) for b in blocks(guide)] == [
        (3, "echo one\n  two\n\nthree\n", ("host-a", "host-b"), "^one")]
