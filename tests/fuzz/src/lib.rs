// SPDX-License-Identifier: GPL-2.0

//! Fuzz targets: each takes any bytes and panics where something is not as it
//! must be. `scripts/fuzz` runs them under libFuzzer, beginning with what
//! `corpus/` holds.
#![allow(dead_code)]

mod checks;
mod input;

pub use checks::{mailbox::mailbox, record::record, state::state, stream::stream};

#[path = "../../../mediate/logic/crc32.rs"]
mod crc32;
#[path = "../../../mediate/logic/record.rs"]
mod record;
#[path = "../../../mediate/logic/stream.rs"]
mod stream;
#[path = "../../../mediate/logic/stream_fault.rs"]
mod stream_fault;
#[path = "../../../mediate/logic/stream_parser.rs"]
mod stream_parser;

/// The PF driver as provider of its VFs.
#[path = "../../../drivers/net/ethernet/vendor/provider"]
mod provider {
    pub(crate) mod logic;
}
/// The PF driver's control of VFs.
#[path = "../../../drivers/net/ethernet/vendor/vf"]
mod vf {
    pub(crate) mod logic;
}
