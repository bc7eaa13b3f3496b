# SPDX-License-Identifier: GPL-2.0
"""Two hosts with libvirt on the one machine that the rig is.

Each has a name, and its own /etc, /run and libvirt state, in mount and UTS namespaces
of its own; they share the kernel and its modules, the network, and udev. The rig has no
sshd: a program `ssh` enters those namespaces.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from .net import run
from .pci import wait_for

# Names and addresses, by which libvirt finds where to send a guest.
HOSTS = {"host-a": "127.0.1.1", "host-b": "127.0.1.2"}
HOME = Path("/tmp/hosts")
MODULES = ("kvm_amd", "kvm_intel", "vfio_pci", "vfio_iommu_type1", "igb", "igbvf")

SSH = f"""#!/bin/sh
# Stands for ssh between the hosts of the rig: ssh [OPTION]... [USER@]HOST COMMAND...
while :; do
    case "$1" in
    -T | --) shift ;;
    -[elop]) shift 2 ;;
    *) break ;;
    esac
done
host=${{1#*@}}
shift
exec nsenter -t "$(cat {HOME}/$host.pid)" --mount --uts --root --wdns=/ sh -c "$*"
"""

# Tells libvirt of devices that come and go. Without rules: names stay what they are.
UDEVD = "mount -t tmpfs tmpfs /usr/lib/udev/rules.d && exec /usr/lib/systemd/systemd-udevd"

# The first process of a host, whose name is $1; it holds the namespaces. QEMU is root's
# there because nobody sets the groups of /dev/kvm, as udev does elsewhere.
START = f"""
set -e
home={HOME}/$1
hostname "$1"
for own in /etc /var/lib/libvirt; do
    mkdir -p "$home$own"
    cp -a "$own/." "$home$own/"
    mount --bind "$home$own" "$own"
done
mkdir "$home/udev"
mount --bind /run/udev "$home/udev"
for fresh in /run /var/cache/libvirt /var/log/libvirt; do
    mkdir -p "$fresh"
    mount -t tmpfs -o mode=755 tmpfs "$fresh"
done
mkdir -p /run/lock /run/udev /var/cache/libvirt/qemu /var/log/libvirt/qemu
mount --bind "$home/udev" /run/udev
echo "$1" >/etc/hostname
printf '%s\\n' '127.0.0.1 localhost' {' '.join(f"'{ip} {name}'" for name, ip in HOSTS.items())} >/etc/hosts
echo "host_uuid = \\"$(cat /proc/sys/kernel/random/uuid)\\"" >>/etc/libvirt/libvirtd.conf
printf '%s\\n' 'user = "root"' 'group = "root"' >>/etc/libvirt/qemu.conf
virtlogd -d
libvirtd -d
exec sleep infinity
"""


def reduce_modules(checkout):
    """Only the modules that hosts need: for all of them depmod takes minutes here."""
    sys.path.insert(0, str(checkout / "scripts/rig.d"))
    import initramfs  # of the rig's own scripts
    release = os.uname().release
    source, dest = Path("/usr/lib/modules", release), HOME / "modules" / release
    kept = [*initramfs.module_closure(source, MODULES), *source.glob("modules.builtin*"), source / "modules.order"]
    for path in kept:
        (dest / path.relative_to(source)).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, dest / path.relative_to(source))
    run("mount", "--bind", dest, source)
    run("depmod")


class TwoHosts:
    """Both hosts, and the machine that builds; a context manager."""

    def __init__(self, checkout):
        self._checkout = checkout
        self._held = {}
        self._udevd = None

    def __enter__(self):
        HOME.mkdir()
        reduce_modules(self._checkout)
        ssh = Path("/usr/local/bin/ssh")
        ssh.write_text(SSH)
        ssh.chmod(0o755)
        # Each address is answered for by its own NIC alone.
        run("sysctl", "-qw", "net.ipv4.conf.all.arp_ignore=1")
        with open(HOME / "udevd.log", "wb") as log:
            self._udevd = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c", UDEVD],
                                           stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        wait_for(lambda: Path("/run/udev/control").exists(), 60, "udev")
        for name in HOSTS:
            words = ["unshare", "--mount", "--uts", "--propagation", "private", "sh", "-c", START, "sh", name]
            with open(HOME / f"{name}.log", "wb") as log:
                process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
            self._held[name] = process
            (HOME / f"{name}.pid").write_text(f"{process.pid}\n")
        for name in HOSTS:
            wait_for(lambda n=name: self._libvirt_answers(n), 600, f"libvirt on {name}", 1)
        return self

    def _libvirt_answers(self, name):
        if self._held[name].poll() is not None:
            raise AssertionError(f"{name} did not start:\n{(HOME / f'{name}.log').read_text()}")
        return self.run(name, "virsh -q list", 300)[0] == 0

    def run(self, place, script, timeout):
        """(status, output) of a shell script on a host or the build machine."""
        words = ["sh", "-e", "-c", script]
        if place in HOSTS:
            words = ["nsenter", "-t", str(self._held[place].pid), "--mount", "--uts", "--root", "--wdns=/", *words]
        done = subprocess.run(words, cwd=self._checkout, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, errors="replace", timeout=timeout)
        return done.returncode, done.stdout

    def logs(self):
        """What QEMU and libvirt have to say."""
        text = ""
        for name in HOSTS:
            _, said = self.run(name, "tail -n 30 /var/log/libvirt/qemu/*.log 2>/dev/null || true", 60)
            text += f"--- {name}\n{(HOME / f'{name}.log').read_text()[-2000:]}{said}"
        return text

    def __exit__(self, *_):
        for name, process in self._held.items():
            if process.poll() is None:
                self.run(name, "for d in libvirtd virtlogd; do kill $(cat /run/$d.pid) 2>/dev/null; done; true", 60)
            process.kill()
            process.wait()
        if self._udevd:
            self._udevd.kill()
            self._udevd.wait()
