// SPDX-License-Identifier: GPL-2.0

//! The host handle: what a provider may ask of the mediator, over safe Rust.
//!
//! C header: `include/linux/vfio_mediate.h`

use super::{
    bindings,
    vfio_core::Core, //
};
use crate::{
    trap::switch::Switch,
    vfio::{
        dirty_log::DirtyLog,
        last_error::{
            LastError,
            Reason,
            MAX_REASON, //
        }, //
    }, //
};
use core::{
    cell::UnsafeCell,
    mem::offset_of, //
};
use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    prelude::*,
    str::BStr,
    sync::Arc, //
};

/// How a provider sees accesses to what is not mmap-able all the time.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transport {
    /// Not at all: the VF is as under vfio-pci.
    None,
    /// What is mediated can never be mapped.
    Fixed,
    /// Windows can be mapped, and KVM traps them while the VF is logged.
    Kvm,
    /// Windows can be mapped, but for when the VMM is told not to.
    Region,
}

impl Transport {
    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fixed => "fixed",
            Self::Kvm => "kvm",
            Self::Region => "region",
        }
    }

    fn raw(self) -> u32 {
        match self {
            Self::None => bindings::VFIO_MEDIATE_TRANSPORT_NONE,
            Self::Fixed => bindings::VFIO_MEDIATE_TRANSPORT_FIXED,
            Self::Kvm => bindings::VFIO_MEDIATE_TRANSPORT_KVM,
            Self::Region => bindings::VFIO_MEDIATE_TRANSPORT_REGION,
        }
    }
}

/// What of an open device its provider reaches through the handle.
pub(crate) struct HostParts {
    /// How accesses reach the provider.
    pub(crate) transport: Transport,
    /// Why something failed last.
    pub(crate) last_error: Arc<LastError>,
    /// What the VF has written.
    pub(crate) log: Arc<DirtyLog>,
    /// The windows.
    pub(crate) trap: Arc<dyn Switch>,
}

/// One open VF's handle; stays in place while its provider has it.
#[repr(C)]
pub(super) struct HostHandle {
    /// Its transport may change under a provider's eyes.
    raw: UnsafeCell<bindings::vfio_mediate_host>,
    vdev: *mut bindings::vfio_device,
    parts: HostParts,
}

impl HostHandle {
    /// A handle for `dev`, which must outlive it: the binding sees to that.
    pub(super) fn new(dev: &Core<'_>, parts: HostParts) -> Result<KBox<Self>> {
        let raw = bindings::vfio_mediate_host {
            transport: parts.transport.raw(),
            reserved: 0,
            dma_read: Some(dma_read),
            dma_write: Some(dma_write),
            mark_dirty: Some(mark_dirty),
            show: Some(show),
            refuse: Some(refuse),
            missing: Some(missing),
        };
        let handle = Self {
            raw: UnsafeCell::new(raw),
            vdev: dev.vdev(),
            parts,
        };
        Ok(KBox::new(handle, GFP_KERNEL)?)
    }

    /// The handle as the C interface carries it.
    pub(super) fn as_raw(&self) -> *const bindings::vfio_mediate_host {
        core::ptr::from_ref(self).cast()
    }

    /// The device.
    pub(super) fn dev(&self) -> Core<'_> {
        // SAFETY: The device outlives its handles, by the contract of `new`.
        unsafe { Core::from_vdev(self.vdev) }
    }

    /// States why something of the device fails, for the log and debugfs.
    pub(super) fn explain(&self, why: Reason) {
        if self.parts.last_error.set(why) {
            dev_err!(self.dev(), "{}\n", BStr::from_bytes(why.as_bytes()));
        }
    }

    /// How accesses reach the provider from now on.
    pub(super) fn set_transport(&self, transport: Transport) {
        // SAFETY: The place is this one's. A provider reads it by a single load.
        unsafe { (&raw mut (*self.raw.get()).transport).write_volatile(transport.raw()) };
    }

    /// How often something failed.
    pub(super) fn failures(&self) -> u64 {
        self.parts.last_error.count()
    }

    /// # Safety
    ///
    /// `raw` must be what `as_raw` gave, of a handle that is still there.
    unsafe fn from_raw<'a>(raw: *const bindings::vfio_mediate_host) -> &'a Self {
        const { assert!(offset_of!(HostHandle, raw) == 0) };
        // SAFETY: By contract.
        unsafe { &*raw.cast() }
    }

    /// Copies between `data` and the memory that the VF sees at `iova`.
    ///
    /// # Safety
    ///
    /// `data` must be valid for `len` bytes, the device open.
    unsafe fn dma(&self, iova: u64, data: *mut c_void, len: usize, is_write: bool) -> Result {
        if len == 0 {
            return Ok(());
        }
        iova.checked_add(u64::try_from(len)? - 1).ok_or(EFAULT)?;
        // SAFETY: The device is open and `data` valid by contract.
        to_result(unsafe { bindings::vfio_dma_rw(self.vdev, iova, data, len, is_write) }).map_err(
            |errno| match errno {
                // What containers and iommufd say of addresses without a mapping
                // and of mappings without the right.
                EINVAL | ENOENT | EPERM | EFAULT => EFAULT,
                other => other,
            },
        )?;
        if is_write {
            self.dev().trace_dirty(iova, u64::try_from(len)?);
        }
        Ok(())
    }
}

fn done(result: Result) -> c_int {
    result.map_or_else(|errno| errno.to_errno(), |()| 0)
}

/// # Safety
///
/// The header's contract: `host` is what the provider's open was given, and
/// `buf` is valid for `len` bytes.
unsafe extern "C" fn dma_read(
    host: *const bindings::vfio_mediate_host,
    iova: u64,
    buf: *mut c_void,
    len: usize,
) -> c_int {
    // SAFETY: By contract; hooks run while the device is open.
    done(unsafe { HostHandle::from_raw(host).dma(iova, buf, len, false) })
}

/// # Safety
///
/// As for `dma_read`.
unsafe extern "C" fn dma_write(
    host: *const bindings::vfio_mediate_host,
    iova: u64,
    buf: *const c_void,
    len: usize,
) -> c_int {
    // SAFETY: As above; a write only reads from `buf`.
    done(unsafe { HostHandle::from_raw(host).dma(iova, buf.cast_mut(), len, true) })
}

/// # Safety
///
/// As for `dma_read`.
unsafe extern "C" fn mark_dirty(host: *const bindings::vfio_mediate_host, iova: u64, len: u64) {
    // SAFETY: By contract.
    let handle = unsafe { HostHandle::from_raw(host) };
    handle.parts.log.mark(&handle.dev(), iova, len);
}

/// # Safety
///
/// As for `dma_read`.
unsafe extern "C" fn show(
    host: *const bindings::vfio_mediate_host,
    window: u32,
    offset: u32,
    value: u32,
) {
    // SAFETY: By contract.
    let handle = unsafe { HostHandle::from_raw(host) };
    if let Ok(window) = usize::try_from(window) {
        handle.parts.trap.show(window, offset.into(), value);
    }
}

/// # Safety
///
/// As for `dma_read`.
unsafe extern "C" fn missing(host: *const bindings::vfio_mediate_host, iova: u64, len: u64) {
    // SAFETY: By contract.
    unsafe { HostHandle::from_raw(host) }
        .parts
        .trap
        .missing(iova, len);
}

/// # Safety
///
/// The header's contract: `host` is what the provider's open was given, and
/// `why` NULL or a NUL-terminated string.
unsafe extern "C" fn refuse(host: *const bindings::vfio_mediate_host, why: *const c_char) {
    if why.is_null() {
        return;
    }
    // SAFETY: By contract.
    let handle = unsafe { HostHandle::from_raw(host) };
    // SAFETY: NUL-terminated by contract; `strnlen` does not read behind that.
    let len = unsafe { kernel_bindings::strnlen(why, MAX_REASON) };
    // SAFETY: `len` bytes were just read, and are the caller's for the call.
    let why = unsafe { core::slice::from_raw_parts(why.cast::<u8>(), len) };
    handle.explain(Reason::from_bytes(why));
}
