// SPDX-License-Identifier: GPL-2.0

//! What users of an open device ask for: reads and writes, mappings, region
//! information, each as a safe value over the core's C types.

use super::{
    bindings,
    vfio_core::Core, //
};
use crate::logic::span::Span;
use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// Region index and offset within it, of a position in the device's file.
pub(super) fn split(pos: u64) -> (u32, u64) {
    let index = pos >> bindings::VFIO_PCI_OFFSET_SHIFT;
    let offset = pos & ((1 << bindings::VFIO_PCI_OFFSET_SHIFT) - 1);
    // The shift leaves 24 bits.
    (u32::try_from(index).unwrap_or(u32::MAX), offset)
}

/// The position in the device's file of a region's byte.
pub(super) fn position(region: u32, offset: u64) -> u64 {
    u64::from(region) << bindings::VFIO_PCI_OFFSET_SHIFT | offset
}

/// One read or write of the device's file.
pub(crate) struct FileIo {
    user: UserPtr,
    count: usize,
    pos: i64,
    is_write: bool,
}

impl FileIo {
    /// `count` bytes of the user's from `pos` on.
    pub(super) fn new(user: UserPtr, count: usize, pos: i64, is_write: bool) -> Self {
        Self {
            user,
            count,
            pos,
            is_write,
        }
    }

    /// Whether the user writes.
    pub(crate) fn is_write(&self) -> bool {
        self.is_write
    }

    /// Bytes asked for.
    pub(crate) fn count(&self) -> usize {
        self.count
    }

    /// Region index and offset of the first byte.
    pub(crate) fn target(&self) -> (u32, u64) {
        // CAST: the core does the same; file positions of regions are not
        // negative, and one that is names no region.
        split(self.pos as u64)
    }

    /// Bytes that the user writes, from `at` on.
    pub(crate) fn fetch(&self, at: usize, bytes: &mut [u8]) -> Result {
        UserSlice::new(self.user.wrapping_byte_add(at), bytes.len())
            .reader()
            .read_slice(bytes)
    }

    /// Bytes for the user who reads, from `at` on.
    pub(crate) fn store(&self, at: usize, bytes: &[u8]) -> Result {
        UserSlice::new(self.user.wrapping_byte_add(at), bytes.len())
            .writer()
            .write_slice(bytes)
    }

    /// The core's answer to `count` bytes from `at` on.
    pub(crate) fn pass(&self, dev: &Core<'_>, at: usize, count: usize) -> Result<usize> {
        let mut pos = self.pos.checked_add(i64::try_from(at)?).ok_or(EINVAL)?;
        let user = self.user.wrapping_byte_add(at).as_mut_ptr();
        let done = if self.is_write {
            // SAFETY: The device is open; the core checks the user's memory.
            unsafe { bindings::vfio_pci_core_write(dev.vdev(), user.cast(), count, &mut pos) }
        } else {
            // SAFETY: As above.
            unsafe { bindings::vfio_pci_core_read(dev.vdev(), user.cast(), count, &mut pos) }
        };
        match usize::try_from(done) {
            Ok(done) => Ok(done),
            Err(_) => Err(i32::try_from(done).map_or(EIO, Error::from_errno)),
        }
    }
}

/// One mmap of the device's file.
pub(crate) struct Mapping<'a> {
    vma: &'a kernel_bindings::vm_area_struct,
}

impl<'a> Mapping<'a> {
    /// A mapping of a vma that its caller keeps locked for writing.
    pub(super) fn new(vma: &'a kernel_bindings::vm_area_struct) -> Self {
        Self { vma }
    }

    /// The vma, locked for writing by the caller of mmap.
    pub(super) fn as_raw(&self) -> *mut kernel_bindings::vm_area_struct {
        core::ptr::from_ref(self.vma).cast_mut()
    }

    fn bytes(&self) -> (u64, u64) {
        let vma = self.vma;
        // SAFETY: The union's other members are for vma lookups under RCU.
        let addresses = unsafe { vma.__bindgen_anon_1.__bindgen_anon_1 };
        // CAST: `unsigned long` is 64 bits wide on every host of vfio-pci that
        // the core's 40-bit region offsets fit.
        let size = (addresses.vm_end - addresses.vm_start) as u64;
        // CAST: as above.
        let pos = (vma.vm_pgoff as u64) << kernel_bindings::PAGE_SHIFT;
        (pos, size)
    }

    /// Index of the region.
    pub(crate) fn region(&self) -> u32 {
        split(self.bytes().0).0
    }

    /// The bytes of the region that are to be mapped.
    pub(crate) fn span(&self) -> Span {
        let (pos, size) = self.bytes();
        Span {
            offset: split(pos).1,
            size,
        }
    }
}

/// The answer to `VFIO_DEVICE_GET_REGION_INFO` while it is put together.
pub(crate) struct RegionInfo<'a> {
    info: &'a mut bindings::vfio_region_info,
    caps: *mut bindings::vfio_info_cap,
}

impl<'a> RegionInfo<'a> {
    /// The core's answer and its list of capabilities.
    pub(super) fn new(
        info: &'a mut bindings::vfio_region_info,
        caps: *mut bindings::vfio_info_cap,
    ) -> Self {
        Self { info, caps }
    }

    /// Index of the region.
    pub(crate) fn index(&self) -> u32 {
        self.info.index
    }

    /// Replaces flags and size, and lists the mmap-able areas, if any are given.
    pub(crate) fn set(&mut self, flags: u32, size: u64, areas: &[Span]) -> Result {
        self.info.flags = flags;
        self.info.size = size;
        if areas.is_empty() {
            return Ok(());
        }
        let header = core::mem::size_of::<bindings::vfio_region_info_cap_sparse_mmap>();
        let area = core::mem::size_of::<bindings::vfio_region_sparse_mmap_area>();
        let mut cap = KVec::<u64>::new();
        // Header: id and version (16 bits each) and next (filled in later), then
        // the count and a reserved word; each area: offset and size.
        let id = u64::from(bindings::VFIO_REGION_INFO_CAP_SPARSE_MMAP) | (1 << 16);
        cap.push(id, GFP_KERNEL)?;
        cap.push(u64::try_from(areas.len())?, GFP_KERNEL)?;
        for span in areas {
            cap.push(span.offset, GFP_KERNEL)?;
            cap.push(span.size, GFP_KERNEL)?;
        }
        debug_assert_eq!(cap.len() * 8, header + areas.len() * area);
        // SAFETY: `caps` is the caller's list; the bytes are copied.
        to_result(unsafe {
            bindings::vfio_info_add_capability(
                self.caps,
                cap.as_mut_ptr().cast(),
                header + areas.len() * area,
            )
        })
    }
}
