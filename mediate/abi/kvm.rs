// SPDX-License-Identifier: GPL-2.0

//! KVM's external write tracking: which virtual machine has the device, and being
//! called for each write of the machine's to pages that are tracked.
//!
//! C header: `arch/x86/include/asm/kvm_page_track.h`

use super::{
    bindings,
    vfio_core::Core, //
};
use crate::trap::kvm::Trap;
use core::ptr::NonNull;
use kernel::{
    error::{
        from_err_ptr,
        to_result, //
    },
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            Full, //
        },
        Arc, //
    },
};

/// Most guest pages that one page of a BAR is looked for at.
const MAX_ALIASES: usize = 4;

impl Core<'_> {
    /// The virtual machine that the device was opened for, if any.
    fn kvm(&self) -> *mut bindings::kvm {
        // SAFETY: The device is valid by its type; vfio sets the field before it opens the
        // device, and clears it after the close.
        unsafe { (*self.vdev()).kvm }
    }

    /// Whether the device belongs to a virtual machine whose writes can be tracked.
    pub(crate) fn has_trackable_kvm(&self) -> bool {
        let kvm = self.kvm();
        // SAFETY: vfio holds the virtual machine while the device is open.
        !kvm.is_null() && unsafe { bindings::vfm_kvm_can_track(kvm) }
    }
}

/// A trap's registration with KVM. While it is there, the trap is told of each write that
/// KVM emulates, and of memory slots that go away.
///
/// # Invariants
///
/// `raw` is valid; it is registered until `ended` is set.
pub(crate) struct Tracker {
    raw: NonNull<bindings::vfm_tracker>,
    ended: Atomic<bool>,
    /// Whom KVM's calls reach; lives at least as long as the registration.
    _owner: Arc<Trap>,
}

// SAFETY: The functions may be called from any thread.
unsafe impl Send for Tracker {}
// SAFETY: As above, at the same time.
unsafe impl Sync for Tracker {}

/// What a virtual CPU is seen to do.
#[derive(Clone, Copy, Eq, PartialEq)]
pub(crate) enum Vcpu {
    /// It is certainly not in the midst of an emulated store.
    Away,
    /// It may be. It has left the guest so many times.
    Exited(u64),
}

impl Tracker {
    /// Registers `owner` with the virtual machine of `dev`. Must be called in a task of the
    /// VMM's. May sleep.
    ///
    /// Errors: `EOPNOTSUPP` without a virtual machine, or one that cannot be tracked; `ESRCH`
    /// in the wrong task; `ENOMEM`.
    pub(crate) fn new(dev: &Core<'_>, owner: Arc<Trap>) -> Result<Self> {
        if !dev.has_trackable_kvm() {
            return Err(EOPNOTSUPP);
        }
        let context = core::ptr::from_ref(&*owner).cast_mut().cast();
        // SAFETY: vfio holds the virtual machine while the device is open, and the tracker
        // holds it, too; `owner` is kept for as long as it is registered.
        let raw = from_err_ptr(unsafe { bindings::vfm_track(dev.kvm(), context) })?;
        Ok(Self {
            // INVARIANT: Just registered.
            raw: NonNull::new(raw).ok_or(ENOMEM)?,
            ended: Atomic::new(false),
            _owner: owner,
        })
    }

    /// Ends the registration. Waits for calls that have begun, so none of the locks that
    /// the owner takes in them may be held. May sleep.
    pub(crate) fn end(&self) {
        if !self.ended.xchg(true, Full) {
            // SAFETY: Registered by the invariant, and ended once.
            unsafe { bindings::vfm_untrack(self.raw.as_ptr()) };
        }
    }

    /// Has writes to guest page `gfn` emulated. Errors: `EINVAL` if there is no such page.
    pub(crate) fn track(&self, gfn: u64) -> Result {
        // SAFETY: Valid by the invariant.
        to_result(unsafe { bindings::vfm_track_page(self.raw.as_ptr(), gfn) })
    }

    /// Lets the guest write to page `gfn` again, once for each `track`. Memory slots must be
    /// locked. Errors: `EINVAL` if there is no such page.
    pub(crate) fn untrack(&self, _slots: &Slots<'_>, gfn: u64) -> Result {
        // SAFETY: Valid by the invariant.
        to_result(unsafe { bindings::vfm_untrack_page(self.raw.as_ptr(), gfn) })
    }

    /// Where the guest has the page that the VMM has at address `hva`. Errors: `ENOENT` if
    /// nowhere, `E2BIG` if at more places than anybody needs.
    pub(crate) fn pages_at(&self, hva: usize) -> Result<impl Iterator<Item = u64>> {
        let mut found = [0; MAX_ALIASES];
        let most = u32::try_from(MAX_ALIASES)?;
        // SAFETY: Valid by the invariant; `found` takes `most` numbers.
        let count =
            unsafe { bindings::vfm_pages_at(self.raw.as_ptr(), hva, found.as_mut_ptr(), most) };
        match usize::try_from(count)? {
            0 => Err(ENOENT),
            count if count > MAX_ALIASES => Err(E2BIG),
            count => Ok(found.into_iter().take(count)),
        }
    }

    /// Keeps memory slots from changing. KVM's slots_lock: taken before mmap_lock, vfio's
    /// memory_lock, and the lock that the owner takes in `removed`.
    pub(crate) fn lock_slots(&self) -> Slots<'_> {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::vfm_lock_slots(self.raw.as_ptr()) };
        Slots(self)
    }

    /// What virtual CPU `index` does; `None` if there is none.
    pub(crate) fn vcpu(&self, index: u32) -> Option<Vcpu> {
        let mut exits = 0;
        // SAFETY: Valid by the invariant.
        match unsafe { bindings::vfm_vcpu(self.raw.as_ptr(), index, &mut exits) } {
            bindings::VFM_VCPU_NONE => None,
            bindings::VFM_VCPU_AWAY => Some(Vcpu::Away),
            _ => Some(Vcpu::Exited(exits)),
        }
    }
}

impl Drop for Tracker {
    fn drop(&mut self) {
        self.end();
        // SAFETY: Valid by the invariant, and not used again.
        unsafe { bindings::vfm_free_tracker(self.raw.as_ptr()) };
    }
}

/// Memory slots of the virtual machine cannot change while this lives.
pub(crate) struct Slots<'a>(&'a Tracker);

impl Drop for Slots<'_> {
    fn drop(&mut self) {
        // SAFETY: Locked by `lock_slots`.
        unsafe { bindings::vfm_unlock_slots(self.0.raw.as_ptr()) };
    }
}

/// The guest has written `len` bytes at `gpa`; in the virtual CPU's task.
///
/// # Safety
///
/// The shim's contract: `owner` is what a registered tracker was made with, `bytes` are
/// readable for the call.
#[no_mangle]
unsafe extern "C" fn vfm_rs_tracked_write(
    owner: *mut c_void,
    gpa: u64,
    bytes: *const u8,
    len: c_int,
) {
    // SAFETY: A tracker keeps its owner for as long as it is registered.
    let trap = unsafe { &*owner.cast::<Trap>() };
    let len = usize::try_from(len).unwrap_or(0);
    // SAFETY: By contract.
    trap.written(gpa, unsafe { core::slice::from_raw_parts(bytes, len) });
}

/// A memory slot is going away; under KVM's slots_lock.
///
/// # Safety
///
/// As for `vfm_rs_tracked_write`.
#[no_mangle]
unsafe extern "C" fn vfm_rs_slot_removed(owner: *mut c_void, gfn: u64, nr_pages: c_ulong) {
    // SAFETY: As above.
    let trap = unsafe { &*owner.cast::<Trap>() };
    // CAST: `unsigned long` has 64 bits wherever KVM tracks writes.
    trap.removed(gfn, nr_pages as u64);
}
