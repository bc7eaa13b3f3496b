// SPDX-License-Identifier: GPL-2.0

//! Safe view of `struct vfio_mediate_binding`: an open VF's provider.

use super::{
    bindings,
    host::{
        HostHandle,
        Transport, //
    },
    vfio_core::Core,
    vfio_requests::Mapping, //
};
use crate::logic::{
    region::{
        Region,
        RegionFault, //
    },
    span::Span, //
};
use crate::vfio::last_error::Reason;
use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    fmt,
    prelude::*,
    str::CStrExt, //
};

/// What a hook answered.
pub(crate) enum Answer {
    /// The provider did it.
    Done,
    /// vfio-pci's behaviour applies.
    Pass,
}

/// Why a provider's view of a region was not taken.
pub(crate) enum ViewError {
    /// The hook failed.
    Hook(Error),
    /// The hook's answer is malformed.
    Fault(RegionFault),
}

/// The provider of an open VF, held and opened until this is dropped.
pub(crate) struct Binding {
    raw: bindings::vfio_mediate_binding,
    /// What the provider has a pointer to; dropped after the binding has ended.
    host: KBox<HostHandle>,
}

// SAFETY: A provider's hooks may be called from any thread, by the contract of
// `include/linux/vfio_mediate.h`; the fields do not change, and the handle's
// functions may be called from any thread, too.
unsafe impl Send for Binding {}
// SAFETY: As above; hooks may also run concurrently.
unsafe impl Sync for Binding {}

fn answer(ret: c_int) -> Result<Answer> {
    // CAST: a constant of the header, 1.
    if ret == bindings::VFIO_MEDIATE_PASS as c_int {
        Ok(Answer::Pass)
    } else if ret > 0 {
        Err(EIO)
    } else {
        to_result(ret).map(|()| Answer::Done)
    }
}

impl Binding {
    /// Opens `vf` with its provider, `None` if it has none. May sleep.
    ///
    /// # Safety
    ///
    /// `vf` must be a valid device that outlives the binding, as must the device
    /// that `host` is for.
    pub(super) unsafe fn get(
        vf: *mut kernel_bindings::pci_dev,
        host: KBox<HostHandle>,
    ) -> Result<Option<Self>> {
        let mut raw = bindings::vfio_mediate_binding {
            ops: core::ptr::null(),
            ctx: core::ptr::null_mut(),
            pf: core::ptr::null(),
        };
        // SAFETY: `vf` is valid by contract, `raw` for the call, and `host` is
        // kept until the binding is put.
        match to_result(unsafe { bindings::vfio_mediate_get(vf, host.as_raw(), &mut raw) }) {
            Ok(()) => Ok(Some(Self { raw, host })),
            Err(errno) if errno == ENODEV => Ok(None),
            Err(errno) => Err(errno),
        }
    }

    /// The provider's operations.
    pub(super) fn ops(&self) -> &bindings::vfio_mediate_ops {
        // SAFETY: `vfio_mediate_get` filled in a provider's operations, and
        // keeps them until `vfio_mediate_put`.
        unsafe { &*self.raw.ops }
    }

    /// The version of the interface.
    pub(crate) fn abi_version(&self) -> u32 {
        self.ops().abi_version
    }

    /// What the provider's open gave.
    pub(super) fn ctx(&self) -> *mut c_void {
        self.raw.ctx
    }

    /// The device, which is open.
    pub(crate) fn dev(&self) -> Core<'_> {
        self.host.dev()
    }

    /// How accesses reach the provider from now on. Nobody may have a BAR mapped, and none of
    /// the hooks of migration and logging may have been called.
    pub(crate) fn set_transport(&self, transport: Transport) {
        self.host.set_transport(transport);
    }

    /// How often something of the device failed with a stated reason.
    pub(crate) fn failures(&self) -> u64 {
        self.host.failures()
    }

    /// States why something fails, for the log and debugfs. May sleep.
    pub(crate) fn explain(&self, why: fmt::Arguments<'_>) {
        self.host.explain(Reason::new(why));
    }

    /// The provider's name.
    pub(crate) fn name(&self) -> &CStr {
        // SAFETY: The registry saw a NUL-terminated name, which does not change.
        unsafe { CStrExt::from_char_ptr(self.ops().name) }
    }

    /// Asks for the view of BAR `index`, given vfio-pci's own. May sleep.
    pub(crate) fn region(&self, index: u32, default: Region) -> Result<Region, ViewError> {
        let mut info = bindings::vfio_mediate_region_info {
            region: index,
            flags: default.flags,
            size: default.size,
            ..Default::default()
        };
        let Some(hook) = self.ops().get_region_info else {
            return Ok(default);
        };
        // SAFETY: `ctx` is what the provider's open gave; `info` is valid for
        // the call.
        let ret = unsafe { hook(self.raw.ctx, &mut info) };
        match answer(ret).map_err(ViewError::Hook)? {
            Answer::Pass => Ok(default),
            Answer::Done => {
                let mut areas = [Span { offset: 0, size: 0 }; bindings_max_areas()];
                for (area, raw) in areas.iter_mut().zip(&info.areas) {
                    area.offset = raw.offset;
                    area.size = raw.size;
                }
                let nr = usize::try_from(info.nr_areas).unwrap_or(usize::MAX);
                let areas = areas
                    .get(..nr)
                    .ok_or(ViewError::Fault(RegionFault::TooManyAreas(nr)))?;
                default
                    .narrowed(info.flags, info.size, areas)
                    .map_err(ViewError::Fault)
            }
        }
    }

    /// Offers one access of `width` bytes to the provider: `value` holds what is
    /// written or takes what is read, in its first bytes. May sleep.
    pub(crate) fn rw(
        &self,
        region: u32,
        offset: u64,
        value: &mut [u8],
        is_write: bool,
    ) -> Result<Answer> {
        let Some(hook) = self.ops().rw else {
            return Ok(Answer::Pass);
        };
        let width = u32::try_from(value.len())?;
        // SAFETY: `ctx` is what the provider's open gave; `value` is valid for
        // `width` bytes.
        answer(unsafe {
            hook(
                self.raw.ctx,
                region,
                offset,
                value.as_mut_ptr().cast(),
                width,
                is_write,
            )
        })
    }

    /// Offers a mapping to the provider. May sleep.
    pub(crate) fn mmap(&self, mapping: &Mapping<'_>) -> Result<Answer> {
        let Some(hook) = self.ops().mmap else {
            return Ok(Answer::Pass);
        };
        // SAFETY: `ctx` is what the provider's open gave; the mapping's vma is
        // valid and locked for the call by its type.
        answer(unsafe {
            hook(
                self.raw.ctx,
                mapping.as_raw(),
                mapping.region(),
                mapping.span().offset,
            )
        })
    }
}

/// The header's limit on areas, which the pure logic states too.
const fn bindings_max_areas() -> usize {
    // CAST: a constant of the header, 16.
    let max = bindings::VFIO_MEDIATE_MAX_AREAS as usize;
    assert!(max == crate::logic::region::MAX_AREAS);
    max
}

impl Drop for Binding {
    fn drop(&mut self) {
        // SAFETY: `vfio_mediate_get` filled it in; put once, here.
        unsafe { bindings::vfio_mediate_put(&self.raw) };
    }
}
