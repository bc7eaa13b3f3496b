# SPDX-License-Identifier: GPL-2.0
"""The guest's (L2) initramfs, from programs and modules of the cached root.

usage: scripts/in-root python3 scripts/rig.d/guest_image.py     prints its path
"""

import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path

import initramfs

INIT = Path(__file__).with_name("guest-init")
# Busybox has the rest, and its shell prefers its own programs to others.
PROGRAMS = ("/usr/bin/iperf3", "/usr/sbin/ethtool")
# igbvf is what the guest is for; the rest is what it is compared with.
MODULES = ("igbvf", "virtio_net", "8021q", "bonding")


def _libraries(program):
    out = subprocess.run(["ldd", program], stdout=subprocess.PIPE, text=True, check=True).stdout
    return re.findall(r"(?:=> |^\s*)(/\S+) \(", out, re.M)


def _inputs(release):
    folder = Path("/usr/lib/modules") / release
    modules = initramfs.module_closure(folder, MODULES)
    return [*map(Path, PROGRAMS), Path("/usr/bin/busybox"), INIT, Path(__file__), Path(initramfs.__file__), *modules], modules


def _build(modules, release):
    image = initramfs.Cpio()
    for name in ("proc", "sys", "dev"):
        image.folder(name)
    image.file("init", INIT.read_bytes(), 0o755)
    image.file("bin/busybox", Path("/usr/bin/busybox").read_bytes(), 0o755)
    image.link("lib", "usr/lib")
    image.link("lib64", "usr/lib64")
    image.link("sbin", "usr/sbin")
    # Loaded by name when a thread is cancelled, as iperf3 does.
    libraries = {"/usr/lib/x86_64-linux-gnu/libgcc_s.so.1"}
    for program in PROGRAMS:
        image.file(program[1:], Path(program).read_bytes(), 0o755)
        libraries.update(_libraries(program))
    for library in sorted(libraries):
        # The loader is named /lib64/..., all else /lib/...
        name = library if library.startswith("/usr/") else f"/usr{library}"
        image.file(name[1:], Path(library).read_bytes(), 0o755)
    base = f"usr/lib/modules/{release}"
    for path in modules:
        image.file(f"{base}/{path.name.split('.')[0]}.ko", initramfs.read_module(path))
    # A flat folder: the dependencies are written anew, nearest first.
    folder = Path("/usr/lib/modules") / release
    lines = []
    for path in modules:
        needs = initramfs.module_closure(folder, [path.name.split(".")[0].replace("-", "_")])[:-1]
        names = " ".join(f"{p.name.split('.')[0]}.ko" for p in reversed(needs))
        lines.append(f"{path.name.split('.')[0]}.ko: {names}\n")
    image.file(f"{base}/modules.dep", "".join(lines).encode())
    return image.finish()


def guest_initramfs(cache, release):
    """The image's path; made anew only when something it holds has changed."""
    inputs, modules = _inputs(release)
    stats = ((str(p), os.stat(p)) for p in inputs)
    key = hashlib.sha256(repr([(p, s.st_size, s.st_mtime_ns) for p, s in stats]).encode()).hexdigest()[:16]
    return initramfs.keep(cache / "guest" / f"{key}.cpio", lambda: _build(modules, release))


if __name__ == "__main__":
    home = Path(os.environ["MEDIATE_CACHE"])
    print(guest_initramfs(home, (home / "kernel/release").read_text().strip()))
    sys.exit(0)
