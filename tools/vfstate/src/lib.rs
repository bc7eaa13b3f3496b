// SPDX-License-Identifier: GPL-2.0

//! Reads a migration stream with the very files that the kernel modules are built
//! from, and tells what is in it.

#[path = "../../../mediate/logic/crc32.rs"]
#[allow(dead_code)]
mod crc32;
#[path = "../../../mediate/logic/record.rs"]
#[allow(dead_code)]
mod record;
#[path = "../../../mediate/logic/stream.rs"]
#[allow(dead_code)]
mod stream;
#[path = "../../../mediate/logic/stream_fault.rs"]
#[allow(dead_code)]
mod stream_fault;
#[path = "../../../mediate/logic/stream_parser.rs"]
#[allow(dead_code)]
mod stream_parser;

/// The PF driver as provider of its VFs.
#[path = "../../../drivers/net/ethernet/vendor/provider"]
#[allow(dead_code)]
mod provider {
    pub(crate) mod logic;
}
/// The PF driver's control of VFs.
#[path = "../../../drivers/net/ethernet/vendor/vf"]
#[allow(dead_code)]
mod vf {
    pub(crate) mod logic;
}

mod igb;
pub mod layout;
pub mod show;
pub mod text;
