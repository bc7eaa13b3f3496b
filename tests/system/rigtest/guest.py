# SPDX-License-Identifier: GPL-2.0
"""A guest (L2): unmodified QEMU, the packaged kernel, a small initramfs.

    with Guest("a", vf=vf, ip="192.0.2.2/24") as guest:
        guest.wait_up()
        print(guest.run("ping -c 3 192.0.2.1"))
"""

import os
import re
import socket
import subprocess
import tempfile
import time
from pathlib import Path

from . import emulated
from .pci import wait_for
from .qmp import Qmp

QEMU = "qemu-system-x86_64"
# With it the first exit of an interrupt's handler is at its start. Until there is one, TCG may
# deliver the interrupt a second time, wherever the guest is (Documentation/rig.rst).
CPU = "max,kvm-pv-eoi=off"
# In what "info registers" says.
PLACE = re.compile(r"(RIP=\w+).*(CPL=\d).*(HLT=\d)")
# Of the console, in the first line of an error.
LAST_WORDS = 80
# A guest in a host that is emulated on a busy machine.
PATIENCE_SECONDS = 240


class GuestError(Exception):
    """The guest, or a command in it, failed."""


def guest_files():
    """(kernel, initramfs), named by the rig in the environment."""
    return Path(os.environ["MEDIATE_GUEST_KERNEL"]), Path(os.environ["MEDIATE_GUEST_INITRD"])


class Agent:
    """The shell in the guest, over the virtio-serial port rig.agent."""

    def __init__(self, path):
        self._path = path
        self._sock = None
        self._rest = b""

    def _connect(self):
        if self._sock is None:
            self._sock = socket.socket(socket.AF_UNIX)
            self._sock.connect(str(self._path))

    def send(self, command):
        """Start a command; returns the token that `receive` wants."""
        if "\n" in command:
            raise ValueError("the agent takes one line")
        self._connect()
        token = os.urandom(6).hex()
        self._sock.sendall(f"{token} {command}\n".encode())
        return token

    def receive(self, token, timeout):
        """(status, output) of the command with this token."""
        mark = re.compile(rb"\n@" + token.encode() + rb" (\d+)\n")
        end = time.monotonic() + timeout
        while True:
            found = mark.search(self._rest)
            if found:
                output = self._rest[:found.start()]
                self._rest = self._rest[found.end():]
                return int(found[1]), output.decode(errors="replace")
            left = end - time.monotonic()
            if left <= 0:
                raise TimeoutError(f"guest: no answer within {timeout:g} s; so far: {self._rest.decode(errors='replace')!r}")
            self._sock.settimeout(left)
            try:
                data = self._sock.recv(1 << 16)
            except TimeoutError:
                continue
            if not data:
                raise GuestError("QEMU closed the agent's socket")
            self._rest += data

    def close(self):
        if self._sock is not None:
            self._sock.close()
            self._sock = None


class Guest:
    """One QEMU process with a guest; use it as a context manager.

    vf        pci.Function to pass through, or None
    vfio      more properties of its vfio-pci device ("x-foo=on,…")
    ip        address that igbvf's NIC gets, "192.0.2.2/24"
    incoming  migration URI to wait for instead of booting
    extra     more QEMU arguments; append: more kernel command line
    """

    def __init__(self, name="guest", *, vf=None, vfio="", ip=None, memory=256, cpus=1, incoming=None,
                 extra=(), append="", folder=None):
        self.name = name
        self.vf = vf
        self.ip, self.memory = ip, memory
        self._temporary = None if folder else tempfile.TemporaryDirectory(prefix=f"guest-{name}-")
        self.folder = Path(folder or self._temporary.name)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.console_log = self.folder / "console.log"
        self.qemu_log = self.folder / "qemu.log"
        self.qmp_socket = self.folder / "qmp"
        self.agent = Agent(self.folder / "agent")
        self.qmp = None
        self.process = None
        # What happens to it from then on is the tests' matter.
        self._was_up = incoming is not None
        kernel, initrd = guest_files()
        words = f"console=ttyS0 quiet panic=-1 mitigations=off {f'vf.ip={ip}' if ip else ''} {append}"
        self.command = [
            QEMU, "-name", name, "-M", "q35", "-accel", "kvm", "-cpu", CPU, "-smp", str(cpus),
            "-m", str(memory), "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
            "-kernel", str(kernel), "-initrd", str(initrd), "-append", " ".join(words.split()),
            "-chardev", f"file,id=console,path={self.console_log}", "-serial", "chardev:console",
            "-qmp", f"unix:{self.qmp_socket},server=on,wait=off",
            "-device", "virtio-serial-pci",
            "-chardev", f"socket,id=agent,path={self.folder}/agent,server=on,wait=off",
            "-device", "virtserialport,chardev=agent,name=rig.agent",
            # A port of its own, so that the VF can be unplugged.
            "-device", "pcie-root-port,id=port0,slot=0,chassis=0",
        ]
        if vf is not None:
            self.command += ["-device", f"vfio-pci,id=vf0,bus=port0,host={vf.address}" + (f",{vfio}" if vfio else "")]
        if incoming:
            self.command += ["-incoming", incoming]
        self.command += extra

    def start(self):
        # An earlier QEMU's; the new one's is to be waited for.
        self.qmp_socket.unlink(missing_ok=True)
        with open(self.qemu_log, "wb") as log:
            self.process = subprocess.Popen(self.command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)

        def ready():
            self.check_alive()
            return self.qmp_socket.exists()
        wait_for(ready, 60, f"{self.name}: QMP socket")
        for _ in range(50):
            # The socket's file is there a moment before QEMU listens; and
            # QEMU may end when it looks at its devices.
            try:
                self.qmp = Qmp(self.qmp_socket)
                return self
            except ConnectionError:
                time.sleep(0.1)
                self.check_alive()
        raise GuestError(f"{self.name}: QMP refuses connections")

    def check_alive(self):
        if self.process.poll() is not None:
            console = self.console_tail()
            raise GuestError(f"{self.name}: QEMU ended with {self.process.returncode}; console: {console[-LAST_WORDS:]!r}\n"
                             f"{self.qemu_log.read_text()}\n{console}")

    def explain(self, error):
        """QEMU has closed a connection: why, if it has ended."""
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            raise error from None
        self.check_alive()

    def silent(self, what):
        """The error that the guest says nothing, with all that tells whether it waits for an
        interrupt that never comes or runs somewhere; where it was twice in the first line."""
        self.check_alive()
        state = {name: self.qmp.command(name) for name in ("query-status", "query-chardev", "query-cpus-fast")}
        seen = [self.qmp.command("human-monitor-command", command_line=f"info {what}")
                for what in ("registers", "lapic", "registers")]
        places = [" ".join(found[0]) if (found := PLACE.findall(text)) else "?" for text in (seen[0], seen[2])]
        console = self.console_tail()
        return GuestError("\n".join([f"{what}; at {places[0]}, then {places[1]}; console: {console[-LAST_WORDS:]!r}",
                                     str(state), *seen, self.qemu_log.read_text(), console]))

    def console_tail(self, lines=15):
        try:
            text = self.console_log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(text.splitlines()[-lines:])

    def wait_console(self, text, timeout=120):
        lost = emulated.lost()

        def seen():
            self.check_alive()
            if emulated.lost() != lost:
                raise GuestError(f"{self.name}: the emulated processor has lost a guest")
            return text in self.console_log.read_text(errors="replace")
        try:
            wait_for(seen, timeout, f"{self.name}: {text!r} on the console", 0.1)
        except TimeoutError as error:
            raise self.silent(error) from None

    def wait_up(self, timeout=PATIENCE_SECONDS):
        """Until the agent answers and, with an address, the VF has a carrier. Where the processor
        is emulated a guest that does not come up gets a second chance, and is told of: the
        processor loses some (Documentation/rig.rst)."""
        try:
            self._wait_up(timeout)
        except (GuestError, TimeoutError) as error:
            if self._was_up or not emulated.here():
                raise
            print(f"{self.name}: starts a second time: {error}", flush=True)
            self.kill()
            self.start()
            self._wait_up(timeout)
        self._was_up = True
        return self

    def _wait_up(self, timeout):
        self.wait_console("guest: agent on", timeout)
        self.run("true", timeout=timeout)
        if self.ip:
            self.run(f"for i in $(seq {timeout * 5}); do grep -q 1 /sys/class/net/{self.vf_netdev}/carrier && exit;"
                     " sleep 0.2; done; exit 1", timeout=timeout + 5)

    @property
    def vf_netdev(self):
        """The first interface that igbvf drives: the one with the address."""
        return self.run("for n in /sys/class/net/*; do [ \"$(basename $(readlink $n/device/driver) 2>/dev/null)\" != igbvf ]"
                        " || { basename $n; break; }; done").strip()

    def received(self, netdev):
        """Packets that the driver of an interface has received so far."""
        return int(self.run(f"cat /sys/class/net/{netdev}/statistics/rx_packets"))

    def try_run(self, command, timeout=PATIENCE_SECONDS):
        """(status, output) of a one-line shell command in the guest."""
        try:
            return self.agent.receive(self.agent.send(command), timeout)
        except (GuestError, BrokenPipeError) as error:
            self.explain(error)
        except TimeoutError as error:
            raise self.silent(f"{self.name}: {command!r}: {error}") from None

    def run(self, command, timeout=PATIENCE_SECONDS):
        """Output of a one-line shell command in the guest; its failure raises."""
        status, output = self.try_run(command, timeout)
        if status != 0:
            raise GuestError(f"{self.name}: {command!r} ended with {status}:\n{output}")
        return output

    def stop(self, timeout=30):
        """End the guest: power off, else quit, else kill. True if it went well."""
        if self.process is None:
            return True
        clean = True
        if self.process.poll() is None:
            try:
                self.agent.send("poweroff -f")
                self.process.wait(timeout)
            except (OSError, subprocess.TimeoutExpired):
                clean = False
        if self.process.poll() is None:
            try:
                self.qmp.command("quit")
                self.process.wait(timeout)
            except (AttributeError, OSError, subprocess.TimeoutExpired):
                self.process.kill()
                self.process.wait()
        self.agent.close()
        if self.qmp:
            self.qmp.close()
        return clean and self.process.returncode == 0

    def leave(self, timeout=30):
        """End QEMU after its guest has gone elsewhere."""
        self.qmp.command("quit")
        self.process.wait(timeout)
        self.kill()

    def kill(self):
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.agent.close()
        if self.qmp:
            self.qmp.close()

    def __enter__(self):
        try:
            return self.start()
        except BaseException:
            self.kill()
            raise

    def __exit__(self, kind, *_):
        if kind is None:
            self.stop()
        else:
            self.kill()
        if self._temporary:
            self._temporary.cleanup()
