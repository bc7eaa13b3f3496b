// SPDX-License-Identifier: GPL-2.0

//! This driver as a provider: `struct vfio_mediate_ops` over safe Rust.
//!
//! C header: `include/linux/vfio_mediate.h`

use super::{
    bindings,
    host::Host,
    log,
    migration,
    pci::as_raw,
    prefault, //
};
use crate::{
    pf::{
        driver::Pf,
        port::Port, //
    },
    provider::mediate::{
        Answer,
        MediatedVf,
        NAME,
        VF_IDS,
        WINDOWS, //
    }, //
};
use kernel::{
    bindings as kernel_bindings,
    device::{
        Core,
        CoreInternal, //
    },
    error::{
        from_result,
        to_result, //
    },
    pci,
    prelude::*,
    sync::Arc,
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
        flags: 0,
        offset: 0,
        size: 0,
    };
    let mut table = [EMPTY; NR_WINDOWS];
    let mut i = 0;
    while i < NR_WINDOWS {
        table[i].region = WINDOWS[i].region;
        if WINDOWS[i].optional {
            table[i].flags = bindings::VFIO_MEDIATE_WINDOW_OPTIONAL;
        }
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
    migration: &raw const migration::OPS,
    log: &raw const log::OPS,
    prefault: &raw const prefault::OPS,
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
            Answer::Done => 0,
        })
    })
}

/// The port that the PF of `vf` is.
///
/// # Safety
///
/// `vf` must be a VF of a PF that this driver has attached. The port must have been let
/// go of when the release of the VF returns.
unsafe fn port_of(vf: *mut kernel_bindings::pci_dev) -> Arc<Port<'static>> {
    // SAFETY: `vf` is valid, and holds its PF.
    let pf = unsafe { bindings::igb_rs_physfn(vf) };
    // SAFETY: The PF is valid; by contract this driver is bound to it, and stays so until its
    // VFs are gone: unbinding removes them first, which waits for their release.
    let pf = unsafe { &*pf.cast::<pci::Device<CoreInternal<'_>>>() };
    // SAFETY: VFs appear after the probe has succeeded, as `Pf` is the driver's data. What is
    // bound to the device, here said to last for ever, lasts until after the release.
    let data = unsafe { pf.as_ref().drvdata_borrow::<Pf<'static>>() };
    data.interface.port.clone()
}

/// # Safety
///
/// The registry's contract: `vf` is a valid VF of an attached PF, `ctx` valid for writing,
/// and the host handle valid until `release`.
unsafe extern "C" fn open(
    vf: *mut kernel_bindings::pci_dev,
    host: *const bindings::vfio_mediate_host,
    ctx: *mut *mut c_void,
) -> c_int {
    // SAFETY: The registry hands in a valid VF.
    let index = unsafe { kernel_bindings::pci_iov_vf_id(vf) };
    from_result(|| {
        // SAFETY: By contract; the handle goes with the VF, in `release`.
        let host = unsafe { Host::from_raw(host) }.ok_or(EINVAL)?;
        // SAFETY: By contract; the port goes with the VF, in `release`.
        let port = unsafe { port_of(vf) };
        let opened = MediatedVf::open(port, u16::try_from(index)?, host)?;
        let opened = KBox::pin_init(opened, GFP_KERNEL)?;
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
    drop(unsafe { Pin::<KBox<MediatedVf>>::from_foreign(ctx) });
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released.
pub(super) unsafe fn borrow<'a>(ctx: *mut c_void) -> Pin<&'a MediatedVf> {
    // SAFETY: By contract.
    unsafe { <Pin<KBox<MediatedVf>> as ForeignOwnable>::borrow(ctx) }
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released, and `info` valid for the call.
unsafe extern "C" fn get_region_info(
    ctx: *mut c_void,
    info: *mut bindings::vfio_mediate_region_info,
) -> c_int {
    // SAFETY: `ctx` is what `open` made.
    let vf = unsafe { borrow(ctx) };
    // SAFETY: `info` is the caller's, for this call.
    let info = unsafe { &mut *info };
    let Some(areas) = vf.mappable(info.region) else {
        return answer(Ok(Answer::Pass));
    };
    info.nr_areas = 0;
    for (place, area) in info.areas.iter_mut().zip(areas) {
        *place = bindings::vfio_mediate_area {
            offset: area.offset,
            size: area.size,
        };
        info.nr_areas += 1;
    }
    answer(Ok(Answer::Done))
}

/// # Safety
///
/// `ctx` must be what `open` made, not yet released; `val` valid for `width` bytes.
unsafe extern "C" fn rw(
    ctx: *mut c_void,
    region: u32,
    offset: u64,
    val: *mut c_void,
    width: u32,
    write: bool,
) -> c_int {
    // SAFETY: `ctx` is what `open` made.
    let vf = unsafe { borrow(ctx) };
    // CAST: 1 to 8.
    let width = width as usize;
    // SAFETY: The caller hands in so many bytes, for this call.
    let bytes = unsafe { core::slice::from_raw_parts_mut(val.cast::<u8>(), width) };
    if write {
        return answer(vf.write(region, offset, bytes));
    }
    answer(vf.read(region, offset, bytes))
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
    answer(unsafe { borrow(ctx) }.map(region, offset))
}
