# SPDX-License-Identifier: GPL-2.0
"""The rig's host (L1) as a QEMU process: command line, KVM probe, life."""

import ctypes
import hashlib
import os
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path

import initramfs

QEMU = "qemu-system-x86_64"
PROBE_SECONDS = 20
# VFs that each NVMe controller can have.
NVME_VFS = 4

# Emulation on a busy machine stops a processor for seconds; the detectors get
# that much more patience, so that what they report is real. no_timer_check: at
# boot the kernel counts ticks for a moment and panics ("timer doesn't work
# through Interrupt-remapped IO-APIC") if the emulator did not run in between.
PATIENCE = "no_timer_check rcupdate.rcu_cpu_stall_timeout=90 watchdog_thresh=30"
# SLUB's per-CPU sheaves keep stale pointers to objects that are in use, which
# hides leaks from kmemleak (measured: 0 of 4 leaked objects were reported, and
# 4 of 4 with this, which switches sheaves off).
DEBUG = "slab_debug=FZ"
# `panic=-1` with QEMU's -no-reboot ends the machine at once. User messages are
# not to be rate limited: leak reports go through them.
BASE = f"console=ttyS0 panic=-1 printk.devkmsg=on intel_iommu=on iommu=pt mitigations=off {PATIENCE}"


class Kernel:
    """One of the two kernels under test, as the cache holds it."""

    def __init__(self, cache, name):
        folder = cache / "kernel"
        release = folder / "release" if name == "stock" else folder / "debug/build/include/config/kernel.release"
        self.name = name
        self.image = folder / name / "vmlinuz"
        if not self.image.exists() or not release.exists():
            raise SystemExit(f"rig: the {name} kernel is not built: run scripts/setup {name}")
        self.release = release.read_text().strip()
        self.initrd = initramfs.host_initramfs(cache, cache / "root", name, self.release)


def _die_with_parent():
    # PR_SET_PDEATHSIG: the machine must not outlive whoever runs it.
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def accel_options(kvm):
    # No 5-level paging: an interrupt while the kernel reads its CPU's features
    # anew makes KASAN take each address for a wild one (identify_cpu forgets
    # LA57 for a moment). It also makes emulated page walks longer.
    if kvm:
        return ["-accel", "kvm", "-cpu", "host,la57=off"]
    return ["-accel", "tcg,thread=multi", "-cpu", "max,+svm,la57=off"]


def _probe(cache):
    kernel = Kernel(cache, "stock")
    with tempfile.TemporaryFile() as log:
        qemu = subprocess.Popen(
            [QEMU, "-M", "q35,kernel-irqchip=split", *accel_options(True), "-m", "512", "-nodefaults",
             "-display", "none", "-no-reboot", "-serial", "stdio", "-kernel", kernel.image,
             "-initrd", kernel.initrd, "-append", "console=ttyS0 panic=-1 rig.probe"],
            stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, preexec_fn=_die_with_parent)
        end = time.monotonic() + PROBE_SECONDS
        alive = False
        while time.monotonic() < end and not alive and qemu.poll() is None:
            time.sleep(0.1)
            alive = b"rig: init runs, nested=yes" in os.pread(log.fileno(), 1 << 20, 0)
        alive = alive or b"rig: init runs, nested=yes" in os.pread(log.fileno(), 1 << 20, 0)
        qemu.kill()
        qemu.wait()
    return alive


def kvm_works(cache):
    """Whether KVM of this machine boots the rig's host and lets it nest guests.

    /dev/kvm alone says little. The verdict holds until the next boot or QEMU.
    """
    if not os.access("/dev/kvm", os.R_OK | os.W_OK):
        return False
    boot = Path("/proc/sys/kernel/random/boot_id").read_text()
    version = subprocess.run([QEMU, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout
    key = hashlib.sha256((boot + version).encode()).hexdigest()[:16]
    verdict = cache / "kvm"
    try:
        known, answer = verdict.read_text().split()
        if known == key:
            return answer == "yes"
    except (OSError, ValueError):
        pass
    works = _probe(cache)
    verdict.write_text(f"{key} {'yes' if works else 'no'}\n")
    return works


def _listens(path):
    """Whether another machine listens at `path`; what a dead one left is removed."""
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
            return True
        except FileNotFoundError:
            return False
        except ConnectionRefusedError:
            os.unlink(path)
            return False


def nvme_options(options):
    """NVMe controllers without a disk, each a subsystem of its own, with VFs to come.

    The flexible resources are what each VF needs: two queues and an interrupt. What
    there is beyond them is the PF's.
    """
    cmd = []
    for i in range(options.nvme):
        slot = options.nics + i
        cmd += ["-device", f"pcie-root-port,id=rp{slot},slot={slot},chassis={slot}",
                "-device", f"nvme-subsys,id=subsys{i},nqn=subsys{i}",
                "-device", f"nvme,bus=rp{slot},subsys=subsys{i},serial=nvme{i},"
                           f"sriov_max_vfs={NVME_VFS},sriov_vq_flexible={2 * NVME_VFS},"
                           f"sriov_vi_flexible={NVME_VFS},max_ioqpairs={2 * NVME_VFS + 2},"
                           f"msix_qsize={NVME_VFS + 2}"]
    return cmd


def host_command(kernel, kvm, options, console, out_socket, shares):
    """QEMU's command line for the host; `shares` are (tag, path, readonly).

    Of two machines on one network the second to come joins the first.
    """
    joins = bool(options.join) and _listens(options.join)
    cmd = [QEMU, "-M", "q35,kernel-irqchip=split", *accel_options(kvm),
           "-smp", str(options.cpus), "-m", str(options.memory),
           "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot",
           "-device", "intel-iommu,intremap=on,caching-mode=on",
           "-chardev", f"file,id=console,path={console}", "-serial", "chardev:console",
           "-kernel", str(kernel.image), "-initrd", str(kernel.initrd),
           "-append", f"{BASE} {DEBUG if options.kernel == 'debug' else ''} {options.append}".strip()]
    if options.join:
        cmd += ["-netdev", f"stream,id=link,server={'off' if joins else 'on'},addr.type=unix,addr.path={options.join}"
                           + (",reconnect-ms=500" if joins else ""),
                "-netdev", "hubport,hubid=0,id=join,netdev=link"]
    for i in range(options.nics):
        cmd += ["-device", f"pcie-root-port,id=rp{i},slot={i},chassis={i}",
                "-netdev", f"hubport,hubid={i % options.wires},id=n{i}",
                "-device", f"igb,bus=rp{i},netdev=n{i},mac=52:54:00:10:{int(joins):02x}:{i + 1:02x}"]
    cmd += nvme_options(options)
    cmd += ["-device", "virtio-serial-pci",
            "-chardev", f"socket,id=out,path={out_socket}",
            "-device", "virtserialport,chardev=out,name=rig.out"]
    if options.mode == "shell":
        cmd += ["-chardev", "stdio,id=tty,signal=off", "-device", "virtconsole,chardev=tty"]
    for tag, path, readonly in shares:
        cmd += ["-fsdev", f"local,id={tag},path={path},security_model=none,multidevs=remap"
                          + (",readonly=on" if readonly else ""),
                "-device", f"virtio-9p-pci,fsdev={tag},mount_tag={tag}"]
    return cmd


def start(cmd, stderr, stdin=subprocess.DEVNULL, stdout=None):
    return subprocess.Popen(cmd, stdin=stdin, stdout=stdout if stdout is not None else stderr,
                            stderr=stderr, preexec_fn=_die_with_parent)
