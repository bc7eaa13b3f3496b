// SPDX-License-Identifier: GPL-2.0

//! The migration hooks of an open VF's provider, with checked answers.
//!
//! The provider is promised that these are called one at a time: by whoever holds
//! the lock of the device's `Migration`.

use super::{
    binding::Binding,
    bindings, //
};
use crate::logic::{
    migration::Level,
    stream::MAX_STATE,
    stream_parser::Kind, //
};
use kernel::{
    error::to_result,
    prelude::*, //
};

// CAST: a constant of the header, 1 MiB.
const _: () = assert!(MAX_STATE == bindings::VFIO_MEDIATE_MAX_STATE as usize);
// CAST: as above, 31.
const _: () = assert!(crate::logic::stream::MAX_NAME == bindings::VFIO_MEDIATE_MAX_NAME as usize);

/// The header's number for a state.
fn number(kind: Kind) -> u32 {
    match kind {
        Kind::PreCopy => bindings::VFIO_MEDIATE_STATE_PRECOPY,
        Kind::State => bindings::VFIO_MEDIATE_STATE_FINAL,
    }
}

/// A size, or the errno in it.
fn size(answer: c_long) -> Result<usize> {
    match usize::try_from(answer) {
        Ok(size) => Ok(size),
        Err(_) => Err(i32::try_from(answer).map_or(EIO, Error::from_errno)),
    }
}

impl Binding {
    fn migration(&self) -> Result<&bindings::vfio_mediate_migration_ops> {
        // SAFETY: NULL, or valid as long as the operations that name it.
        unsafe { self.ops().migration.as_ref() }.ok_or(EOPNOTSUPP)
    }

    /// Most bytes of a state, now or later. May sleep.
    ///
    /// Errors: `EOPNOTSUPP` if this VF cannot be moved, `EFBIG` if the answer is
    /// beyond [`MAX_STATE`], others are the provider's.
    pub(crate) fn state_size(&self, kind: Kind) -> Result<usize> {
        let hook = self.migration()?.state_size.ok_or(EOPNOTSUPP)?;
        // SAFETY: `ctx` is what the provider's open gave.
        let most = size(unsafe { hook(self.ctx(), number(kind)) })?;
        if most > MAX_STATE {
            return Err(EFBIG);
        }
        Ok(most)
    }

    /// Writes a state to `buffer`; answers the bytes used. May sleep.
    pub(crate) fn save(&self, kind: Kind, buffer: &mut [u8]) -> Result<usize> {
        let hook = self.migration()?.save.ok_or(EOPNOTSUPP)?;
        // SAFETY: `ctx` is what the provider's open gave; `buffer` is valid for
        // its length.
        let used = size(unsafe {
            hook(
                self.ctx(),
                number(kind),
                buffer.as_mut_ptr().cast(),
                buffer.len(),
            )
        })?;
        if used > buffer.len() {
            return Err(EFBIG);
        }
        Ok(used)
    }

    /// Hands a state that may be an attacker's to the provider. May sleep.
    pub(crate) fn load(&self, kind: Kind, state: &[u8]) -> Result {
        let hook = self.migration()?.load.ok_or(EOPNOTSUPP)?;
        // SAFETY: `ctx` is what the provider's open gave; `state` is valid for
        // its length.
        to_result(unsafe { hook(self.ctx(), number(kind), state.as_ptr().cast(), state.len()) })
    }

    /// Brings the VF to a level: quiesces it, or lets it go on. May sleep.
    pub(crate) fn set_level(&self, level: Level) -> Result {
        let ops = self.migration()?;
        let quiesce = ops.quiesce.ok_or(EOPNOTSUPP)?;
        let resume = ops.resume.ok_or(EOPNOTSUPP)?;
        // SAFETY: `ctx` is what the provider's open gave.
        to_result(unsafe {
            match level {
                Level::Run => resume(self.ctx()),
                Level::P2p => quiesce(self.ctx(), bindings::VFIO_MEDIATE_QUIESCE_P2P),
                Level::Stop => quiesce(self.ctx(), bindings::VFIO_MEDIATE_QUIESCE_STOP),
            }
        })
    }

    /// Tells the provider that the bus has reset the VF. May sleep.
    pub(crate) fn reset(&self) {
        if let Some(hook) = self.migration().ok().and_then(|ops| ops.reset) {
            // SAFETY: `ctx` is what the provider's open gave.
            unsafe { hook(self.ctx()) };
        }
    }
}
