// SPDX-License-Identifier: GPL-2.0

//! Following what a VF writes while it is logged: its windows are trapped, its provider looks
//! at its rings, and the log tells the VMM.
//!
//! The caller holds the device's state lock.

use super::{
    dirty_log::{
        DirtyLog,
        LogPages, //
    },
    migration::explained, //
};
use crate::{
    abi::{
        binding::Binding,
        log_ops::UserBitmap, //
    },
    logic::written::Extent,
    trap::switch::Switch, //
};
use kernel::{
    prelude::*,
    sync::Arc, //
};

/// Pieces of memory that are taken from the log at once.
const RUNS: usize = 32;

/// What is needed to follow a VF's writes.
pub(crate) struct Tracking {
    binding: Arc<Binding>,
    /// What traps the windows.
    trap: Arc<dyn Switch>,
    log: Arc<DirtyLog>,
    is_on: bool,
}

impl Tracking {
    /// For an open device whose provider can tell what the VF writes. Off.
    pub(crate) fn new(binding: Arc<Binding>, trap: Arc<dyn Switch>, log: Arc<DirtyLog>) -> Self {
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

    /// From when this returns what the VF writes is told by the scope of the container, unless
    /// its own log tells it, or there is no container. Must be called in a task of the VMM's.
    /// May sleep. Errors: why it is not; everything is as before then.
    pub(crate) fn start_scope(&mut self) -> Result {
        if self.log.is_on() || self.binding.dev().has_iommufd() {
            return Ok(());
        }
        self.begin(|log| log.start_scope())?;
        self.ensure_scope();
        Ok(())
    }

    /// From when this returns what the VF writes to `pages` is told by its own log. Else as
    /// [`Tracking::start_scope`]. Errors: `EINVAL` if it was begun before.
    pub(crate) fn start_log(&mut self, pages: LogPages) -> Result {
        if self.log.is_logging() {
            return Err(EINVAL);
        }
        // What was written before belongs to the scope alone.
        self.sync()?;
        self.begin(|log| log.start_log(pages))
    }

    /// Follows what the VF writes, which `channel` has told.
    fn begin(&mut self, channel: impl FnOnce(&DirtyLog)) -> Result {
        if self.is_on {
            channel(&self.log);
            return Ok(());
        }
        let said = self.binding.failures();
        self.trap.clone().on(&self.binding).inspect_err(|errno| {
            if self.binding.failures() == said {
                self.binding.explain(format_args!(
                    "the guest's doorbells cannot be trapped: {errno:?}"
                ));
            }
        })?;
        channel(&self.log);
        self.is_on = true;
        let started = explained(&self.binding, "beginning to log what the VF writes", || {
            self.binding.log_start()
        });
        if started.is_err() {
            self.stop();
        }
        started
    }

    /// Until the first page is told, the container takes all memory to be written: so one is,
    /// even of a VF that nobody drives. The guest's first page is always there.
    fn ensure_scope(&self) {
        if !self.log.has_told() {
            self.log.mark_scope(&self.binding.dev(), 0, 1);
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

    /// Marks in `bitmap` what the VF has written of `asked` by its own log, which forgets it.
    /// May sleep. Errors: `EINVAL` if that is not logged; `EIO` if something could not be told.
    pub(crate) fn report(&mut self, asked: Extent, bitmap: &mut UserBitmap<'_>) -> Result {
        if !self.log.covers(asked) {
            return Err(EINVAL);
        }
        self.sync()?;
        let mut runs = [Extent::default(); RUNS];
        let mut rest = asked;
        loop {
            // Marking may wait for the user, so not with the log locked.
            let count = self.log.take(rest, &mut runs);
            let found = runs.get(..count).unwrap_or_default();
            for run in found {
                bitmap.mark(*run);
            }
            match found.last() {
                Some(last) if count == RUNS && last.last < asked.last => rest.first = last.last + 1,
                _ => return Ok(()),
            }
        }
    }

    /// Nothing is told by the VF's own log any more. May sleep.
    pub(crate) fn stop_log(&mut self) {
        self.log.stop_log();
        if !self.log.is_on() {
            self.stop();
        }
    }

    /// Nothing is told by the scope any more. May sleep.
    pub(crate) fn stop_scope(&mut self) {
        self.log.stop_scope();
        if !self.log.is_on() {
            self.stop();
        }
    }

    /// Nothing is told any more, and the windows are passed through. May sleep.
    pub(crate) fn stop(&mut self) {
        if !self.is_on {
            return;
        }
        self.binding.log_stop();
        self.log.stop_scope();
        self.log.stop_log();
        self.trap.off(&self.binding.dev());
        self.is_on = false;
    }
}
