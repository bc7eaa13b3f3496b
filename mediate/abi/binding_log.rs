// SPDX-License-Identifier: GPL-2.0

//! The logging hooks of an open VF's provider, and the windows it wants trapped.
//!
//! The provider is promised that start, sync and stop are called one at a time: by whoever
//! holds the lock of the device's `Migration`.

use super::{
    binding::Binding,
    bindings, //
};
use crate::logic::{
    span::Span,
    window::Window, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

impl Binding {
    fn log(&self) -> Option<&bindings::vfio_mediate_log_ops> {
        // SAFETY: NULL, or valid as long as the operations that name it.
        unsafe { self.ops().log.as_ref() }
    }

    /// Whether the provider can tell what the VF writes.
    pub(crate) fn can_log(&self) -> bool {
        self.log().is_some()
    }

    /// What the provider wants trapped while the VF is logged.
    pub(crate) fn windows(&self) -> impl Iterator<Item = Window> + '_ {
        let ops = self.ops();
        let count = usize::try_from(ops.nr_windows).unwrap_or(0);
        let listed = if count == 0 || ops.windows.is_null() {
            &[][..]
        } else {
            // SAFETY: The registry has seen so many entries, which do not change.
            unsafe { core::slice::from_raw_parts(ops.windows, count) }
        };
        listed.iter().map(|window| Window {
            region: window.region,
            span: Span {
                offset: window.offset,
                size: window.size,
            },
            optional: window.flags & bindings::VFIO_MEDIATE_WINDOW_OPTIONAL != 0,
        })
    }

    /// The VF is logged from now on. May sleep.
    pub(crate) fn log_start(&self) -> Result {
        let hook = self.log().and_then(|ops| ops.start).ok_or(EOPNOTSUPP)?;
        // SAFETY: `ctx` is what the provider's open gave.
        to_result(unsafe { hook(self.ctx()) })
    }

    /// Has what the VF has written marked. May sleep.
    pub(crate) fn log_sync(&self) -> Result {
        let hook = self.log().and_then(|ops| ops.sync).ok_or(EOPNOTSUPP)?;
        // SAFETY: As above.
        to_result(unsafe { hook(self.ctx()) })
    }

    /// The VF is no longer logged. May sleep.
    pub(crate) fn log_stop(&self) {
        if let Some(hook) = self.log().and_then(|ops| ops.stop) {
            // SAFETY: As above.
            unsafe { hook(self.ctx()) };
        }
    }

    /// The guest writes `value` at `offset` of window number `window`. May sleep.
    pub(crate) fn trap_write(&self, window: usize, offset: u64, value: &[u8]) {
        let Some(hook) = self.log().and_then(|ops| ops.trap_write) else {
            return;
        };
        // Windows are not that many, nor that large.
        let (Ok(window), Ok(offset), Ok(width)) = (
            u32::try_from(window),
            u32::try_from(offset),
            u32::try_from(value.len()),
        ) else {
            return;
        };
        // SAFETY: `ctx` is what the provider's open gave; `value` is valid for `width` bytes.
        unsafe { hook(self.ctx(), window, offset, value.as_ptr().cast(), width) };
    }
}
