// SPDX-License-Identifier: GPL-2.0

//! The RTNL and bottom halves, as guards.
//!
//! C headers: [`include/linux/rtnetlink.h`](srctree/include/linux/rtnetlink.h),
//! [`include/linux/bottom_half.h`](srctree/include/linux/bottom_half.h)

use super::bindings;
use kernel::types::NotThreadSafe;

/// The RTNL, held until this is dropped: the outermost lock of all that configures
/// network devices.
pub(crate) struct Rtnl(NotThreadSafe);

impl Rtnl {
    /// Takes the RTNL. May sleep; must not be held already.
    pub(crate) fn lock() -> Self {
        // SAFETY: May be called in process context, which the caller is in.
        unsafe { bindings::rtnl_lock() };
        Self(NotThreadSafe)
    }
}

impl Drop for Rtnl {
    fn drop(&mut self) {
        // SAFETY: Taken by `lock`, in this thread.
        unsafe { bindings::rtnl_unlock() };
    }
}

/// No softirq runs on this CPU until this is dropped: for process context that takes
/// a lock which softirqs take too.
pub(crate) struct BottomHalvesOff(NotThreadSafe);

impl BottomHalvesOff {
    /// Disables bottom halves. May nest.
    pub(crate) fn new() -> Self {
        // SAFETY: May be called anywhere but in a hard interrupt.
        unsafe { bindings::igb_rs_bh_disable() };
        Self(NotThreadSafe)
    }
}

impl Drop for BottomHalvesOff {
    fn drop(&mut self) {
        // SAFETY: Disabled by `new`, in this thread.
        unsafe { bindings::igb_rs_bh_enable() };
    }
}
