# SPDX-License-Identifier: GPL-2.0
"""A lexer for Rust and C text, just good enough to tell code from the rest.

All functions keep line numbers: what they take out becomes blanks.
"""

import re
from bisect import bisect_right

RUST_TOKENS = re.compile(
    r"""(?P<line>//[^\n]*)
      | (?P<block>/\*)
      | (?P<raw>\b(?:br|cr|r)(?P<hashes>\#*)"(?:.|\n)*?"(?P=hashes))
      | (?P<string>\b[bc]?"(?:\\(?:.|\n)|[^"\\])*"|"(?:\\(?:.|\n)|[^"\\])*")
      | (?P<char>\bb?'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])'|'(?:\\(?:x..|u\{[^}]*\}|.)|[^'\\\n])')
      | (?P<life>'\w+)""",
    re.VERBOSE,
)
C_TOKENS = re.compile(
    r"""(?P<line>//[^\n]*) | (?P<block>/\*) | (?P<string>"(?:\\(?:.|\n)|[^"\\])*") | (?P<char>'(?:\\.[^']*|[^'\\])')""",
    re.VERBOSE,
)


def blank(text):
    """As many lines as `text`, with nothing in them."""
    return re.sub(r"[^\n]", " ", text)


def _block_end(text, start, nested):
    depth, at = 1, start + 2
    while depth:
        mark = re.compile(r"/\*|\*/").search(text, at)
        if not mark:
            return len(text)
        at = mark.end()
        if mark.group() == "*/":
            depth -= 1
        elif nested:
            depth += 1
    return at


def code(text, strings=False, tokens=RUST_TOKENS):
    """`text` without comments; the contents of strings stay if `strings`."""
    out, at = [], 0
    while match := tokens.search(text, at):
        out.append(text[at:match.start()])
        kind, at = match.lastgroup, match.end()
        if kind == "hashes":
            kind = "raw"
        if kind == "block":
            at = _block_end(text, match.start(), nested=tokens is RUST_TOKENS)
        piece = text[match.start():at]
        if kind == "life" or (strings and kind not in ("line", "block")):
            out.append(piece)
        elif kind in ("line", "block"):
            out.append(blank(piece))
        else:
            # Keep the quotes: a string is still an expression.
            out.append('"' + blank(piece[1:-1]) + '"')
    out.append(text[at:])
    return "".join(out)


def c_code(text):
    """C `text` without comments."""
    return code(text, strings=True, tokens=C_TOKENS)


def closing(text, start):
    """Where the bracket at `start` of code without strings closes (its index)."""
    pairs = {"{": "}", "(": ")", "[": "]"}
    opened, shut = text[start], pairs[text[start]]
    depth = 0
    for at in range(start, len(text)):
        if text[at] == opened:
            depth += 1
        elif text[at] == shut:
            depth -= 1
            if not depth:
                return at
    return len(text) - 1


TEST_ATTRIBUTE = re.compile(r"\b(?:kunit_tests\s*\(|cfg\s*\(\s*(?:any\s*\(\s*)?test\b)")


def without_tests(text):
    """Code (of `code`) without its test modules."""
    out = text
    for match in re.finditer(r"\bmod\s+\w+\s*\{", text):
        name = match.group().split()[1].rstrip("{")
        # The attributes before it go with it.
        head = re.search(r"((?:#\s*\[[^\n]*\]\s*)*)(?:pub(?:\s*\([^)]*\))?\s+)?$", text[:match.start()])
        start = head.start()
        if name == "tests" or TEST_ATTRIBUTE.search(head.group(1)):
            end = closing(text, match.end() - 1) + 1
            out = out[:start] + blank(out[start:end]) + out[end:]
    return out


def without_uses(text):
    """Code without `use` and `extern crate` statements: in those, `as` renames."""
    statement = re.compile(r"(^|[;{}\]])(\s*(?:pub\s*(?:\([^)]*\))?\s+)?(?:use|extern\s+crate)\s[^;]*;)", re.MULTILINE)
    at, out = 0, text
    while match := statement.search(out, at):
        out = out[:match.start(2)] + blank(match.group(2)) + out[match.end(2):]
        at = match.start(2)
    return out


class Lines:
    """Line numbers (from 1) of positions in a text."""

    def __init__(self, text):
        self._starts = [0, *(m.end() for m in re.finditer("\n", text))]

    def of(self, position):
        return bisect_right(self._starts, position)


def count(text):
    """Lines with something on them."""
    return sum(1 for line in text.splitlines() if line.strip())
