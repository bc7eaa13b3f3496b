// SPDX-License-Identifier: GPL-2.0

//! Ways to a BAR's registers past mappings and the device's file, closed for what is mediated.
//! All others are vfio-pci's.

use super::{
    bindings::{
        self,
        vfio_device, //
    },
    vfio_device::{
        Device,
        Operations, //
    },
    vfio_requests::split,
};
use crate::logic::span::Span;
use core::mem::{
    size_of,
    MaybeUninit, //
};
#[cfg(CONFIG_VFIO_PCI_DMABUF)]
use kernel::bindings as kernel_bindings;
use kernel::{
    prelude::*,
    uaccess::{
        UserPtr,
        UserSlice, //
    },
};

/// Where an ioeventfd that the user asks for would write, and whether it is to begin.
fn ioeventfd(argument: usize) -> Result<(u32, Span, bool)> {
    const SIZE: usize = size_of::<bindings::vfio_device_ioeventfd>();
    let mut asked = MaybeUninit::<bindings::vfio_device_ioeventfd>::zeroed();
    // SAFETY: The memory of the structure, which is all zeroes.
    let bytes = unsafe { core::slice::from_raw_parts_mut(asked.as_mut_ptr().cast::<u8>(), SIZE) };
    UserSlice::new(UserPtr::from_addr(argument), SIZE)
        .reader()
        .read_slice(bytes)?;
    // SAFETY: Any bytes are numbers.
    let asked = unsafe { asked.assume_init() };
    let (region, offset) = split(asked.offset);
    let size = u64::from(asked.flags & bindings::VFIO_DEVICE_IOEVENTFD_SIZE_MASK);
    // -1 ends one.
    Ok((region, Span { offset, size }, asked.fd >= 0))
}

impl<T: Operations> Device<T> {
    /// # Safety
    ///
    /// vfio's contract: `vdev` is an open device of this driver.
    pub(super) unsafe extern "C" fn ioctl(
        vdev: *mut vfio_device,
        cmd: c_uint,
        argument: c_ulong,
    ) -> c_long {
        if cmd == bindings::VFM_DEVICE_IOEVENTFD {
            // What cannot be read the core refuses.
            if let Ok((region, span, true)) = ioeventfd(argument) {
                // SAFETY: By contract.
                if unsafe { Self::with(vdev, |this, _| this.mediates(region, span)) } {
                    // As the core answers for the MSI-X table.
                    // CAST: sign-extends.
                    return EINVAL.to_errno() as c_long;
                }
            }
        }
        // SAFETY: By contract.
        unsafe { bindings::vfio_pci_core_ioctl(vdev, cmd, argument) }
    }

    /// # Safety
    ///
    /// The core's contract: `core` is an open device of this driver, `ranges` holds as many
    /// ranges as said, all within the region, and the rest is for the core's function.
    #[cfg(CONFIG_VFIO_PCI_DMABUF)]
    pub(super) unsafe extern "C" fn get_dmabuf_phys(
        core: *mut bindings::vfio_pci_core_device,
        provider: *mut *mut kernel_bindings::p2pdma_provider,
        region: c_uint,
        phys: *mut kernel_bindings::phys_vec,
        ranges: *mut bindings::vfio_region_dma_range,
        count: usize,
    ) -> c_int {
        // SAFETY: By contract.
        let listed = unsafe { core::slice::from_raw_parts(ranges, count) };
        let is_mediated = |this: &T, _: &super::vfio_core::Core<'_>| {
            listed.iter().any(|range| {
                let span = Span {
                    offset: range.offset,
                    size: range.length,
                };
                this.mediates(region, span)
            })
        };
        // SAFETY: By contract; the core's device begins with vfio's.
        if unsafe { Self::with(core.cast(), is_mediated) } {
            return EINVAL.to_errno();
        }
        // SAFETY: By contract.
        unsafe {
            bindings::vfio_pci_core_get_dmabuf_phys(core, provider, region, phys, ranges, count)
        }
    }

    pub(super) const PCI_OPS: &'static bindings::vfio_pci_device_ops =
        &bindings::vfio_pci_device_ops {
            #[cfg(CONFIG_VFIO_PCI_DMABUF)]
            get_dmabuf_phys: Some(Self::get_dmabuf_phys),
            #[cfg(not(CONFIG_VFIO_PCI_DMABUF))]
            get_dmabuf_phys: None,
        };
}
