// SPDX-License-Identifier: GPL-2.0

//! Fuzz targets: each takes any bytes and panics where something is not as it
//! must be. `scripts/fuzz` runs them under libFuzzer, beginning with what
//! `corpus/` holds.
#![allow(dead_code)]

mod input;
mod mailbox;
mod record;

pub use mailbox::mailbox;
pub use record::record;

/// The mediator's pure files.
#[path = "../../../mediate/logic"]
mod logic {
    pub(crate) mod record;
}
/// The PF driver's control of VFs.
#[path = "../../../drivers/net/ethernet/vendor/vf"]
mod vf {
    pub(crate) mod logic;
}
