# SPDX-License-Identifier: GPL-2.0
"""`scripts/rig`, inside the cached root: boot the host, run CMD, judge."""

import argparse
import os
import select
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import guest_image
import machine

SRC = Path(__file__).resolve().parents[2]
PARTS = Path(__file__).resolve().parent
CACHE = Path(os.environ["MEDIATE_CACHE"])

EXIT_BOOT, EXIT_PROCESSOR, EXIT_FAULTS, EXIT_TIMEOUT, EXIT_DEAD = 97, 98, 99, 124, 125
# What tests/system/modules/test_svm.c says of an emulated processor.
LOST_A_GUEST = b"test_svm: a guest is lost: "
TAKEN_FOR_ITS_HOST = LOST_A_GUEST + b"the emulated processor has taken it for its host"
HAS_GUESTS = b"kvm_amd: Nested Paging enabled"
# What the host says when it has come up. On a busy machine that took up to two minutes.
UP = b"rig: CMD starts"
# What took longer than this does not run once more with --again.
AGAIN_SECONDS = 900
BOOT_SECONDS = 300
POWER_OFF_SECONDS = 60
# After an oops the machine often hangs; no test needs longer to notice.
OOPS_SECONDS = 30


def say(text):
    sys.stdout.flush()
    print(f"rig: {text}", file=sys.stderr, flush=True)


def arguments():
    parser = argparse.ArgumentParser(prog="scripts/rig")
    parser.add_argument("mode", choices=("run", "shell"))
    parser.add_argument("--kernel", choices=("stock", "debug"), default="stock")
    parser.add_argument("--nics", type=int, default=1)
    parser.add_argument("--wires", type=int, default=1)
    parser.add_argument("--nvme", type=int, default=0)
    parser.add_argument("--vfs", type=int, default=0)
    parser.add_argument("--pf", choices=("igb", "igb_rs", "none"), default="igb")
    parser.add_argument("--memory", type=int, default=4096)
    parser.add_argument("--cpus", type=int, default=2)
    parser.add_argument("--timeout", type=float, default=600)
    parser.add_argument("--log", type=Path)
    parser.add_argument("--append", default="")
    parser.add_argument("--again", action="store_true")
    parser.add_argument("--join", type=Path)
    parser.add_argument("--expect")
    own, command = sys.argv[1:], []
    if "--" in own:
        at = own.index("--")
        own, command = own[:at], own[at + 1:]
    options = parser.parse_args(own)
    if options.mode == "run" and not command:
        parser.error("no command: scripts/rig run [OPTION]... -- CMD [ARG]...")
    return options, command or ["bash", "-i"]


def environment():
    """What CMD sees: in-root's clean environment, which it came through, and
    where the guests' kernel and initramfs are (always the packaged kernel's).
    """
    drop = {"PWD", "OLDPWD", "SHLVL", "_", "MEDIATE_ENV", "MEDIATE_IN_RIG"}
    env = {k: v for k, v in os.environ.items() if k not in drop}
    env["MEDIATE_IN_RIG"] = "1"
    # Those of other packages' are slow to load, and none is used.
    env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    guest = machine.Kernel(CACHE, "stock")
    env["MEDIATE_GUEST_KERNEL"] = str(guest.image)
    env["MEDIATE_GUEST_INITRD"] = str(guest_image.guest_initramfs(CACHE, guest.release))
    return env


def shares(run):
    """The 9p shares; an outer folder is mounted before one inside it."""
    own = sorted({SRC, CACHE}, key=lambda p: len(p.parts))
    tagged = [(f"own{i}", path, False) for i, path in enumerate(own)]
    # Python and pytest ask for files there a thousand times before the first test, which takes half a
    # minute with KASAN if each time the outside is asked.
    tagged.append(("tests", SRC / "tests", True))
    lines = (f"{tag} {'ro,cache=loose' if fixed else 'cache=mmap'} {path}\n" for tag, path, fixed in tagged)
    (run / "mounts").write_text("".join(lines))
    return [("root", CACHE / "root", True), ("run", run, False), *tagged]


def fill_run_folder(run, options, command, end_mark):
    for part in ("host", "nics", "after"):
        shutil.copy(PARTS / part, run / part)
    size = shutil.get_terminal_size()
    values = {"KERNEL": options.kernel, "VFS": options.vfs, "PF": options.pf, "SRC": SRC,
              "END_MARK": end_mark, "NOW": int(time.time()), "ROWS": size.lines, "COLS": size.columns,
              "SHELL_MODE": "1" if options.mode == "shell" else ""}
    (run / "options").write_text("".join(f"{k}={shlex.quote(str(v))}\n" for k, v in values.items()))
    env = " ".join(shlex.quote(f"{k}={v}") for k, v in environment().items())
    (run / "cmd").write_text(f"cd {shlex.quote(os.getcwd())} 2>/dev/null || cd /\n"
                             f"exec /usr/bin/env -i {env} {shlex.join(command)}\n")


def write_all(data):
    while data:
        data = data[os.write(1, data):]


class Output:
    """CMD's output, streamed until the end mark, which carries its status."""

    def __init__(self, end_mark):
        self._mark = b"\n" + end_mark.encode() + b" "
        self._held = b""
        self.status = None

    def feed(self, data):
        self._held += data
        at = self._held.find(self._mark)
        if at < 0:
            # Hold back only what may be the start of the mark.
            keep = next((n for n in range(min(len(self._mark), len(self._held)), 0, -1)
                         if self._mark.startswith(self._held[-n:])), 0)
            self._write(len(self._held) - keep)
        elif b"\n" in self._held[at + 1:]:
            self._write(at)
            self.status = int(self._held.split()[1])
            self._held = b""

    def _write(self, length):
        write_all(self._held[:length])
        self._held = self._held[length:]

    def flush(self):
        self._write(len(self._held))


def follow(options, qemu, listener, output, console, run):
    """Stream until CMD's end. Returns None, or why it did not come to one."""
    start = time.monotonic()
    deadline = start + options.timeout
    why = f"not done after {options.timeout:g} s"
    conn, seen, oops, is_up = None, 0, False, False
    while output.status is None:
        ready, _, _ = select.select([conn or listener], [], [], 0.25)
        if ready and conn is None:
            conn, _ = listener.accept()
        elif ready:
            data = conn.recv(1 << 16)
            if not data:
                break
            output.feed(data)
            continue
        elif qemu.poll() is not None:
            break
        if not oops and os.path.exists(console) and os.path.getsize(console) > seen:
            with open(console, "rb") as log:
                log.seek(max(0, seen - 16))
                text = log.read()
            seen = os.path.getsize(console)
            is_up = is_up or UP in text
            if b"Oops: " in text or b"Kernel panic" in text:
                oops = True
                if time.monotonic() + OOPS_SECONDS < deadline:
                    deadline = time.monotonic() + OOPS_SECONDS
                    why = f"an oops, and not done {OOPS_SECONDS} s after it"
        if not is_up and not oops and time.monotonic() > start + BOOT_SECONDS:
            return EXIT_BOOT, f"the machine has not come up in {BOOT_SECONDS} s"
        if time.monotonic() > deadline:
            return EXIT_TIMEOUT if not oops else EXIT_DEAD, why
    if output.status is None:
        return EXIT_DEAD, "the machine died before CMD ended"
    (run / "flushed").touch()
    try:
        qemu.wait(POWER_OFF_SECONDS)
    except subprocess.TimeoutExpired:
        return EXIT_DEAD, f"CMD ended with {output.status}, but the machine did not power off in {POWER_OFF_SECONDS} s"
    return None


def tail(path, lines=30):
    try:
        text = path.read_bytes()[-20000:].decode(errors="replace").splitlines()[-lines:]
    except OSError:
        text = []
    say(f"last lines of {path}:")
    for line in text:
        print(f"  | {line}", file=sys.stderr)


def log_path(options):
    if options.log:
        options.log.parent.mkdir(parents=True, exist_ok=True)
        return options.log.resolve()
    folder = SRC / "build/rig"
    folder.mkdir(parents=True, exist_ok=True)
    stamp = time.strftime("%Y%m%d-%H%M%S")
    return folder / f"{stamp}-{options.kernel}-{os.urandom(2).hex()}.log"


def processor_failed(log, died):
    """Whether QEMU's SVM is the likely cause (Documentation/rig.rst): it has lost a guest, or the
    machine ended without a word after guests could run."""
    return LOST_A_GUEST in log or (died and HAS_GUESTS in log)


def died_of_its_processor(log):
    """Whether the kernel's log has no fault before the processor has taken a guest for its host, which
    then has what the guest wrote in its own memory; what a machine says that dies of that is no fault."""
    before, mark, _ = log.partition(TAKEN_FOR_ITS_HOST)
    if not mark:
        return False
    return subprocess.run([SRC / "scripts/logcheck", "-"], input=before, stdout=subprocess.DEVNULL).returncode == 0


def judge(options, output, trouble, problems, console):
    expect = ["--expect", options.expect] if options.expect else []
    checked = subprocess.run([SRC / "scripts/logcheck", *expect, console], stdout=subprocess.PIPE, text=True)
    faults = checked.returncode != 0
    dead = bool(trouble) and trouble[0] == EXIT_DEAD and output.status is None
    if trouble:
        code, why = trouble
        say(why)
        tail(console)
    else:
        code = output.status
    if faults:
        say(f"the kernel's log {console} holds faults:")
        sys.stderr.write(checked.stdout)
    for problem in problems:
        say(problem)
    if code == 0:
        return EXIT_FAULTS if faults or problems else 0
    if not trouble:
        say(f"CMD ended with status {code}; kernel log: {console}")
    log = console.read_bytes()
    if died_of_its_processor(log) if dead and faults else not faults and processor_failed(log, dead):
        say("the emulated processor lost a guest, or its host: that may be all")
        return EXIT_PROCESSOR
    return code


def run_once(options, command):
    """Boot, run, judge: the exit status."""
    console = log_path(options)
    kernel = machine.Kernel(CACHE, options.kernel)
    kvm = machine.kvm_works(CACHE)
    end_mark = f"rig-end-{os.urandom(8).hex()}"
    with tempfile.TemporaryDirectory(prefix="rig-") as name:
        run = Path(name)
        fill_run_folder(run, options, command, end_mark)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(run / "out"))
        listener.listen(1)
        console.write_bytes(b"")
        cmd = machine.host_command(kernel, kvm, options, console, run / "out", shares(run))
        shell = options.mode == "shell"
        if shell:
            say("a shell in the rig; its end is the end of the rig")
            options.timeout = 10 ** 9
        output = Output(end_mark)
        with open(run / "qemu.err", "w+b") as err:
            qemu = machine.start(cmd, err, *((0, 1) if shell else ()))
            try:
                trouble = follow(options, qemu, listener, output, console, run)
            finally:
                if qemu.poll() is None:
                    qemu.kill()
                qemu.wait()
            output.flush()
            if trouble:
                err.seek(0)
                sys.stderr.write(err.read().decode(errors="replace"))
        left = run / "problems"
        problems = left.read_text().splitlines() if left.exists() else []
    return judge(options, output, trouble, problems, console)


def main():
    options, command = arguments()
    start = time.monotonic()
    code = run_once(options, command)
    if code == EXIT_BOOT:
        # Nothing of CMD has run. Documentation/rig.rst tells of it.
        say("a second try")
        code = run_once(options, command)
    if code == EXIT_PROCESSOR and options.again and time.monotonic() - start < AGAIN_SECONDS:
        say("CMD runs once more, in a machine of its own")
        if options.log:
            options.log.rename(options.log.with_name(options.log.name + ".first"))
        code = run_once(options, command)
    return code


if __name__ == "__main__":
    # As process 1 of in-root's namespace the default of a signal is not to end.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda n, _: sys.exit(128 + n))
    sys.exit(main())
