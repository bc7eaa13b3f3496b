// SPDX-License-Identifier: GPL-2.0

//! vfio-pci-core's device, as the parts of a variant driver see it.
//!
//! C header: [`include/linux/vfio_pci_core.h`](srctree/include/linux/vfio_pci_core.h)

use super::{
    binding::Binding,
    bindings::{
        self,
        vfio_device,
        vfio_pci_core_device, //
    },
    host::{
        HostHandle,
        HostParts, //
    },
    vfio_device::{
        Device,
        Operations, //
    },
    vfio_requests::Mapping, //
};
use core::{
    marker::PhantomData,
    mem::offset_of,
    ptr::NonNull, //
};
use kernel::{
    bindings as kernel_bindings,
    device,
    error::to_result,
    prelude::*, //
};

/// What a device that can be moved offers.
const MIGRATION_FLAGS: u32 = bindings::VFIO_MIGRATION_STOP_COPY
    | bindings::VFIO_MIGRATION_P2P
    | bindings::VFIO_MIGRATION_PRE_COPY;

/// vfio-pci-core's device, for `'a` valid and, but for `Operations::new`, set up.
pub(crate) struct Core<'a>(NonNull<vfio_pci_core_device>, PhantomData<&'a ()>);

impl AsRef<device::Device> for Core<'_> {
    fn as_ref(&self) -> &device::Device {
        // SAFETY: A bound vfio device has its PCI device, which embeds a device.
        unsafe { device::Device::from_raw(&raw mut (*self.pdev()).dev) }
    }
}

impl Core<'_> {
    /// # Safety
    ///
    /// `vdev` must be what `vdev()` of a device gave that is valid for `'a`.
    pub(super) unsafe fn from_vdev<'a>(vdev: *mut vfio_device) -> Core<'a> {
        const { assert!(offset_of!(vfio_pci_core_device, vdev) == 0) };
        // SAFETY: Not NULL by contract.
        Core(unsafe { NonNull::new_unchecked(vdev) }.cast(), PhantomData)
    }

    pub(super) fn pdev(&self) -> *mut kernel_bindings::pci_dev {
        // SAFETY: Valid by the type's contract.
        unsafe { (*self.0.as_ptr()).pdev }
    }

    /// The vfio device, for calls into the core.
    pub(super) fn vdev(&self) -> *mut vfio_device {
        // SAFETY: Valid by the type's contract; this only takes an address.
        unsafe { &raw mut (*self.0.as_ptr()).vdev }
    }

    /// The PCI device's name, its address.
    pub(crate) fn name(&self) -> &CStr {
        AsRef::<device::Device>::as_ref(self).name()
    }

    /// Vendor and device id.
    pub(crate) fn ids(&self) -> (u16, u16) {
        // SAFETY: Valid by the type's contract.
        unsafe { ((*self.pdev()).vendor, (*self.pdev()).device) }
    }

    /// Says to users whether the device can be moved.
    pub(crate) fn offer_migration(&self, offered: bool) {
        let flags = if offered { MIGRATION_FLAGS } else { 0 };
        // SAFETY: Valid by the type's contract; called in open, close, and when the device is
        // attached to memory, which are serialized; and once for a user that opts in.
        unsafe { (&raw mut (*self.vdev()).migration_flags).write_volatile(flags) };
    }

    /// `EOPNOTSUPP` unless users are told that the device can be moved.
    pub(super) fn check_offered(&self) -> Result {
        // SAFETY: Valid by the type's contract; who attaches the device may change it.
        match unsafe { (&raw const (*self.vdev()).migration_flags).read_volatile() } {
            0 => Err(EOPNOTSUPP),
            _ => Ok(()),
        }
    }

    /// Whether the user asked to be told of new initial bytes in pre-copy.
    pub(crate) fn wants_reinit(&self) -> bool {
        // SAFETY: Valid by the type's contract; a byte that the user may set at
        // any time.
        unsafe { (&raw const (*self.vdev()).precopy_info_v2).read_volatile() != 0 }
    }

    fn raw_dev(&self) -> *const kernel_bindings::device {
        // SAFETY: Valid by the type's contract; this only takes an address.
        unsafe { &raw const (*self.pdev()).dev }
    }

    /// Traces a step of the state machine.
    pub(crate) fn trace_state(&self, from: u32, to: u32, outcome: Result) {
        let ret = outcome.map_or_else(|errno| errno.to_errno(), |()| 0);
        // SAFETY: The device is valid by its type.
        unsafe { bindings::vfm_trace_state(self.raw_dev(), from, to, ret) };
    }

    /// Traces an access that the provider answered.
    pub(crate) fn trace_trap(&self, region: u32, offset: u64, bytes: &[u8], is_write: bool) {
        let mut value = [0; 8];
        for (to, from) in value.iter_mut().zip(bytes) {
            *to = *from;
        }
        let width = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let value = u64::from_le_bytes(value);
        // SAFETY: The device is valid by its type.
        unsafe { bindings::vfm_trace_trap(self.raw_dev(), region, offset, value, width, is_write) };
    }

    /// Traces a write to the guest's memory.
    pub(crate) fn trace_dirty(&self, iova: u64, len: u64) {
        // SAFETY: The device is valid by its type.
        unsafe { bindings::vfm_trace_dirty(self.raw_dev(), iova, len) };
    }

    /// Whether its user has come through iommufd, and not with a container.
    pub(crate) fn has_iommufd(&self) -> bool {
        #[cfg(CONFIG_IOMMUFD)]
        // SAFETY: Valid by the type's contract; the field changes only while the
        // device is closed.
        return unsafe { !(*self.vdev()).iommufd_device.is_null() };
        #[cfg(not(CONFIG_IOMMUFD))]
        false
    }

    /// Opens the VF with its provider, if it has one, which is given `parts`. May sleep.
    pub(crate) fn bind_provider(&self, parts: HostParts) -> Result<Option<Binding>> {
        let host = HostHandle::new(self, parts)?;
        // SAFETY: The PCI device and this one outlive the vfio device's users,
        // and bindings end in `close`.
        unsafe { Binding::get(self.pdev(), host) }
    }

    /// Flags and size that vfio-pci reports for BAR `index`.
    pub(crate) fn bar(&self, index: u32) -> (u32, u64) {
        let Ok(bar) = c_int::try_from(index) else {
            return (0, 0);
        };
        // SAFETY: `pdev` is valid; the caller of this asks for BARs only, and
        // the array has an entry for each.
        let size = unsafe { bindings::vfm_resource_len(self.pdev(), bar) };
        // SAFETY: Valid by the type's contract.
        let mmap_ok = unsafe { &(*self.0.as_ptr()).bar_mmap_supported };
        let mmap_ok = usize::try_from(index).ok().and_then(|i| mmap_ok.get(i));
        if size == 0 {
            return (0, 0);
        }
        let mut flags =
            bindings::VFIO_REGION_INFO_FLAG_READ | bindings::VFIO_REGION_INFO_FLAG_WRITE;
        if mmap_ok == Some(&true) {
            flags |= bindings::VFIO_REGION_INFO_FLAG_MMAP;
        }
        (flags, size)
    }

    /// The core's answer to a mapping.
    pub(crate) fn mmap(&self, mapping: &Mapping<'_>) -> Result {
        // SAFETY: Device and vma are valid by their types.
        to_result(unsafe { bindings::vfio_pci_core_mmap(self.vdev(), mapping.as_raw()) })
    }

    /// The same, with faults handled by `T`, whose device this is. Errors: the core's.
    pub(crate) fn mmap_own<T: Operations>(&self, mapping: &Mapping<'_>) -> Result {
        self.mmap(mapping)?;
        Device::<T>::own_mapping(mapping);
        Ok(())
    }

    /// The core's answer to a request for the device.
    pub(crate) fn request(&self, count: u32) {
        // SAFETY: The device is valid by its type.
        unsafe { bindings::vfio_pci_core_request(self.vdev(), count) };
    }
}
