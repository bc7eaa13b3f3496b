// SPDX-License-Identifier: GPL-2.0

//! Following what a VF writes while it is logged: its windows are trapped, its provider looks
//! at its rings, and the log tells the VMM.
//!
//! The caller holds the device's state lock.

use super::{
    dirty_log::DirtyLog,
    migration::explained, //
};
use crate::{
    abi::binding::Binding,
    trap::kvm::Trap, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// What is needed to follow a VF's writes.
pub(crate) struct Tracking {
    binding: Arc<Binding>,
    /// What traps the windows; `None` if they are never mapped.
    trap: Option<Arc<Trap>>,
    log: Arc<DirtyLog>,
    is_on: bool,
}

impl Tracking {
    /// For an open device whose provider can tell what the VF writes. Off.
    pub(crate) fn new(binding: Arc<Binding>, trap: Option<Arc<Trap>>, log: Arc<DirtyLog>) -> Self {
        Self {
            binding,
            trap,
            log,
            is_on: false,
        }
    }

    /// Whether the VF is logged.
    pub(crate) fn is_on(&self) -> bool {
        self.is_on
    }

    /// From when this returns what the VF writes is told. Must be called in a task of the
    /// VMM's. May sleep. Errors: why it is not; everything is as before then.
    pub(crate) fn start(&mut self) -> Result {
        if self.is_on {
            return Ok(());
        }
        if let Some(trap) = &self.trap {
            Trap::on(trap, &self.binding).inspect_err(|errno| {
                self.binding.explain(format_args!(
                    "the guest's doorbells cannot be trapped: {errno:?}"
                ));
            })?;
        }
        self.log.start();
        self.is_on = true;
        let started = explained(&self.binding, "beginning to log what the VF writes", || {
            self.binding.log_start()
        });
        if started.is_err() {
            self.stop();
            return started;
        }
        self.ensure_scope();
        Ok(())
    }

    /// Until the first page is told, the container takes all memory to be written: so one is,
    /// even of a VF that nobody drives. The guest's first page is always there.
    fn ensure_scope(&self) {
        if !self.log.has_told() {
            self.log.mark(&self.binding.dev(), 0, 1);
        }
    }

    /// Tells what the VF has written since the last time. May sleep. Errors: `EIO` if
    /// something could not be told; the provider's.
    pub(crate) fn sync(&mut self) -> Result {
        if !self.is_on {
            return Ok(());
        }
        explained(&self.binding, "looking at what the VF has written", || {
            self.binding.log_sync()
        })?;
        if self.log.has_lost() {
            self.binding.explain(format_args!(
                "a page that the VF has written could not be recorded: start the migration anew"
            ));
            return Err(EIO);
        }
        Ok(())
    }

    /// Nothing is told any more, and the windows are passed through. May sleep.
    pub(crate) fn stop(&mut self) {
        if !self.is_on {
            return;
        }
        self.binding.log_stop();
        self.log.stop();
        if let Some(trap) = &self.trap {
            trap.off(&self.binding.dev());
        }
        self.is_on = false;
    }
}
