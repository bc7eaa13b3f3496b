// SPDX-License-Identifier: GPL-2.0

//! The mediator, as the provider of an open VF may call it.
//!
//! C header: `include/linux/vfio_mediate.h`, `struct vfio_mediate_host`

use super::bindings;
use core::ptr::NonNull;
use kernel::{
    error::to_result,
    prelude::*, //
};

/// How accesses to what cannot be mapped come here.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Transport {
    /// Not at all: the VF is as under vfio-pci.
    None,
    /// What is mediated is never mapped, nor is what may have to be trapped.
    Fixed,
    /// What is mediated is never mapped; what may have to be trapped is, but for the time
    /// in which it is.
    Kvm,
    /// The same, but the VMM sees to it.
    Region,
}

/// A host handle.
///
/// # Invariants
///
/// Valid for as long as this lives: from a VF's open to its release.
pub(crate) struct Host(NonNull<bindings::vfio_mediate_host>);

// SAFETY: The mediator lets hooks be called from any thread, and the handle with them.
unsafe impl Send for Host {}
// SAFETY: As above.
unsafe impl Sync for Host {}

impl Host {
    /// # Safety
    ///
    /// `host` must be what a VF's open was given, and the result must be gone when its
    /// release returns.
    pub(super) unsafe fn from_raw(host: *const bindings::vfio_mediate_host) -> Option<Self> {
        // INVARIANT: By contract.
        NonNull::new(host.cast_mut()).map(Self)
    }

    fn raw(&self) -> &bindings::vfio_mediate_host {
        // SAFETY: By the invariant; the mediator does not change it.
        unsafe { self.0.as_ref() }
    }

    /// How accesses come here.
    pub(crate) fn transport(&self) -> Transport {
        // It may change once.
        // SAFETY: By the invariant; the mediator changes it by a single store.
        match unsafe { (&raw const (*self.0.as_ptr()).transport).read_volatile() } {
            bindings::VFIO_MEDIATE_TRANSPORT_NONE => Transport::None,
            bindings::VFIO_MEDIATE_TRANSPORT_KVM => Transport::Kvm,
            bindings::VFIO_MEDIATE_TRANSPORT_REGION => Transport::Region,
            _ => Transport::Fixed,
        }
    }

    /// Reads the guest's memory as the VF sees it. From hooks of migration and logging only; sleeps. Errors:
    /// `EFAULT` where it sees none.
    pub(crate) fn read(&self, iova: u64, bytes: &mut [u8]) -> Result {
        let read = self.raw().dma_read.ok_or(EFAULT)?;
        // SAFETY: The handle is valid, and as many bytes may be written.
        to_result(unsafe { read(self.raw(), iova, bytes.as_mut_ptr().cast(), bytes.len()) })
    }

    /// Writes the guest's memory as the VF sees it. From hooks of migration and logging only; sleeps. Errors:
    /// `EFAULT` where it sees none.
    pub(crate) fn write(&self, iova: u64, bytes: &[u8]) -> Result {
        let write = self.raw().dma_write.ok_or(EFAULT)?;
        // SAFETY: The handle is valid, and as many bytes may be read.
        to_result(unsafe { write(self.raw(), iova, bytes.as_ptr().cast(), bytes.len()) })
    }

    /// The VF has written to the guest's memory, as the VF sees it. Sleeps.
    pub(crate) fn mark_dirty(&self, iova: u64, len: u64) {
        if let Some(mark_dirty) = self.raw().mark_dirty {
            // SAFETY: The handle is valid.
            unsafe { mark_dirty(self.raw(), iova, len) };
        }
    }

    /// The register at `offset` of window `window` reads as `value` from now on, where the
    /// guest is trapped. Sleeps.
    pub(crate) fn show(&self, window: u32, offset: u32, value: u32) {
        if let Some(show) = self.raw().show {
            // SAFETY: The handle is valid.
            unsafe { show(self.raw(), window, offset, value) };
        }
    }

    /// This memory of the guest's, whole pages, is missing.
    pub(crate) fn missing(&self, iova: u64, len: u64) {
        if let Some(missing) = self.raw().missing {
            // SAFETY: The handle is valid.
            unsafe { missing(self.raw(), iova, len) };
        }
    }

    /// Tells why the hook that runs fails.
    pub(crate) fn refuse(&self, why: &CStr) {
        if let Some(refuse) = self.raw().refuse {
            // SAFETY: The handle is valid, and the reason ends with NUL.
            unsafe { refuse(self.raw(), why.as_char_ptr()) };
        }
    }
}
