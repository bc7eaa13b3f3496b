# SPDX-License-Identifier: GPL-2.0
"""Checks that other programs make: rustfmt, clippy, checkpatch."""

import os
import re
import subprocess

from tree import Finding, Result

# What checkpatch.pl says of every out-of-tree project.
CHECKPATCH_IGNORE = ",".join([
    "FILE_PATH_CHANGES",        # asks for a MAINTAINERS entry
    "SPDX_LICENSE_TAG",         # our own check knows the styles for each file type
    "EXPORT_SYMBOL",            # the C shims export functions that are written in Rust
])


def run(command, **options):
    """(status, lines of output and errors)."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace",
                          **options)
    return done.returncode, done.stdout.splitlines()


# ---- Format --------------------------------------------------------------

# rustfmt's word for an option of the kernel's that is not stable yet.
UNSTABLE = re.compile(r"^Warning: can't set `|^Warning: Unknown configuration option|only available in nightly")


def differences(tree, status, lines):
    """The findings in what rustfmt says. A file is visited for itself and for
    each `mod` that names it, so the same difference may come several times."""
    blocks, files = [], set()
    for line in lines:
        if UNSTABLE.search(line):
            continue
        where = re.match(r"Diff in (.*?):\d+:$", line)
        if where:
            path = os.path.relpath(os.path.normpath(where[1]), tree.root)
            files.add(path)
            blocks.append([line.replace(where[1], path)])
        elif blocks:
            blocks[-1].append(line)
        elif line:
            blocks.append([line])
    findings = []
    for block in blocks:
        if block not in findings:
            findings.append(block)
    if files:
        findings.insert(0, [f"{len(files)} files are not formatted: {' '.join(sorted(files))}"])
    elif status and not findings:
        findings = [[f"rustfmt ended with status {status}"]]
    return Result(Finding(line) for block in findings for line in block)


def rustfmt(tree, kernels):
    files = [str(path) for path in tree.named(".rs")]
    if not files:
        return Result()
    return differences(tree, *run(["rustfmt", "--check", "--color", "never", "--edition", "2021", "--config-path",
                                   kernels / "source/.rustfmt.toml", *map(str, (tree.root / f for f in files))],
                                  cwd=tree.root))


# ---- Lints ---------------------------------------------------------------

def problems(lines):
    """The compiler's messages in the output of make or cargo."""
    out, inside = [], False
    for line in lines:
        if re.match(r"(warning|error)\b", line):
            inside = "aborting due to" not in line and "could not compile" not in line
        elif inside:
            inside = re.match(r"\s|\d+ +\||\.\.\.|$", line) is not None
        if inside or re.search(r":\d+(:\d+)?: (fatal )?(error|warning):|^ERROR: ", line):
            out.append(Finding(line))
    return out


# Lints beyond the kernel's, for instance "-Wclippy::missing_docs_in_private_items".
EXTRA_LINTS = ""


def clippy(tree, kdir, extra=EXTRA_LINTS):
    """clippy as the kernel runs it, over all modules, warnings fatal."""
    release = (kdir / "include/config/kernel.release").read_text().strip()
    out = tree.root / "build/clippy" / release
    out.mkdir(parents=True, exist_ok=True)
    version = (tree.root / "VERSION").read_text().strip() if (tree.root / "VERSION").exists() else "0"
    command = ["make", "--no-print-directory", "-C", kdir, f"M={tree.root}", f"MO={out}", f"VFM_VERSION={version}",
               "CLIPPY=1", "-k", "-Otarget", f"KRUSTFLAGS=-Dwarnings {extra}".strip(), f"-j{os.cpu_count()}"]
    if "CONFIG_CC_IS_CLANG=y\n" in (kdir / ".config").read_text():
        command.append("LLVM=-19")
    status, lines = run([*command, "modules"])
    found = problems(lines)
    if status and not found:
        found = [Finding(line) for line in lines[-20:]]
    # Warnings of the C compiler and of modpost count too.
    return Result(found if status or any("warning" in f.lower() for f in found) else [])


def cargo(tree, *arguments):
    """(status, lines) of cargo; None without a Cargo.toml."""
    if not (tree.root / "Cargo.toml").exists():
        return None
    return run(["cargo", *arguments], cwd=tree.root,
               env={**os.environ, "CARGO_TARGET_DIR": str(tree.root / "build/cargo-clippy")})


def cargo_clippy(tree):
    """Warnings in the crates of the host side."""
    done = cargo(tree, "clippy", "--quiet", "--offline", "--workspace", "--all-targets", "--", "-D", "warnings")
    if not done:
        return Result(notes=["no Cargo.toml"])
    status, lines = done
    return Result((problems(lines) or [Finding(line) for line in lines[-20:]]) if status else [])


def cargo_fmt(tree):
    done = cargo(tree, "fmt", "--all", "--check", "--", "--color", "never")
    return differences(tree, *done) if done else Result(notes=["no Cargo.toml"])


# ---- C style -------------------------------------------------------------

def checkpatch(tree, kernels):
    """Errors and warnings are fatal; what --strict adds is shown."""
    files = [str(path) for path in tree.named(".c", ".h")]
    if not files:
        return Result()
    status, lines = run(["perl", kernels / "source/scripts/checkpatch.pl", "--no-tree", "--strict", "--terse",
                         "--show-types", "--no-summary", "--ignore", CHECKPATCH_IGNORE, "-f", *files], cwd=tree.root)
    result = Result()
    for line in lines:
        if re.search(r": (ERROR|WARNING):", line):
            result.findings.append(Finding(line))
        elif ": CHECK:" in line:
            result.notes.append(line)
    if status and not result.findings and not result.notes:
        result.findings = [Finding(line) for line in lines[-5:]]
    return result
