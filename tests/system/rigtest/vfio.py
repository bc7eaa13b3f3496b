# SPDX-License-Identifier: GPL-2.0
"""A VFIO user through a type1 container: enough to poke at a device's file."""

import array
import contextlib
import ctypes
import errno
import fcntl
import mmap
import os
import struct
from dataclasses import dataclass, field

# _IO(';', 100 + n): include/uapi/linux/vfio.h
SET_IOMMU, GROUP_GET_STATUS = 0x3B66, 0x3B67
GROUP_SET_CONTAINER, GROUP_GET_DEVICE_FD = 0x3B68, 0x3B6A
DEVICE_GET_INFO, DEVICE_GET_REGION_INFO, DEVICE_RESET = 0x3B6B, 0x3B6C, 0x3B6F
DEVICE_SET_IRQS = 0x3B6E
MAP_DMA, UNMAP_DMA = 0x3B71, 0x3B72
BIND_IOMMUFD, ATTACH_PT, DETACH_PT = 0x3B76, 0x3B77, 0x3B78
# include/uapi/linux/iommufd.h
IOAS_ALLOC, IOAS_MAP, IOAS_UNMAP, HWPT_ALLOC = 0x3B81, 0x3B85, 0x3B86, 0x3B89
TYPE1V2_IOMMU = 3

FLAG_READ, FLAG_WRITE, FLAG_MMAP, FLAG_CAPS = 1, 2, 4, 8
CAP_SPARSE_MMAP = 1
CONFIG_REGION, NUM_REGIONS = 7, 9
PCI_REQ_IRQ = 4


@dataclass
class Region:
    index: int
    flags: int
    size: int
    offset: int
    areas: list = field(default_factory=list)
    caps: list = field(default_factory=list)


def outcome(action):
    """What an operation gave: its value, or the errno's name."""
    try:
        return action()
    except OSError as error:
        return errno.errorcode[error.errno]


_libc = ctypes.CDLL(None, use_errno=True)
_libc.mmap.restype = ctypes.c_void_p
_libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int, ctypes.c_int, ctypes.c_int, ctypes.c_int64]
_libc.munmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t]


class Device:
    """An open device of a container of its own; a context manager."""

    def __init__(self, function):
        self._stack = contextlib.ExitStack()
        try:
            self.container = container = self._open("/dev/vfio/vfio")
            group = self._open(function.vfio_group)
            fcntl.ioctl(group, GROUP_SET_CONTAINER, array.array("i", [container]))
            fcntl.ioctl(container, SET_IOMMU, TYPE1V2_IOMMU)
            # The argument is a pointer, which fcntl gives, the answer an fd,
            # which it hides behind the buffer: so call ioctl itself.
            self.fd = _libc.ioctl(group, GROUP_GET_DEVICE_FD, ctypes.c_char_p(function.address.encode()))
            if self.fd < 0:
                raise OSError(ctypes.get_errno(), "VFIO_GROUP_GET_DEVICE_FD")
            self._stack.callback(os.close, self.fd)
        except BaseException:
            self.close()
            raise

    def _open(self, path):
        fd = os.open(path, os.O_RDWR)
        self._stack.callback(os.close, fd)
        return fd

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def region(self, index):
        """Region information with its capabilities; OSError if there is none."""
        info = bytearray(1024)
        struct.pack_into("<IIIIQQ", info, 0, len(info), 0, index, 0, 0, 0)
        fcntl.ioctl(self.fd, DEVICE_GET_REGION_INFO, info)
        _, flags, _, cap, size, offset = struct.unpack_from("<IIIIQQ", info)
        region = Region(index, flags, size, offset)
        while flags & FLAG_CAPS and cap:
            ident, _, following, count = struct.unpack_from("<HHII", info, cap)
            region.caps.append(ident)
            if ident == CAP_SPARSE_MMAP:
                region.areas = [struct.unpack_from("<QQ", info, cap + 16 + 16 * i) for i in range(count)]
            cap = following
        return region

    def read(self, region, offset, count):
        return os.pread(self.fd, count, region.offset + offset)

    def write(self, region, offset, data):
        return os.pwrite(self.fd, data, region.offset + offset)

    @contextlib.contextmanager
    def mapped(self, region, offset, size, prot=mmap.PROT_READ | mmap.PROT_WRITE):
        """The address of a shared mapping of part of a region."""
        address = self.map(region, offset, size, prot)
        try:
            yield address
        finally:
            _libc.munmap(address, size)

    def map(self, region, offset, size, prot=mmap.PROT_READ | mmap.PROT_WRITE, flags=mmap.MAP_SHARED):
        address = _libc.mmap(None, size, prot, flags, self.fd, region.offset + offset)
        if address == ctypes.c_void_p(-1).value:
            raise OSError(ctypes.get_errno(), "mmap")
        return address

    def unmap(self, address, size):
        _libc.munmap(address, size)

    @contextlib.contextmanager
    def dma_memory(self, iova, size):
        """Memory that the device can read and write at an address."""
        memory = mmap.mmap(-1, size)
        pointer = ctypes.c_char.from_buffer(memory)
        self._map_dma(ctypes.addressof(pointer), iova, size)
        try:
            yield memory
        finally:
            self._unmap_dma(iova, size)
            del pointer
            memory.close()

    def _map_dma(self, address, iova, size):
        fcntl.ioctl(self.container, MAP_DMA, struct.pack("<IIQQQ", 32, 3, address, iova, size))

    def _unmap_dma(self, iova, size):
        fcntl.ioctl(self.container, UNMAP_DMA, struct.pack("<IIQQ", 24, 0, iova, size))

    def reset(self):
        fcntl.ioctl(self.fd, DEVICE_RESET)

    def enable_memory(self):
        """Let the device decode its BARs, as a VMM does for its guest."""
        config = self.region(CONFIG_REGION)
        command = struct.unpack("<H", self.read(config, 4, 2))[0]
        self.write(config, 4, struct.pack("<H", command | 2))

    def enable_bus_master(self):
        """Let the device reach memory, as a VMM does for its guest's driver."""
        config = self.region(CONFIG_REGION)
        command = struct.unpack("<H", self.read(config, 4, 2))[0]
        self.write(config, 4, struct.pack("<H", command | 4))

    def request_eventfd(self):
        """An eventfd that vfio signals when the host wants the device back."""
        event = os.eventfd(0, os.EFD_NONBLOCK)
        self._stack.callback(os.close, event)
        # DATA_EVENTFD | ACTION_TRIGGER of one interrupt of index REQ.
        irqs = struct.pack("<IIIIIi", 24, 1 << 2 | 1 << 5, PCI_REQ_IRQ, 0, 1, event)
        fcntl.ioctl(self.fd, DEVICE_SET_IRQS, irqs)
        return event


class IommufdDevice(Device):
    """The same through iommufd; attached to its address space, or to a page table of it, as QEMU does."""

    def __init__(self, function, table=False):
        self._stack = contextlib.ExitStack()
        try:
            name, = os.listdir(f"/sys/bus/pci/devices/{function.address}/vfio-dev")
            self.fd = self._open(f"/dev/vfio/devices/{name}")
            self.iommufd = self._open("/dev/iommu")
            bound = bytearray(struct.pack("<IIiI", 16, 0, self.iommufd, 0))
            fcntl.ioctl(self.fd, BIND_IOMMUFD, bound)
            self.devid = struct.unpack("<IIiI", bound)[3]
            self.ioas = self.new_ioas()
            self.attach(self.new_table() if table else self.ioas)
        except BaseException:
            self.close()
            raise

    def new_ioas(self):
        """One more address space."""
        made = bytearray(struct.pack("<III", 12, 0, 0))
        fcntl.ioctl(self.iommufd, IOAS_ALLOC, made)
        return struct.unpack("<III", made)[2]

    def new_table(self):
        """A page table of the address space."""
        made = bytearray(struct.pack("<IIIIIIIIQII", 48, 0, self.devid, self.ioas, 0, 0, 0, 0, 0, 0, 0))
        fcntl.ioctl(self.iommufd, HWPT_ALLOC, made)
        return struct.unpack_from("<IIIII", made)[4]

    def attach(self, what):
        fcntl.ioctl(self.fd, ATTACH_PT, bytearray(struct.pack("<III", 12, 0, what)))

    def detach(self):
        fcntl.ioctl(self.fd, DETACH_PT, struct.pack("<II", 8, 0))

    def _map_dma(self, address, iova, size):
        # FIXED_IOVA | WRITEABLE | READABLE
        fcntl.ioctl(self.iommufd, IOAS_MAP, bytearray(struct.pack("<IIIIQQQ", 40, 7, self.ioas, 0, address, size, iova)))

    def _unmap_dma(self, iova, size):
        fcntl.ioctl(self.iommufd, IOAS_UNMAP, bytearray(struct.pack("<IIQQ", 24, self.ioas, iova, size)))
