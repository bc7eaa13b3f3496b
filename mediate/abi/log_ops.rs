// SPDX-License-Identifier: GPL-2.0

//! `struct vfio_log_ops` over safe Rust: the log that a device keeps itself of what it writes.
//!
//! C headers: [`include/linux/vfio.h`](srctree/include/linux/vfio.h),
//! [`include/linux/iova_bitmap.h`](srctree/include/linux/iova_bitmap.h)

use super::{
    bindings::{
        self,
        vfio_device, //
    },
    vfio_core::Core,
    vfio_device::{
        Device,
        Operations, //
    },
};
use crate::logic::written::Extent;
use core::{
    marker::PhantomData,
    ptr::NonNull, //
};
use kernel::{
    bindings::{
        interval_tree_node,
        iova_bitmap,
        rb_root_cached, //
    },
    error::from_result,
    prelude::*, //
};

/// Bytes of memory that the host has.
pub(crate) fn host_memory() -> u64 {
    // SAFETY: It reads a number.
    unsafe { bindings::vfm_total_memory() }
}

/// The ranges that a user wants logged, ascending. They do not overlap, but nobody has checked
/// that each has a byte: one that has none may be anything.
pub(crate) struct LogRanges<'a> {
    next: Option<NonNull<interval_tree_node>>,
    /// How many there are.
    count: usize,
    _of: PhantomData<&'a rb_root_cached>,
}

impl LogRanges<'_> {
    /// # Safety
    ///
    /// `root` must be a valid tree of interval tree nodes that does not change for `'a`.
    unsafe fn new(root: *mut rb_root_cached, count: u32) -> Self {
        // SAFETY: Valid by contract.
        let first = unsafe { bindings::interval_tree_iter_first(root, 0, c_ulong::MAX) };
        Self {
            next: NonNull::new(first),
            count: usize::try_from(count).unwrap_or(usize::MAX),
            _of: PhantomData,
        }
    }

    /// How many there are, at most 256.
    pub(crate) fn most(&self) -> usize {
        self.count
    }
}

impl Iterator for LogRanges<'_> {
    type Item = Extent;

    fn next(&mut self) -> Option<Extent> {
        let node = self.next?;
        // SAFETY: A node of the tree, which stays, by the contract of `new`.
        let (first, last) = unsafe { (node.as_ref().start, node.as_ref().last) };
        // SAFETY: As above.
        let next = unsafe { bindings::interval_tree_iter_next(node.as_ptr(), 0, c_ulong::MAX) };
        self.next = NonNull::new(next);
        // CAST: `unsigned long` has 64 bits on every host of vfio-pci.
        let (first, last) = (first as u64, last as u64);
        // vfio lets no range end beyond 2^64 - 1; no bytes at 0 end there.
        let empty = Extent { first: 1, last: 0 };
        Some(if last == u64::MAX {
            empty
        } else {
            Extent { first, last }
        })
    }
}

/// A user's bitmap, in which pages that were written are marked.
pub(crate) struct UserBitmap<'a> {
    raw: NonNull<iova_bitmap>,
    _of: PhantomData<&'a iova_bitmap>,
}

impl UserBitmap<'_> {
    /// Marks what of the bitmap's pages `extent` touches, which must lie within what the
    /// user asks about. May sleep, for as long as a fault in the user's memory takes.
    ///
    /// The kernel does not say when the user's memory is not there, and nothing is marked.
    pub(crate) fn mark(&mut self, extent: Extent) {
        let len = (extent.last - extent.first).saturating_add(1);
        // CAST: `unsigned long` and `size_t` have 64 bits on every host of vfio-pci.
        let (first, len) = (extent.first as c_ulong, len as usize);
        // SAFETY: Valid by the type.
        unsafe { bindings::vfm_mark_user_bitmap(self.raw.as_ptr(), first, len) };
    }
}

impl Core<'_> {
    /// Whether the kernel has what a device's own log needs.
    pub(crate) fn can_offer_log() -> bool {
        // SAFETY: A constant of the shim.
        unsafe { bindings::vfm_has_iova_bitmap }
    }

    /// Says to users of `T`'s device whether it keeps a log; if the kernel can, see
    /// [`Core::can_offer_log`].
    pub(crate) fn offer_log<T: Operations>(&self, offered: bool) {
        let ops = if offered && Self::can_offer_log() {
            Device::<T>::LOG_OPS
        } else {
            core::ptr::null()
        };
        // SAFETY: Valid by the type's contract; called as `offer_migration` is. vfio's debugfs
        // looks only at whether it is NULL.
        unsafe { (&raw mut (*self.vdev()).log_ops).write_volatile(ops) };
    }
}

impl<T: Operations> Device<T> {
    const LOG_OPS: &'static bindings::vfio_log_ops = &bindings::vfio_log_ops {
        log_start: Some(Self::log_start),
        log_stop: Some(Self::log_stop),
        log_read_and_clear: Some(Self::log_read_and_clear),
    };

    /// # Safety
    ///
    /// vfio's contract: `vdev` is an open device of this driver, `ranges` a tree of `nnodes`
    /// interval tree nodes, and `page_size` valid, all for the call.
    unsafe extern "C" fn log_start(
        vdev: *mut vfio_device,
        ranges: *mut rb_root_cached,
        nnodes: u32,
        page_size: *mut u64,
    ) -> c_int {
        from_result(|| {
            // SAFETY: By contract.
            let ranges = unsafe { LogRanges::new(ranges, nnodes) };
            // SAFETY: By contract.
            let wanted = unsafe { page_size.read() };
            // SAFETY: The device is open.
            let chosen = unsafe {
                Self::with(vdev, |this, dev| {
                    dev.check_offered()?;
                    this.start_log(dev, ranges, wanted)
                })
            }?;
            // SAFETY: By contract.
            unsafe { page_size.write(chosen) };
            Ok(0)
        })
    }

    /// # Safety
    ///
    /// As for `log_start`.
    unsafe extern "C" fn log_stop(vdev: *mut vfio_device) -> c_int {
        // SAFETY: The device is open.
        unsafe { Self::with(vdev, |this, _| this.stop_log()) };
        0
    }

    /// # Safety
    ///
    /// As for `log_start`; `dirty` is a bitmap for `length` bytes from `iova` on.
    unsafe extern "C" fn log_read_and_clear(
        vdev: *mut vfio_device,
        iova: c_ulong,
        length: c_ulong,
        dirty: *mut iova_bitmap,
    ) -> c_int {
        from_result(|| {
            // CAST: `unsigned long` has 64 bits on every host of vfio-pci.
            let asked = Extent::of(iova as u64, length as u64).ok_or(EINVAL)?;
            let mut bitmap = UserBitmap {
                raw: NonNull::new(dirty).ok_or(EINVAL)?,
                _of: PhantomData,
            };
            // SAFETY: The device is open.
            unsafe { Self::with(vdev, |this, _| this.report_log(asked, &mut bitmap)) }.map(|()| 0)
        })
    }
}
