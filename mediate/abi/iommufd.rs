// SPDX-License-Identifier: GPL-2.0

//! Reading the memory that a device sees through iommufd.
//!
//! vfio lets drivers of physical devices do so in a container, but not through iommufd: there
//! it wants an *access* to the device's I/O address space, which this makes beside the
//! device's own attachment. The access is made when the device is first attached, and only for
//! a device that can be moved.
//!
//! An access is to an address space (IOAS), while a VMM may attach a device to a page table of
//! one (HWPT), as QEMU does. Nothing that drivers may call tells which address space a page
//! table is of. But it is older than its page table: if there is just one in the VMM's iommufd
//! when the device is attached, that is it. If there are more, memory is not read, and no
//! migration is offered.
//!
//! C header: [`include/linux/iommufd.h`](srctree/include/linux/iommufd.h)

use super::{
    bindings::{
        self,
        vfio_device, //
    },
    vfio_device::{
        Device,
        Operations, //
    },
};
use kernel::{
    bindings as kernel_bindings,
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::atomic::Relaxed, //
};

/// Objects of an iommufd are numbered from 1 on, always with the lowest number that is free.
/// Address spaces are looked for among the first so many: no VMM has more objects.
const MOST_OBJECTS: u32 = 4096;

/// The functions that vfio calls instead of its own for physical devices.
impl<T: Operations> Device<T> {
    /// Lets the memory be read that the device sees, which is attached to object `id`, or
    /// ends that if it cannot. Errors: `EOPNOTSUPP` if what the device sees is a guest's own
    /// tables, `EMLINK` if it may be more than one thing, and others.
    ///
    /// # Safety
    ///
    /// As for `parts`; the device is open and attached, and the device set's lock held.
    unsafe fn begin_reading(vdev: *mut vfio_device, id: u32) -> Result {
        // SAFETY: By contract.
        unsafe { Self::end_reading(vdev) };
        // SAFETY: The PCI device is valid. What it is attached to stays: its user cannot
        // change that without the lock, and a VF whose DMA is translated has a group of its own.
        let domain = unsafe { kernel_bindings::iommu_get_domain_for_dev((*vdev).dev) };
        // SAFETY: As above.
        if domain.is_null() || unsafe { (*domain).type_ } & bindings::VFM_DOMAIN_PAGING == 0 {
            return Err(EOPNOTSUPP);
        }
        // SAFETY: By contract.
        let access = unsafe { Self::access(vdev) }?;
        // SAFETY: The access is valid, and attached to nothing when these are called.
        let attach = |id| to_result(unsafe { bindings::iommufd_access_attach(access, id) });
        if let Err(errno) = attach(id) {
            if errno != ENOENT {
                return Err(errno);
            }
            // No address space, so it is a page table.
            let mut others = 1..=MOST_OBJECTS;
            others.find(|&id| attach(id).is_ok()).ok_or(ENOENT)?;
            // SAFETY: The access is attached, and stays so.
            let replace = |id| unsafe { bindings::iommufd_access_replace(access, id) };
            if others.any(|id| replace(id) == 0) {
                // SAFETY: As above.
                unsafe { bindings::iommufd_access_detach(access) };
                return Err(EMLINK);
            }
        }
        // SAFETY: By contract.
        unsafe { Self::reading(vdev) }.store(true, Relaxed);
        Ok(())
    }

    /// Memory can no longer be read.
    ///
    /// # Safety
    ///
    /// As for `begin_reading`, but the device need not be attached.
    unsafe fn end_reading(vdev: *mut vfio_device) {
        // SAFETY: By contract.
        if unsafe { Self::reading(vdev) }.xchg(false, Relaxed) {
            // SAFETY: There is an access, and it is attached.
            unsafe { bindings::iommufd_access_detach((*vdev).iommufd_access) };
        }
    }

    /// The device's access, which is made if there is none.
    ///
    /// # Safety
    ///
    /// As for `begin_reading`.
    unsafe fn access(vdev: *mut vfio_device) -> Result<*mut bindings::iommufd_access> {
        // SAFETY: Valid by contract; the field changes here and in `unbind_iommufd` only.
        let access = unsafe { (*vdev).iommufd_access };
        if !access.is_null() {
            return Ok(access);
        }
        let mut id = 0;
        // SAFETY: The device is bound to a context; the shim's operations make no use of the
        // data.
        let access = from_err_ptr(unsafe {
            bindings::iommufd_access_create(
                bindings::vfio_iommufd_device_ictx(vdev),
                &raw const bindings::vfm_access_ops,
                core::ptr::null_mut(),
                &mut id,
            )
        })?;
        // Whoever reads memory meanwhile finds either, and nothing attached.
        // SAFETY: As above.
        unsafe { (&raw mut (*vdev).iommufd_access).write_volatile(access) };
        Ok(access)
    }

    /// # Safety
    ///
    /// `vdev` must be bound to an iommufd, closed, and the device set's lock held.
    pub(super) unsafe extern "C" fn unbind_iommufd(vdev: *mut vfio_device) {
        // SAFETY: By contract.
        unsafe { Self::reading(vdev) }.store(false, Relaxed);
        // SAFETY: Valid by contract, and nobody uses a device that is closed.
        let access =
            unsafe { core::mem::replace(&mut (*vdev).iommufd_access, core::ptr::null_mut()) };
        if !access.is_null() {
            // SAFETY: Made by `access`, and not used again. It is detached on the way.
            unsafe { bindings::iommufd_access_destroy(access) };
        }
        // SAFETY: Bound by contract.
        unsafe { bindings::vfio_iommufd_physical_unbind(vdev) };
    }

    /// # Safety
    ///
    /// `vdev` must be open and bound to an iommufd, the device set's lock held, and `id` valid
    /// for the call.
    pub(super) unsafe extern "C" fn attach_ioas(vdev: *mut vfio_device, id: *mut u32) -> c_int {
        // SAFETY: By contract.
        let asked = unsafe { id.read() };
        // SAFETY: By contract.
        let ret = unsafe { bindings::vfio_iommufd_physical_attach_ioas(vdev, id) };
        if ret != 0 {
            return ret;
        }
        // SAFETY: Attached just now; the rest by contract.
        let read = || unsafe { Self::begin_reading(vdev, asked) };
        // SAFETY: The device is open.
        unsafe { Self::with(vdev, |this, dev| this.attached(dev, read)) };
        0
    }

    /// # Safety
    ///
    /// `vdev` must be open and bound to an iommufd, and the device set's lock held.
    pub(super) unsafe extern "C" fn detach_ioas(vdev: *mut vfio_device) {
        // SAFETY: By contract.
        unsafe { Self::end_reading(vdev) };
        // SAFETY: The device is open.
        unsafe { Self::with(vdev, |this, _| this.detached()) };
        // SAFETY: By contract.
        unsafe { bindings::vfio_iommufd_physical_detach_ioas(vdev) };
    }
}
