# SPDX-License-Identifier: GPL-2.0
"""How much of each kernel module is Rust and how much is C.

Counted are lines with code: no blank lines, comments, test modules, and
nothing under include/ or tests/.
"""

import re
from pathlib import Path

from rust_source import c_code, code, count, without_tests
from tree import Finding, Result

MOST_C_PERCENT = 10

# Folders whose every source file belongs to one module.
WHOLE_FOLDERS = {"igb_rs": Path("drivers/net/ethernet/vendor")}
# Folders whose Kbuild says which file belongs to which module.
KBUILD_FOLDERS = [Path("mediate")]


def kbuild_lists(text):
    """{variable: words} of a Kbuild file's assignments."""
    lists = {}
    text = re.sub(r"\\\n", " ", text)
    for name, words in re.findall(r"^([\w-]+)\s*[:+]?=\s*(.*)$", text, re.MULTILINE):
        lists.setdefault(name, []).extend(re.sub(r"#.*", "", words).split())
    return lists


MOD = re.compile(
    r"""(?P<open>\{) | (?P<close>\})
      | (?P<attributes>(?:\#\s*\[[^\]]*\]\s*)*)(?:pub(?:\s*\([^)]*\))?\s+)?\bmod\s+(?P<name>\w+)\s*(?P<kind>[;{])""",
    re.VERBOSE,
)


def rust_children(path, text, is_root):
    """Candidate paths, as lists, of the files that `mod NAME;` in `path` names."""
    bare = without_tests(code(text, strings=True))
    own = path.parent if is_root or path.name == "mod.rs" else path.parent / path.stem
    inline = []
    for match in MOD.finditer(bare):
        if match["open"]:
            inline.append(None)
        elif match["close"]:
            if inline:
                inline.pop()
        elif match["kind"] == "{":
            inline.append(match["name"])
        else:
            modules = [name for name in inline if name]
            named = re.search(r'path\s*=\s*"([^"]*)"', match["attributes"])
            if named:
                # Inside an inline module the path counts from that module.
                base = own.joinpath(*modules) if modules else path.parent
                yield [base / named[1]]
            else:
                base = own.joinpath(*modules, match["name"])
                yield [base.with_suffix(".rs"), base / "mod.rs"]


def normal(path):
    parts = []
    for part in path.parts:
        if part == ".." and parts:
            parts.pop()
        else:
            parts.append(part)
    return Path(*parts)


def rust_tree(tree, root):
    """The files of the crate whose root is `root`."""
    seen, todo = [], [(root, True)]
    while todo:
        path, is_root = todo.pop()
        if path in seen or not (tree.root / path).is_file():
            continue
        seen.append(path)
        for candidates in rust_children(path, tree.text(path), is_root):
            todo += [(normal(c), False) for c in candidates]
    return seen


def c_tree(tree, roots):
    """C files and the headers of ours they include, without include/."""
    seen, todo = [], list(roots)
    while todo:
        path = todo.pop()
        if path in seen or not (tree.root / path).is_file():
            continue
        seen.append(path)
        for name in re.findall(r'^\s*#\s*include\s+"([^"]+)"', tree.text(path), re.MULTILINE):
            todo.append(normal(path.parent / name))
    return seen


def owners(word, parts):
    """The modules that what is bound as `word` can be told to belong to."""
    return [name for name, objects in parts.items()
            if word == name or f"{word}_shim" in {object_.name for object_ in objects}]


def kbuild_modules(tree, folder):
    """{module: files} of one Kbuild file."""
    lists = kbuild_lists(tree.text(folder / "Kbuild"))
    names = [word[:-2] for word in lists.get("obj-m", []) if word.endswith(".o")]
    parts = {name: [folder / word[:-2] for word in lists.get(f"{name}-y", [f"{name}.o"])] for name in names}
    modules = {}
    for name, objects in parts.items():
        # What is bound belongs to the module that has its name or its shim, else to all.
        headers = [folder / "abi" / f"{word}.h" for word in lists.get("bindings-y", [])
                   if name in (owners(word, parts) or names)]
        files = c_tree(tree, [Path(f"{o}.c") for o in objects] + headers)
        for object_ in objects:
            files += rust_tree(tree, Path(f"{object_}.rs"))
        modules[name] = files
    return modules


def modules(tree):
    found = {}
    for folder in KBUILD_FOLDERS:
        if (tree.root / folder / "Kbuild").is_file():
            found.update(kbuild_modules(tree, folder))
    for name, folder in WHOLE_FOLDERS.items():
        files = [path for path in tree.named(".rs", ".c", ".h") if path.is_relative_to(folder)]
        if files:
            found[name] = files
    return found


def lines(tree, files):
    """(Rust, C) lines of code of `files`."""
    rust = sum(count(without_tests(code(tree.text(p)))) for p in files if p.suffix == ".rs")
    c = sum(count(c_code(tree.text(p))) for p in files if p.suffix in (".c", ".h"))
    return rust, c


def languages(tree):
    result = Result()
    for name, files in modules(tree).items():
        rust, c = lines(tree, set(files))
        percent = 100 * c / (rust + c) if rust + c else 0
        result.table.append(f"{name}: rust {rust} c {c} {percent:.1f} %")
        if percent > MOST_C_PERCENT:
            result.findings.append(Finding(f"{name} is {percent:.1f} % C, more than {MOST_C_PERCENT} %"))
    if not result.table:
        result.findings.append(Finding("no module found"))
    return result
