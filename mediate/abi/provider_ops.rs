// SPDX-License-Identifier: GPL-2.0

//! Safe view of `struct vfio_mediate_ops` and of the PCI devices it speaks of.

use super::bindings;
use crate::logic::{
    provider::{
        Claim,
        Refusal,
        ABI_VERSION,
        MAX_NAME, //
    },
    span::Span,
    window::Window, //
};
use core::{
    marker::PhantomData,
    ptr::NonNull,
    slice, //
};
use kernel::{
    bindings as kernel_bindings,
    error::to_result,
    fmt,
    prelude::*, //
};

// The header and the pure logic state the same limits.
const _: () = assert!(ABI_VERSION == bindings::VFIO_MEDIATE_ABI_VERSION);
// CAST: a small constant.
const _: () = assert!(MAX_NAME == bindings::VFIO_MEDIATE_MAX_NAME as usize);

/// A PF as a mere identity: never dereferenced.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct Pf(*const kernel_bindings::pci_dev);

// SAFETY: `Pf` is compared and stored only; what it points to is never touched.
unsafe impl Send for Pf {}

impl Pf {
    /// Takes the identity of `pdev`; `None` for NULL.
    pub(super) fn new(pdev: *const kernel_bindings::pci_dev) -> Option<Self> {
        (!pdev.is_null()).then_some(Self(pdev))
    }

    /// The identity as the C interface carries it.
    pub(super) fn as_ptr(self) -> *const kernel_bindings::pci_dev {
        self.0
    }
}

/// A VF that its caller keeps alive for `'a`.
#[derive(Clone, Copy)]
pub(crate) struct Vf<'a>(NonNull<kernel_bindings::pci_dev>, PhantomData<&'a ()>);

impl Vf<'_> {
    /// # Safety
    ///
    /// `pdev` must point to a valid `struct pci_dev` for `'a`.
    pub(super) unsafe fn new(pdev: NonNull<kernel_bindings::pci_dev>) -> Self {
        Self(pdev, PhantomData)
    }

    /// The VF's PF; the function itself if it is no VF.
    pub(crate) fn pf(&self) -> Pf {
        // SAFETY: By the type's contract the pointer is valid; a VF's `physfn`
        // is set before it is added and never changes.
        Pf(unsafe { bindings::vfm_physfn(self.0.as_ptr()) })
    }
}

/// A mediator's host handle, valid until the mediator ends its binding.
#[derive(Clone, Copy)]
pub(crate) struct Host(*const bindings::vfio_mediate_host);

impl Host {
    /// Takes the handle that a mediator hands in. Errors: `EINVAL` for NULL.
    ///
    /// # Safety
    ///
    /// `host` must be NULL or valid, and stay so until the binding it is for ends.
    pub(super) unsafe fn new(host: *const bindings::vfio_mediate_host) -> Result<Self> {
        if host.is_null() {
            return Err(EINVAL);
        }
        Ok(Self(host))
    }
}

/// A provider's operations.
///
/// # Invariants
///
/// The pointer is valid, and what it points to does not change, until
/// `vfio_mediate_unregister_provider()` has answered 0 for it, or registration
/// has refused it: the provider promises that by registering.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) struct ProviderOps(NonNull<bindings::vfio_mediate_ops>);

// SAFETY: The structure is read-only by the type's invariant, and its hooks may
// be called from any thread by the interface's contract.
unsafe impl Send for ProviderOps {}

/// A provider's name, or what stands for a missing one.
pub(crate) struct Name<'a>(&'a [u8]);

impl PartialEq for Name<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0.is_empty() {
            return f.write_str("(unnamed)");
        }
        fmt::Display::fmt(kernel::str::BStr::from_bytes(self.0), f)
    }
}

impl ProviderOps {
    /// # Safety
    ///
    /// The caller hands on a provider's promise, see the type's invariants.
    pub(super) unsafe fn new(ops: NonNull<bindings::vfio_mediate_ops>) -> Self {
        // INVARIANT: By the function's contract.
        Self(ops)
    }

    /// The operations as the C interface carries them.
    pub(super) fn as_ptr(self) -> *const bindings::vfio_mediate_ops {
        self.0.as_ptr()
    }

    fn raw(&self) -> &bindings::vfio_mediate_ops {
        // SAFETY: By the type's invariant.
        unsafe { self.0.as_ref() }
    }

    /// The name, cut at one byte more than is allowed.
    pub(crate) fn name(&self) -> Name<'_> {
        Name(self.name_bytes().unwrap_or_default())
    }

    fn name_bytes(&self) -> Option<&[u8]> {
        let name = self.raw().name;
        if name.is_null() {
            return None;
        }
        // SAFETY: The provider promises a NUL-terminated string; `strnlen` does
        // not read behind the NUL.
        let len = unsafe { kernel_bindings::strnlen(name, MAX_NAME + 1) };
        // SAFETY: `len` bytes were just read, and do not change.
        Some(unsafe { slice::from_raw_parts(name.cast(), len) })
    }

    /// Judges what the provider says of itself.
    pub(crate) fn check(&self) -> Result<(), Refusal> {
        let ops = self.raw();
        if ops.abi_version != ABI_VERSION {
            // Nothing behind the version can be relied on.
            return Err(Refusal::Version(ops.abi_version));
        }
        let mut windows = KVec::new();
        let listed = self.raw_windows();
        for w in listed.unwrap_or_default() {
            let window = Window {
                region: w.region,
                span: Span {
                    offset: w.offset,
                    size: w.size,
                },
                optional: w.flags & bindings::VFIO_MEDIATE_WINDOW_OPTIONAL != 0,
            };
            if windows.push(window, GFP_KERNEL).is_err() {
                return Err(Refusal::NoMemory);
            }
        }
        Claim {
            abi_version: ops.abi_version,
            has_owner: !ops.owner.is_null(),
            name: self.name_bytes(),
            has_ids: !ops.id_table.is_null(),
            hooks: [
                ("open", ops.open.is_some()),
                ("release", ops.release.is_some()),
                ("get_region_info", ops.get_region_info.is_some()),
                ("rw", ops.rw.is_some()),
                ("mmap", ops.mmap.is_some()),
            ],
            windows: listed.is_some().then_some(&windows),
            migration: self.raw_migration().map(|ops| {
                [
                    ("state_size", ops.state_size.is_some()),
                    ("save", ops.save.is_some()),
                    ("load", ops.load.is_some()),
                    ("quiesce", ops.quiesce.is_some()),
                    ("resume", ops.resume.is_some()),
                    ("reset", ops.reset.is_some()),
                ]
            }),
            log: self.raw_log().map(|ops| {
                [
                    ("start", ops.start.is_some()),
                    ("sync", ops.sync.is_some()),
                    ("stop", ops.stop.is_some()),
                    ("trap_write", ops.trap_write.is_some()),
                ]
            }),
            prefault: self.raw_prefault().map(|ops| {
                [
                    ("start", ops.start.is_some()),
                    ("retry", ops.retry.is_some()),
                    ("stop", ops.stop.is_some()),
                ]
            }),
        }
        .check()
    }

    fn raw_migration(&self) -> Option<&bindings::vfio_mediate_migration_ops> {
        // SAFETY: The provider promises valid operations, unless NULL.
        unsafe { self.raw().migration.as_ref() }
    }

    fn raw_log(&self) -> Option<&bindings::vfio_mediate_log_ops> {
        // SAFETY: As above.
        unsafe { self.raw().log.as_ref() }
    }

    fn raw_prefault(&self) -> Option<&bindings::vfio_mediate_prefault_ops> {
        // SAFETY: As above.
        unsafe { self.raw().prefault.as_ref() }
    }

    fn raw_windows(&self) -> Option<&[bindings::vfio_mediate_window]> {
        let ops = self.raw();
        if ops.nr_windows == 0 {
            return Some(&[]);
        }
        let len = usize::try_from(ops.nr_windows).ok()?;
        // SAFETY: The provider promises `nr_windows` entries, unless NULL.
        (!ops.windows.is_null()).then(|| unsafe { slice::from_raw_parts(ops.windows, len) })
    }

    /// Whether the provider's table has `vf`'s id.
    pub(crate) fn knows(&self, vf: &Vf<'_>) -> bool {
        // SAFETY: `check` saw a table, which the provider ends with an empty
        // entry; `vf` is valid by its type.
        !unsafe { kernel_bindings::pci_match_id(self.raw().id_table, vf.0.as_ptr()) }.is_null()
    }

    /// Holds the provider's module; `None` if it is being unloaded.
    pub(crate) fn hold(&self) -> Option<HeldProvider> {
        // SAFETY: The registry holds `owner`'s registration, which ends in its
        // module exit at the latest: the module exists.
        unsafe { kernel_bindings::try_module_get(self.raw().owner) }.then_some(HeldProvider(*self))
    }
}

/// A provider whose module cannot be unloaded while this lives.
pub(crate) struct HeldProvider(ProviderOps);

impl HeldProvider {
    /// The provider.
    pub(crate) fn ops(&self) -> ProviderOps {
        self.0
    }

    /// Calls the provider's `open` hook. May sleep.
    pub(crate) fn open(self, vf: &Vf<'_>, host: Host) -> Result<OpenVf, OpenError> {
        let mut ctx = core::ptr::null_mut();
        let Some(open) = self.0.raw().open else {
            return Err(OpenError(self, EINVAL));
        };
        // SAFETY: `vf` and `host` are valid by their types, `ctx` for the call;
        // the module is held.
        match to_result(unsafe { open(vf.0.as_ptr(), host.0, &mut ctx) }) {
            Ok(()) => Ok(OpenVf {
                provider: self,
                ctx,
            }),
            Err(errno) => Err(OpenError(self, errno)),
        }
    }
}

impl Drop for HeldProvider {
    fn drop(&mut self) {
        // SAFETY: `hold` took this reference.
        unsafe { kernel_bindings::module_put(self.0.raw().owner) };
    }
}

/// A provider that would not open a VF, still held, and its reason.
pub(crate) struct OpenError(pub(crate) HeldProvider, pub(crate) Error);

/// A VF that is open through its provider.
pub(crate) struct OpenVf {
    provider: HeldProvider,
    ctx: *mut c_void,
}

impl OpenVf {
    /// The provider.
    pub(crate) fn ops(&self) -> ProviderOps {
        self.provider.0
    }

    /// Takes back what [`OpenVf::into_parts`] gave.
    ///
    /// # Safety
    ///
    /// `ops` and `ctx` must come from one call of `into_parts`, and be used once.
    pub(super) unsafe fn from_parts(ops: ProviderOps, ctx: *mut c_void) -> Self {
        Self {
            provider: HeldProvider(ops),
            ctx,
        }
    }

    /// Hands the open VF over to C.
    pub(super) fn into_parts(self) -> (ProviderOps, *mut c_void) {
        let parts = (self.provider.0, self.ctx);
        core::mem::forget(self);
        parts
    }

    /// Calls the provider's `release` hook; its module stays held. May sleep.
    pub(crate) fn release(self) -> HeldProvider {
        if let Some(release) = self.provider.0.raw().release {
            // SAFETY: `ctx` is what `open` gave, and is released once as `self`
            // is consumed.
            unsafe { release(self.ctx) };
        }
        self.provider
    }
}
