# SPDX-License-Identifier: GPL-2.0
"""A guest of 64 KiB without a VMM: what a processor does to it."""

import contextlib
import ctypes
import fcntl
import mmap
import os
import struct

# include/uapi/linux/kvm.h
CREATE_VM, GET_VCPU_MMAP_SIZE, CREATE_VCPU, RUN = 0xAE01, 0xAE04, 0xAE41, 0xAE80
SET_USER_MEMORY_REGION = 0x4020AE46
SET_REGS, GET_SREGS, SET_SREGS = 0x4090AE82, 0x8138AE83, 0x4138AE84
EXIT_MMIO, EXIT_SHUTDOWN = 6, 8
EXIT_REASON = 8                              # where in struct kvm_run
RSP, RIP, RFLAGS = 6, 16, 17                 # which of struct kvm_regs
CS, DS, SEGMENT = 0, 1, 24                   # which of struct kvm_sregs, and their size
IDT_LIMIT = 216                              # where in struct kvm_sregs
SIZE, CODE, HANDLER, STACK, NOWHERE, VECTOR = 1 << 16, 0x1000, 0x2000, 0x8000, 1 << 19, 0x40
# again: int VECTOR; mov [0], al; ds += a page; jmp again
PROGRAM = bytes([0xCD, VECTOR, 0xA2, 0, 0, 0x8C, 0xD8, 0x05, 0, 1, 0x8E, 0xD8, 0xEB, 0xF2])
IRET = b"\xcf"


def segment(sregs, which, base):
    struct.pack_into("<Q", sregs, which * SEGMENT, base)
    struct.pack_into("<H", sregs, which * SEGMENT + 12, base >> 4)


def exits(count, idt_limit=None):
    """Why a guest is left that takes a software interrupt and then writes where nothing is, and
    KVM does not know yet that nothing is there; with the last byte of its table of interrupts, if
    that is not to be the usual."""
    with contextlib.ExitStack() as stack:
        def opened(fd):
            stack.callback(os.close, fd)
            return fd
        kvm = opened(os.open("/dev/kvm", os.O_RDWR))
        vm = opened(fcntl.ioctl(kvm, CREATE_VM, 0))
        memory = stack.enter_context(mmap.mmap(-1, SIZE))
        memory[4 * VECTOR:4 * VECTOR + 4] = struct.pack("<HH", HANDLER, 0)
        memory[CODE:CODE + len(PROGRAM)] = PROGRAM
        memory[HANDLER:HANDLER + 1] = IRET
        region = struct.pack("<IIQQQ", 0, 0, 0, SIZE, ctypes.addressof(ctypes.c_char.from_buffer(memory)))
        fcntl.ioctl(vm, SET_USER_MEMORY_REGION, region)
        vcpu = opened(fcntl.ioctl(vm, CREATE_VCPU, 0))
        run = stack.enter_context(mmap.mmap(vcpu, fcntl.ioctl(kvm, GET_VCPU_MMAP_SIZE, 0)))
        sregs = bytearray(312)
        fcntl.ioctl(vcpu, GET_SREGS, sregs)
        segment(sregs, CS, 0)
        segment(sregs, DS, NOWHERE)
        if idt_limit is not None:
            struct.pack_into("<H", sregs, IDT_LIMIT, idt_limit)
        fcntl.ioctl(vcpu, SET_SREGS, bytes(sregs))
        regs = [0] * 18
        regs[RSP], regs[RIP], regs[RFLAGS] = STACK, CODE, 2
        fcntl.ioctl(vcpu, SET_REGS, struct.pack("<18Q", *regs))
        for _ in range(count):
            fcntl.ioctl(vcpu, RUN, 0)
            yield struct.unpack_from("<I", run, EXIT_REASON)[0]
