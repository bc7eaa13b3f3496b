# SPDX-License-Identifier: GPL-2.0
"""Checks that read Rust code: where `unsafe` lives, what may panic or cut."""

import re

from rust_source import Lines, code, without_tests, without_uses
from tree import Result, at

# How far above a line its explaining comment may be.
REACH = 3


def in_abi(path):
    return "abi" in path.parts[:-1]


def explained(comment_lines, line, mark):
    """Whether `mark` stands in a comment on `line` or within REACH above it."""
    return any(re.search(rf"//.*\b{mark}\b", text) for text in comment_lines[max(0, line - 1 - REACH):line])


# ---- unsafe and bindings -------------------------------------------------

# Macros of the kernel crate that want `unsafe` where they are used, each use
# after a comment `// UNSAFE-OUTSIDE-ABI: reason`. No other file may have one.
ALLOWED = {"mediate/registry/providers.rs", "mediate/vfio/debug.rs"}
ALLOW_MARK = "UNSAFE-OUTSIDE-ABI:"
BINDINGS = re.compile(r"(?<!mod )\bbindings\b(?=\s*(?:::|,|\bas\b|;|\}))")


def unsafe_in(path, text):
    """Findings in one file."""
    bare = code(text)
    lines, comments = Lines(bare), text.splitlines()
    for match in re.finditer(r"\bunsafe\b", bare):
        line = lines.of(match.start())
        if str(path) in ALLOWED and explained(comments, line, ALLOW_MARK[:-1]):
            continue
        yield at(path, line, "`unsafe` outside abi/")
    for match in BINDINGS.finditer(bare):
        yield at(path, lines.of(match.start()), "bindings used outside abi/")


# KUnit's modules, the host's stand-in for the kernel crate, and the fake device:
# the traits of that crate that they implement have unsafe functions.
TESTS = (("tests", "kunit"), ("tests", "host"), ("tests", "fake"))


def unsafe(tree):
    result = Result()
    for path in tree.named(".rs"):
        if not in_abi(path) and path.parts[:2] not in TESTS:
            result.findings += unsafe_in(path, tree.text(path))
    return result


# ---- panics and casts ----------------------------------------------------

PANICS = re.compile(r"\.\s*unwrap\s*\(\s*\)|\.\s*expect\s*\(|\b(?:panic|todo|unimplemented|unreachable)\s*!")
CAST_MARK = "CAST:"


def is_qualified_path(bare, position):
    """Whether the `as` at `position` stands in `<Type as Trait>::item`."""
    depth, here = 0, position - 1
    while here >= 0:
        char = bare[here]
        if char in ";{}":
            return False
        if char == ">" and bare[here - 1] not in "-=":
            depth += 1
        elif char == "<":
            if depth == 0:
                break
            depth -= 1
        here -= 1
    else:
        return False
    depth, here = 0, position
    while here < len(bare):
        char = bare[here]
        if char in ";{}":
            return False
        if char == "<":
            depth += 1
        elif char == ">" and bare[here - 1] not in "-=":
            if depth == 0:
                return re.match(r"\s*::", bare[here + 1:here + 40]) is not None
            depth -= 1
        here += 1
    return False


def constants(bare):
    """(start, end) of the values of `const` and `static` items: what panics in
    there, panics in the compiler."""
    for match in re.finditer(r"\b(?:const|static)\s+(?:mut\s+)?\w+\s*:", bare):
        depth, start = 0, None
        for here in range(match.end(), len(bare)):
            char = bare[here]
            if char in "([{":
                depth += 1
            elif char in ")]}":
                depth -= 1
            # A const parameter has no value that ends with a semicolon.
            if depth < 0 or (start is None and (depth == 0 and char in ",;" or char == "{")):
                break
            if depth == 0 and char == "=" and start is None:
                start = here
            elif depth == 0 and char == ";":
                yield start, here
                break


def casts_in(bare):
    """Positions of the `as` that convert values."""
    for match in re.finditer(r"\bas\b", bare):
        if not is_qualified_path(bare, match.start()):
            yield match.start()


def panics_in(path, text):
    """Findings in one file: what panics, and casts, which may cut a value."""
    bare = without_uses(without_tests(code(text)))
    lines, comments = Lines(bare), text.splitlines()
    compiled = list(constants(bare))
    for match in PANICS.finditer(bare):
        if any(start < match.start() < end for start, end in compiled):
            continue
        word = "".join(match.group().split())
        yield at(path, lines.of(match.start()), f"`{word}` can panic")
    for position in casts_in(bare):
        line = lines.of(position)
        if not in_abi(path):
            yield at(path, line, "a cast with `as`")
        elif not explained(comments, line, CAST_MARK[:-1]):
            yield at(path, line, f"a cast with `as` without a `// {CAST_MARK}` comment")


def panics(tree):
    result = Result()
    for path in tree.named(".rs"):
        if path.parts[0] not in ("tests", "tools") and path.name != "tests.rs":
            result.findings += panics_in(path, tree.text(path))
    return result
