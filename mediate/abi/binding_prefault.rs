// SPDX-License-Identifier: GPL-2.0

//! The pre-fault hooks of an open VF's provider.
//!
//! The provider is promised that these are called one at a time: by whoever holds the lock of
//! the device's `Migration`.

use super::{
    binding::Binding,
    bindings, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

impl Binding {
    fn prefault(&self) -> Result<&bindings::vfio_mediate_prefault_ops> {
        // SAFETY: NULL, or valid as long as the operations that name it.
        unsafe { self.ops().prefault.as_ref() }.ok_or(EOPNOTSUPP)
    }

    /// Doorbells whose memory is missing are refused from now on. May sleep.
    pub(crate) fn prefault_start(&self) -> Result {
        let hook = self.prefault()?.start.ok_or(EOPNOTSUPP)?;
        // SAFETY: `ctx` is what the provider's open gave.
        to_result(unsafe { hook(self.ctx()) })
    }

    /// Gives to the device what was held back. May sleep. Errors: `EFAULT` if its memory is
    /// missing.
    pub(crate) fn prefault_retry(&self) -> Result {
        let hook = self.prefault()?.retry.ok_or(EOPNOTSUPP)?;
        // SAFETY: As above.
        to_result(unsafe { hook(self.ctx()) })
    }

    /// As `prefault_retry`; then doorbells are as ever. May sleep.
    pub(crate) fn prefault_stop(&self) -> Result {
        let hook = self.prefault()?.stop.ok_or(EOPNOTSUPP)?;
        // SAFETY: As above.
        to_result(unsafe { hook(self.ctx()) })
    }
}
