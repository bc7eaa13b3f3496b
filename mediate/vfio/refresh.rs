// SPDX-License-Identifier: GPL-2.0

//! A look at the device now and then while a VF is logged: for what a VF writes without a
//! doorbell, and for registers that the device changes and a trapped guest polls.

use super::migration::Migration;
use crate::abi::work::Run;
use kernel::{
    sync::Arc,
    time::Msecs, //
};

/// How often.
pub(crate) const INTERVAL_MS: Msecs = 50;

/// What looks.
pub(crate) struct Refresh(pub(crate) Arc<Migration>);

impl Run for Refresh {
    fn run(&self) -> Option<Msecs> {
        self.0.refresh().then_some(INTERVAL_MS)
    }
}
