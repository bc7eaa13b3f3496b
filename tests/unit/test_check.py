# SPDX-License-Identifier: GPL-2.0
"""The scanners behind scripts/check."""

import sys
from pathlib import Path

import pytest

SRC = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SRC / "scripts/check.d"))

import languages
import rust_checks
import rust_source
import text_checks
import tools
from tree import Tree


@pytest.fixture
def tree(tmp_path):
    """Makes a Tree of {path: text}."""

    def make(files):
        for name, text in files.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return Tree(tmp_path)

    return make


def places(result):
    return [finding.split(": ")[0] for finding in result.findings]


# ---- the lexer -----------------------------------------------------------

@pytest.mark.parametrize("text, kept, gone", [
    ("a(); // unsafe\nb();", "b();", "unsafe"),
    ("/* x /* nested */ unsafe */ code()", "code()", "unsafe"),
    ('let s = "unsafe \\" // still"; end()', "end()", "unsafe"),
    ('let s = r#"unsafe " x"#; end()', "end()", "unsafe"),
    ('let s = br"unsafe"; let t = c"unsafe"; end()', "end()", "unsafe"),
    ("let c = '\"'; let d = '\\''; code()", "code()", '\\'),
    ("let c = b'\\x41'; code()", "code()", "x41"),
    ("fn f<'a>(x: &'a str) -> &'a str { x } // 'b", "<'a>(x: &'a str)", "'b"),
    ("/// panic!\n//! panic!\ncode()", "code()", "panic"),
    ("'outer: loop { break 'outer; }", "'outer: loop { break 'outer; }", "#"),
])
def test_code_keeps_code_only(text, kept, gone):
    bare = rust_source.code(text)
    assert kept in bare
    assert gone not in bare
    assert bare.count("\n") == text.count("\n")


def test_c_code_keeps_strings():
    bare = rust_source.c_code('a("// no comment"); /* bb */ // cc\n#define D \'"\' /* ee */')
    assert '"// no comment"' in bare
    assert not any(word in bare for word in ("bb", "cc", "ee"))


def test_test_modules_are_taken_out():
    text = """
fn real() {}
#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(suite))]
#[cfg(any(test, kunit_module))]
mod cases { fn one() { if x { y } } }
mod tests { fn two() {} }
mod testsuite { fn three() {} }
fn last() {}
"""
    bare = rust_source.without_tests(rust_source.code(text))
    assert "one" not in bare and "two" not in bare
    assert all(name in bare for name in ("real", "three", "last"))


# ---- unsafe --------------------------------------------------------------

@pytest.mark.parametrize("text", [
    "unsafe { f() }",
    "use kernel::bindings;",
    "use kernel::{\n    bindings as kernel_bindings,\n    prelude::*, //\n};",
    "let x = kernel::bindings::pci_dev;",
    "let x = crate::abi::bindings::thing;",
])
def test_unsafe_and_bindings_are_found(tree, text):
    made = tree({"mediate/vfio/a.rs": text, "mediate/abi/b.rs": text, "tests/kunit/c.rs": text})
    assert places(rust_checks.unsafe(made)) == [f"mediate/vfio/a.rs:{2 if 'as kernel_b' in text else 1}"]


@pytest.mark.parametrize("text", [
    "mod abi { pub(crate) mod bindings; }",
    "// unsafe, kernel::bindings::x\nfn f() {}",
    'pr_info!("unsafe bindings::");',
    "fn unsafely() {}",
])
def test_what_only_looks_unsafe_passes(tree, text):
    assert not rust_checks.unsafe(tree({"mediate/a.rs": text})).findings


def test_allow_comment_counts_in_the_registry_only(tree):
    text = "// UNSAFE-OUTSIDE-ABI: the macro wants it.\n// SAFETY: once.\nunsafe { X.init() };\n\n\n\nunsafe { g() }"
    made = tree({"mediate/registry/providers.rs": text, "mediate/vfio/a.rs": text})
    assert places(rust_checks.unsafe(made)) == [
        "mediate/registry/providers.rs:7", "mediate/vfio/a.rs:3", "mediate/vfio/a.rs:7"]


# ---- panics and casts ----------------------------------------------------

@pytest.mark.parametrize("text", [
    "let a = b.unwrap();", 'let a = b.expect("x");', "let a = b\n    .unwrap();", "panic!();", "todo!()",
    "unreachable!()", "let a = b as u32;", "f(a as usize, 1)", "if a < b as u64 { c > d }", "let p = x as _;",
    "const N: u32 = M as u32;", "fn f<const N: usize>() { panic!() }", "let y = (a as Foo<B>)::c;",
])
def test_panics_and_casts_are_found(tree, text):
    assert len(rust_checks.panics(tree({"mediate/a.rs": text})).findings) == 1


@pytest.mark.parametrize("text", [
    "use a::b as c;", "pub(crate) use a::{\n    b as c,\n    d as e, //\n};", "extern crate a as b;",
    "let a = <T as Trait>::f();", "let a: Option<<T as Foo<U>>::Bar> = b;", "let a = <Vec<T> as Foo>::N;",
    "impl<T> Foo for <T as Bar>::Baz {}", "let a = b.unwrap_or(0);", "a.expect_err_code();",
    "// a as b, panic!()\n", 'pr_info!("as is");', "#[cfg(test)]\nmod tests { fn f() { a.unwrap(); b as u8; } }",
    'static T: [u32; N + 1] = {\n    let Some(x) = parse() else { panic!("bad") };\n    x\n};',
    'const _: () = assert!(A == B);', "let basis = 1; let has = 2;",
])
def test_what_only_looks_like_a_panic_or_cast_passes(tree, text):
    assert not rust_checks.panics(tree({"mediate/a.rs": text})).findings


def test_casts_in_abi_want_a_comment(tree):
    text = ("// CAST: fits.\nlet a = b as u32;\n\n\n\nlet c = d as u32;\n"
            "let e = f as u32; // CAST: fits too.\n")
    made = tree({"mediate/abi/a.rs": text, "tools/x/b.rs": text, "tests/host/src/c.rs": text})
    assert places(rust_checks.panics(made)) == ["mediate/abi/a.rs:6"]


# ---- words ---------------------------------------------------------------

@pytest.mark.parametrize("line", [
    "the 82576", "0x10c9", "id 10CA", "8086:0000", "igb_rs calls", "an igb VF", "write_rdt(x)", "RDT0", "TDT(n)",
    "SRRCTL", "vtctrl", "V2PMAILBOX",
])
def test_nic_words_are_found(tree, line):
    assert text_checks.neutral(tree({"mediate/a.rs": f"\n// {line}\n"})).findings[0].startswith("mediate/a.rs:2: ")


@pytest.mark.parametrize("line", ["bright", "rdtsc", "0x10c90", "18086", "digbert", "extra hay", "metadata", "1518"])
def test_other_words_pass(tree, line):
    made = tree({"mediate/a.rs": line, "drivers/net/ethernet/vendor/a.rs": "82576 RDT"})
    assert not text_checks.neutral(made).findings


@pytest.mark.parametrize("line, bad", [
    ("cd /ro" "ot/x", True), ("/ho" "me/x", True), ("https://cra" "tes.io/x", True), ("deb.deb" "ian.org", True),
    ("HOME=/root", False), ("the crates.i" "o registry", False), ("/homework", False),
])
def test_places(tree, line, bad):
    made = tree({"a.rst": line, "Cargo.lock": line})
    assert places(text_checks.places(made)) == (["a.rst:1"] if bad else [])


@pytest.mark.parametrize("name, text, good", [
    ("a.rs", "// SPDX-License-Identifier: GPL-2.0\n", True),
    ("a.rs", "/* SPDX-License-Identifier: GPL-2.0 */\n", False),
    ("a.rs", "//! Late.\n// SPDX-License-Identifier: GPL-2.0\n", False),
    ("a.c", "// SPDX-License-Identifier: GPL-2.0\n", True),
    ("a.h", "/* SPDX-License-Identifier: GPL-2.0 */\n", True),
    ("a.h", "// SPDX-License-Identifier: GPL-2.0\n", False),
    ("include/uapi/a.h", "/* SPDX-License-Identifier: GPL-2.0 */\n", False),
    ("include/uapi/a.h", "/* SPDX-License-Identifier: GPL-2.0 WITH Linux-syscall-note */\n", True),
    ("a.py", "#!/usr/bin/env python3\n# SPDX-License-Identifier: GPL-2.0\n", True),
    ("tool", "#!/bin/sh\necho\n", False),
    ("scripts/part", "# Sourced.\n", False),
    ("scripts/data", "Package: x\n", True),
    ("Kbuild", "obj-m += a.o\n", False),
    ("Kbuild", "# SPDX-License-Identifier: GPL-2.0\n", True),
    ("README.md", "# Title\n", True),
    (".gitignore", "# Made.\n", True),
])
def test_spdx(tree, name, text, good):
    assert (not text_checks.spdx(tree({name: text})).findings) == good


def test_long_files_are_only_noted(tree):
    result = text_checks.length(tree({"a.rs": "x\n" * 501, "b.rs": "x\n" * 500, "c.md": "x\n" * 900}))
    assert not result.findings
    assert result.notes == ["a.rs: 501 lines, more than 500"]


# ---- languages -----------------------------------------------------------

def test_modules_follow_kbuild_and_mod(tree):
    made = tree({
        "mediate/Kbuild": "obj-m += one.o \\\n\ttwo.o\none-y := one_main.o abi/one_shim.o\ntwo-y := two_main.o\n"
                          "bindings-y := one both\n",
        "mediate/one_main.rs": "mod abi {\n    pub(crate) mod calls;\n}\nmod logic;\nmod unused { }\n",
        "mediate/abi/calls.rs": "fn a() {}\n\n// comment\n",
        "mediate/abi/one_shim.c": '#include "one_shim.h"\nint a;\n/* x\n * y */\n',
        "mediate/abi/one_shim.h": "int b;\n",
        "mediate/abi/one.h": "int c;\n",
        "mediate/abi/both.h": "int d;\n",
        "mediate/logic/mod.rs": "mod ring;\n#[cfg(test)]\nmod tests { fn t() {} }\n",
        "mediate/logic/ring.rs": '#[path = "../shared.rs"]\nmod shared;\n',
        "mediate/shared.rs": "fn s() {}\n",
        "mediate/two_main.rs": "mod shared;\n",
        "mediate/lost.rs": "fn nobody() {}\n",
        "drivers/net/ethernet/vendor/x/y.rs": "fn y() {}\n" * 30,
        "drivers/net/ethernet/vendor/abi/z.c": "int z;\n",
    })
    found = {name: sorted(str(path) for path in files) for name, files in languages.modules(made).items()}
    assert found["one"] == [
        "mediate/abi/both.h", "mediate/abi/calls.rs", "mediate/abi/one.h", "mediate/abi/one_shim.c",
        "mediate/abi/one_shim.h", "mediate/logic/mod.rs", "mediate/logic/ring.rs", "mediate/one_main.rs",
        "mediate/shared.rs"]
    assert found["two"] == ["mediate/abi/both.h", "mediate/shared.rs", "mediate/two_main.rs"]
    result = languages.languages(made)
    assert result.table == ["one: rust 10 c 5 33.3 %", "two: rust 2 c 1 33.3 %", "igb_rs: rust 30 c 1 3.2 %"]
    assert [finding.split()[0] for finding in result.findings] == ["one", "two"]


# ---- tools ---------------------------------------------------------------

def test_compiler_messages_are_told_from_the_rest():
    lines = ["make[1]: Entering", "error: bad", "  --> a.rs:1:2", "   |", "10 |     code", "...", "", "  CC a.o",
             "x.c:3:4: warning: unused", "error: aborting due to 1 previous error", "make: *** [x] Error 1"]
    assert tools.problems(lines) == ["error: bad", "  --> a.rs:1:2", "   |", "10 |     code", "...", "", "  CC a.o",
                                     "x.c:3:4: warning: unused"]


def test_format_differences_are_named_once(tree):
    made = tree({})
    block = [f"Diff in {made.root}/tests/../a.rs:3:", "-x", "+y"]
    result = tools.differences(made, 1, ["Warning: can't set `a = b`, unstable features", *block, *block])
    assert result.findings == ["1 files are not formatted: a.rs", "Diff in a.rs:3:", "-x", "+y"]
    assert tools.differences(made, 1, []).findings == ["rustfmt ended with status 1"]
    assert not tools.differences(made, 0, []).findings


def test_tree_lists_files_without_git(tree):
    made = tree({"a.rs": "", "build/b.rs": "", "x/target/c.rs": "", "x/d.rs": ""})
    assert [str(path) for path in made.files()] == ["a.rs", "x/d.rs"]
