# SPDX-License-Identifier: GPL-2.0
"""`scripts/kunit`, inside the cached root: boot once, report, judge."""

import importlib
import os
import select
import shlex
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import report

SRC = Path(__file__).resolve().parents[2]
PARTS = Path(__file__).resolve().parent
CACHE = Path(os.environ["MEDIATE_CACHE"])
BUILD = CACHE / "kernel/debug/build"
OUT = SRC / "build/kunit"

TIMEOUT_SECONDS = 600
MEMORY_MIB = 1024

# kunit.enable: KUnit is built in, but off. slab_debug: an allocator cache
# without checks keeps per-processor arrays ("sheaves") in which pointers to
# objects stay after they were handed out; kmemleak finds those and takes a
# leaked object for a used one.
APPEND = ("no_timer_check kunit.enable=1 kunit.timeout=120 slab_debug=FZ printk.devkmsg=on mitigations=off "
          "rcupdate.rcu_cpu_stall_timeout=90 watchdog_thresh=30 tsc=nowatchdog")
# The root does not change while the guest runs; without a cache each program
# start reads it again.
ROOT_FLAGS = "version=9p2000.L,trans=virtio,access=any,cache=loose,msize=524288"


def say(text):
    print(text, flush=True)


def kernel_parser():
    """The kernel's own KTAP parser, from its source tree."""
    sys.path.insert(0, str(CACHE / "kernel/source/tools/testing/kunit"))
    return importlib.import_module("kunit_parser"), importlib.import_module("kunit_printer").null_printer


def sources():
    """(name, text without comments) of the Rust files that may hold suites."""
    sys.path.insert(0, str(SRC / "scripts/check.d"))
    rust_source = importlib.import_module("rust_source")
    for folder in ("mediate", "drivers", "tests/kunit"):
        for path in sorted((SRC / folder).rglob("*.rs")):
            yield path.relative_to(SRC), rust_source.code(path.read_text())


def modules():
    """The modules and what each needs, as `guest` takes them."""
    release = (BUILD / "include/config/kernel.release").read_text().strip()
    folder = SRC / "build" / release / "tests/kunit"
    files = sorted(folder.glob("*.ko"))
    if not files:
        raise SystemExit(f"kunit: no KUnit module in {folder}: build them first")
    for path in files:
        # What is no module is found out by loading it.
        needs = subprocess.run(["modinfo", "-F", "depends", path], stdout=subprocess.PIPE,
                               stderr=subprocess.DEVNULL, text=True)
        yield f"{path}:{needs.stdout.strip()}"


class Console:
    """The kernel's log, without what virtme-ng itself says before it."""

    def __init__(self, path):
        self._file = open(path, "wb")
        self._held = b""
        self._kernel = False

    def feed(self, data):
        if self._kernel:
            self._file.write(data)
            return
        self._held += data
        at = self._held.find(b"[    0.000000]")
        if at >= 0:
            self._kernel = True
            self._file.write(self._held[at:])
            self._held = b""

    def close(self):
        self._file.close()

    def unlogged(self):
        """Why there is no log: what virtme-ng said if no kernel began."""
        return self._held.decode(errors="replace").splitlines()


def boot(job_folder, feed, console):
    """Runs virtme-ng to its end; returns None or what stopped it."""
    command = ["vng", "-r", CACHE / "kernel/debug/vmlinuz", "--disable-kvm", "--skip-modules", "--force-9p",
               "--no-virtme-ng-init", "--user", "root", "--cpus", "2", "--memory", f"{MEMORY_MIB}M", "--verbose",
               "--append", f"BASH_ENV={job_folder}/init rootflags={ROOT_FLAGS} {APPEND}",
               "--", f"sh {job_folder}/job"]
    # virtme-ng opens its own output again by name, which truncates files:
    # hence pipes. A session of its own makes all of it one process group.
    vng = subprocess.Popen(command, cwd=job_folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, start_new_session=True)
    end = time.monotonic() + TIMEOUT_SECONDS
    rest = b""
    out, err = vng.stdout.fileno(), vng.stderr.fileno()
    waiting = {out, err}
    try:
        while waiting:
            left = end - time.monotonic()
            if left <= 0:
                return f"not done after {TIMEOUT_SECONDS} s"
            for fd in select.select(list(waiting), [], [], left)[0]:
                data = os.read(fd, 1 << 16)
                if not data:
                    waiting.remove(fd)
                elif fd == err:
                    console.feed(data)
                else:
                    *lines, rest = (rest + data).split(b"\n")
                    for line in lines:
                        feed(line.decode(errors="replace").rstrip("\r"))
        status = vng.wait()
        return f"virtme-ng ended with status {status}" if status else None
    finally:
        try:
            os.killpg(vng.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        vng.wait()
        console.close()


def log_faults(path):
    checked = subprocess.run([SRC / "scripts/logcheck", path], stdout=subprocess.PIPE, text=True)
    if checked.returncode == 0:
        return []
    return ["\n".join([f"the kernel's log {path} holds faults", *checked.stdout.splitlines()])]


def main():
    pattern = sys.argv[1] if len(sys.argv) > 1 else ""
    minimum = int((SRC / "tests/kunit/minimum").read_text())
    job = shlex.join(["sh", str(PARTS / "guest"), pattern or "*", *modules()])
    OUT.mkdir(parents=True, exist_ok=True)
    result = report.Report(*kernel_parser(), say)
    console = Console(OUT / "console.log")
    with tempfile.TemporaryDirectory(prefix="kunit-") as folder:
        shutil.copy(PARTS / "init", folder)
        (Path(folder) / "job").write_text(f"exec {job}\n")
        trouble = boot(folder, result.feed, console)
    if trouble:
        result.errors.append("\n".join([trouble, *console.unlogged()]))
    result.complete(report.expected_suites(sources()), pattern, minimum)
    (OUT / "results.ktap").write_text("".join(f"{line}\n" for line in result.ktap))
    result.errors += log_faults(OUT / "console.log")
    if result.skipped:
        say(f"{result.skipped} skipped")
    for error in result.errors:
        first, *more = error.splitlines()
        say("\n".join([f"FAIL {first}", *(f"     {line}" for line in more)]))
    say(f"kunit: {result.passed} passed, {result.failed} failed")
    return 1 if result.failed or result.errors else 0


if __name__ == "__main__":
    # As process 1 of in-root's namespace the default of a signal is not to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    sys.exit(main())
