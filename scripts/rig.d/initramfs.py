# SPDX-License-Identifier: GPL-2.0
"""Initramfs images for the rig: a cpio writer and kernel modules as files."""

import gzip
import hashlib
import lzma
import os
import subprocess
import time
from pathlib import Path


class Cpio:
    """A newc archive, uncompressed: unpacking costs more than reading here."""

    def __init__(self):
        self._parts = []
        self._seen = set()
        self._ino = 0

    def _entry(self, name, mode, data=b""):
        self._ino += 1
        fields = (self._ino, mode, 0, 0, 1, 0, len(data), 0, 0, 0, 0, len(name) + 1, 0)
        head = b"070701" + b"".join(b"%08X" % f for f in fields) + name.encode() + b"\0"
        self._parts += [head + b"\0" * (-len(head) % 4), data + b"\0" * (-len(data) % 4)]

    def _parents(self, name):
        parent = os.path.dirname(name)
        if parent and parent not in self._seen:
            self.folder(parent)

    def folder(self, name):
        self._parents(name)
        self._seen.add(name)
        self._entry(name, 0o40755)

    def file(self, name, data, mode=0o644):
        self._parents(name)
        self._entry(name, 0o100000 | mode, data)

    def link(self, name, target):
        self._parents(name)
        self._entry(name, 0o120777, target.encode())

    def finish(self):
        self._entry("TRAILER!!!", 0)
        return b"".join(self._parts)


def read_module(path):
    data = path.read_bytes()
    if path.suffix == ".xz":
        return lzma.decompress(data)
    if path.suffix == ".gz":
        return gzip.decompress(data)
    if path.suffix == ".zst":
        return subprocess.run(["zstd", "-dc"], input=data, stdout=subprocess.PIPE, check=True).stdout
    return data


def module_closure(folder, names):
    """The modules `names` and what they need, as paths in loading order.

    A name that has no file is taken for built in.
    """
    needs, by_name = {}, {}
    dep = folder / "modules.dep"
    for line in dep.read_text().splitlines() if dep.exists() else ():
        path, _, rest = line.partition(":")
        # modprobe wants the listed order reversed: the last is needed by all.
        needs[path] = rest.split()[::-1]
        by_name[Path(path).name.split(".")[0].replace("-", "_")] = path
    order = []
    for name in names:
        path = by_name.get(name)
        for item in [*needs.get(path, ()), path] if path else ():
            if item not in order:
                order.append(item)
    return [folder / item for item in order]


def keep(path, make):
    """`path`, made by make() unless it exists; its siblings of days ago go.

    Another checkout may be about to use a sibling, so newer ones stay.
    """
    if path.exists():
        os.utime(path)
        return path
    path.parent.mkdir(parents=True, exist_ok=True)
    for old in path.parent.iterdir():
        if old.stat().st_mtime < time.time() - KEEP_DAYS * 86400:
            old.unlink(missing_ok=True)
    partial = path.with_name(f"{path.name}-{os.urandom(4).hex()}.partial")
    partial.write_bytes(make())
    partial.rename(path)
    return path


KEEP_DAYS = 3
HOST_MODULES = ("9pnet_virtio", "9p", "overlay")


def host_initramfs(cache, root, kernel, release):
    """The first stage of the rig's host: busybox, `init`, and what mounts `/`."""
    image = Cpio()
    for name in ("proc", "sys", "dev", "lower", "upper", "new"):
        image.folder(name)
    image.file("bin/busybox", (root / "usr/bin/busybox").read_bytes(), 0o755)
    image.file("init", (Path(__file__).parent / "init").read_bytes(), 0o755)
    modules = module_closure(root / "usr/lib/modules" / release, HOST_MODULES)
    for path in modules:
        image.file(f"modules/{path.name.split('.')[0]}.ko", read_module(path))
    image.file("modules/list", "".join(f"{p.name.split('.')[0]}.ko\n" for p in modules).encode())
    data = image.finish()
    return keep(cache / "rig" / f"{kernel}-{hashlib.sha256(data).hexdigest()[:16]}.cpio", lambda: data)
