// SPDX-License-Identifier: GPL-2.0

//! Eventfds of the VMM's.
//!
//! C header: [`include/linux/eventfd.h`](srctree/include/linux/eventfd.h)

use super::bindings;
use core::ptr::NonNull;
use kernel::{
    error::from_err_ptr,
    prelude::*, //
};

/// An eventfd that can be signalled.
///
/// # Invariants
///
/// Owns a reference to the context.
pub(crate) struct EventFd(NonNull<bindings::eventfd_ctx>);

// SAFETY: A context is counted, and may be signalled and put from any thread.
unsafe impl Send for EventFd {}
// SAFETY: As above, at the same time.
unsafe impl Sync for EventFd {}

impl EventFd {
    /// The eventfd that descriptor `fd` of the current task is. Errors: `EBADF`, and `EINVAL`
    /// if it is something else.
    pub(crate) fn get(fd: i32) -> Result<Self> {
        // SAFETY: Any number may be asked for.
        let context = from_err_ptr(unsafe { bindings::eventfd_ctx_fdget(fd) })?;
        // INVARIANT: With a reference for the caller.
        NonNull::new(context).map(Self).ok_or(EBADF)
    }

    /// Adds 1 to it. In any context.
    pub(crate) fn signal(&self) {
        // SAFETY: Valid by the invariant.
        unsafe { bindings::eventfd_signal_mask(self.0.as_ptr(), 0) };
    }
}

impl Drop for EventFd {
    fn drop(&mut self) {
        // SAFETY: The reference of the invariant, which goes with it.
        unsafe { bindings::eventfd_ctx_put(self.0.as_ptr()) };
    }
}
