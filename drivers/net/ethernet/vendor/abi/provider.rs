// SPDX-License-Identifier: GPL-2.0

//! This driver as a provider: `struct vfio_mediate_ops` over safe Rust.
//!
//! C header: `include/linux/vfio_mediate.h`

use super::{
    bindings,
    pci::as_raw, //
};
use crate::provider::mediate::{
    Answer,
    MediatedVf,
    NAME,
    VF_IDS,
    WINDOWS, //
};
use kernel::{
    bindings as kernel_bindings,
    device::Core,
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    types::ForeignOwnable, //
};

const NR_IDS: usize = VF_IDS.len();
const NR_WINDOWS: usize = WINDOWS.len();

/// The VFs this driver mediates, ended by an empty entry.
static ID_TABLE: [kernel_bindings::pci_device_id; NR_IDS + 1] = {
    const EMPTY: kernel_bindings::pci_device_id = kernel_bindings::pci_device_id {
        vendor: 0,
        device: 0,
        subvendor: 0,
        subdevice: 0,
        class: 0,
        class_mask: 0,
        driver_data: 0,
        override_only: 0,
    };
    let mut table = [EMPTY; NR_IDS + 1];
    let mut i = 0;
    while i < NR_IDS {
        table[i].vendor = VF_IDS[i].0;
        table[i].device = VF_IDS[i].1;
        table[i].subvendor = !0;
        table[i].subdevice = !0;
        i += 1;
    }
    table
};

static WINDOW_TABLE: [bindings::vfio_mediate_window; NR_WINDOWS] = {
    const EMPTY: bindings::vfio_mediate_window = bindings::vfio_mediate_window {
        region: 0,
        reserved: 0,
        offset: 0,
        size: 0,
    };
    let mut table = [EMPTY; NR_WINDOWS];
    let mut i = 0;
    while i < NR_WINDOWS {
        table[i].region = WINDOWS[i].region;
        table[i].offset = WINDOWS[i].offset;
        table[i].size = WINDOWS[i].size;
        i += 1;
    }
    table
};

struct Ops(bindings::vfio_mediate_ops);

// SAFETY: Read only, and what it points to is static.
unsafe impl Sync for Ops {}

static OPS: Ops = Ops(bindings::vfio_mediate_ops {
    abi_version: bindings::VFIO_MEDIATE_ABI_VERSION,
    // CAST: a handful.
    nr_windows: NR_WINDOWS as u32,
    owner: <crate::IgbModule as kernel::ModuleMetadata>::THIS_MODULE.as_ptr(),
    name: kernel::str::as_char_ptr_in_const_context(NAME),
    id_table: ID_TABLE.as_ptr(),
    windows: WINDOW_TABLE.as_ptr(),
    migration: core::ptr::null(),
    open: Some(open),
    release: Some(release),
    get_region_info: Some(get_region_info),
    rw: Some(rw),
    mmap: Some(mmap),
});

/// The provider's registration, ended on drop.
pub(crate) struct Registration(());

impl Registration {
    /// Registers the provider. May sleep.
    pub(crate) fn new() -> Result<Self> {
        // SAFETY: `OPS` is static and does not change.
        to_result(unsafe { bindings::vfio_mediate_register_provider(&OPS.0) })?;
        Ok(Self(()))
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        // No VF is open: each one open holds this module.
        // SAFETY: Registered by `new`.
        let _ = unsafe { bindings::vfio_mediate_unregister_provider(&OPS.0) };
    }
}

/// A PF that is named as this provider's, until this is dropped.
pub(crate) struct AttachedPf(*mut kernel_bindings::pci_dev);

// SAFETY: The pointer is an identity only.
unsafe impl Send for AttachedPf {}
// SAFETY: As above.
unsafe impl Sync for AttachedPf {}

impl AttachedPf {
    /// Names `pdev` as driven by this provider. May sleep.
    pub(crate) fn new(pdev: &pci::Device<Core<'_>>) -> Result<Self> {
        let pf = as_raw(pdev);
        // SAFETY: `OPS` is registered from before the driver is, and `pf` valid.
        to_result(unsafe { bindings::vfio_mediate_attach_pf(&OPS.0, pf) })?;
        Ok(Self(pf))
    }
}

impl Drop for AttachedPf {
    fn drop(&mut self) {
        // The VFs are gone by now, so none is open.
        // SAFETY: Attached by `new`.
        let _ = unsafe { bindings::vfio_mediate_detach_pf(&OPS.0, self.0) };
    }
}

fn answer(result: Result<Answer>) -> c_int {
    from_result(|| {
        Ok(match result? {
            // CAST: a constant of the header, 1.
            Answer::Pass => bindings::VFIO_MEDIATE_PASS as c_int,
        })
    })
}

/// # Safety
///
/// The registry's contract: `vf` is a valid VF, `ctx` valid for writing, and the
/// host handle valid until `release`.
unsafe extern "C" fn open(
    vf: *mut kernel_bindings::pci_dev,
    _host: *const bindings::vfio_mediate_host,
    ctx: *mut *mut c_void,
) -> c_int {
    // SAFETY: The registry hands in a valid VF.
    let index = unsafe { kernel_bindings::pci_iov_vf_id(vf) };
    from_result(|| {
        let opened = KBox::new(MediatedVf::open(u16::try_from(index)?)?, GFP_KERNEL)?;
        // SAFETY: The registry hands in a place for the context.
        unsafe { ctx.write(opened.into_foreign()) };
        Ok(0)
    })
}

/// # Safety
///
/// `ctx` must be what `open` made; it is not used again.
unsafe extern "C" fn release(ctx: *mut c_void) {
    // SAFETY: `open` made it, and the registry releases it once.
    drop(unsafe { KBox::<MediatedVf>::from_foreign(ctx) });
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe fn borrow<'a>(ctx: *mut c_void) -> &'a MediatedVf {
    // SAFETY: By contract.
    unsafe { <KBox<MediatedVf> as ForeignOwnable>::borrow(ctx) }
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released, and `info` valid for the call.
unsafe extern "C" fn get_region_info(
    ctx: *mut c_void,
    info: *mut bindings::vfio_mediate_region_info,
) -> c_int {
    // SAFETY: `info` is the caller's, `ctx` is what `open` made.
    answer(unsafe { borrow(ctx).region((*info).region) })
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn rw(
    ctx: *mut c_void,
    region: u32,
    offset: u64,
    _val: *mut c_void,
    _width: u32,
    _write: bool,
) -> c_int {
    // SAFETY: `ctx` is what `open` made.
    answer(unsafe { borrow(ctx).rw(region, offset) })
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
unsafe extern "C" fn mmap(
    ctx: *mut c_void,
    _vma: *mut kernel_bindings::vm_area_struct,
    region: u32,
    offset: u64,
) -> c_int {
    // SAFETY: `ctx` is what `open` made.
    answer(unsafe { borrow(ctx).map(region, offset) })
}
