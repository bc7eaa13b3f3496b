# SPDX-License-Identifier: GPL-2.0
"""The files of the checkout, and what a check has to say of them."""

import os
import subprocess
from pathlib import Path

MADE = {"build", "target", ".git", "__pycache__", ".pytest_cache"}


class Tree:
    def __init__(self, root):
        self.root = Path(root)
        self._files = None

    def files(self):
        """All files as sorted relative paths, those that git ignores left out."""
        if self._files is None:
            self._files = sorted(self._from_git() or self._from_disk())
        return self._files

    def _from_git(self):
        # The checkout may belong to somebody else than who runs this.
        git = subprocess.run(["git", "-c", "safe.directory=*", "ls-files", "-z", "--cached", "--others",
                              "--exclude-standard"], cwd=self.root, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        if git.returncode:
            return None
        names = {Path(name) for name in git.stdout.decode().split("\0") if name}
        return [name for name in names if (self.root / name).is_file() and not (self.root / name).is_symlink()]

    def _from_disk(self):
        for folder, folders, names in os.walk(self.root):
            folders[:] = [name for name in folders if name not in MADE]
            for name in names:
                path = Path(folder, name)
                if not path.is_symlink():
                    yield path.relative_to(self.root)

    def named(self, *suffixes):
        return [path for path in self.files() if path.suffix in suffixes]

    def text(self, path):
        return (self.root / path).read_text(errors="replace")

    def is_executable(self, path):
        return os.access(self.root / path, os.X_OK)


class Finding(str):
    """One thing found: text that starts with "FILE:LINE: " where it can."""


def at(path, line, text):
    return Finding(f"{path}:{line}: {text}")


class Result:
    """What a check found. `notes` are shown and do not fail it; `table` too."""

    def __init__(self, findings=(), notes=(), table=()):
        self.findings, self.notes, self.table = list(findings), list(notes), list(table)
