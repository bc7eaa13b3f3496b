// SPDX-License-Identifier: GPL-2.0

//! Marking the guest's memory as written in the container's own records: a page that is
//! pinned counts as written.
//!
//! C header: [`include/linux/vfio.h`](srctree/include/linux/vfio.h)

use super::{
    bindings,
    vfio_core::Core, //
};
use kernel::{
    bindings as kernel_bindings,
    prelude::*, //
};

/// Most pages that are marked at once.
pub(crate) const BATCH: usize = 64;

impl Core<'_> {
    /// Marks `count` pages from `iova` on as written, at most [`BATCH`]. May sleep.
    ///
    /// No mapping of that memory may be on its way out meanwhile, see
    /// `Operations::dma_unmapped`. Errors: `EFAULT` if one of the pages is not mapped for the
    /// device to write to, and others; then none is marked.
    pub(crate) fn mark_written(&self, iova: u64, count: usize) -> Result {
        let mut pages = [core::ptr::null_mut(); BATCH];
        let pages = pages.get_mut(..count).ok_or(EINVAL)?;
        let npage = c_int::try_from(count)?;
        // CAST: small constants.
        let access = (kernel_bindings::IOMMU_READ | kernel_bindings::IOMMU_WRITE) as c_int;
        // SAFETY: The device is open, and `pages` takes so many pointers.
        let pinned = unsafe {
            bindings::vfio_pin_pages(self.vdev(), iova, npage, access, pages.as_mut_ptr())
        };
        if pinned == npage {
            // SAFETY: They were just pinned.
            unsafe { bindings::vfio_unpin_pages(self.vdev(), iova, npage) };
            return Ok(());
        }
        Err(match Error::from_errno(pinned) {
            // Without a mapping, or without the right to write.
            EINVAL | EPERM | EOVERFLOW => EFAULT,
            other => other,
        })
    }
}
