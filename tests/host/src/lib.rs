// SPDX-License-Identifier: GPL-2.0

//! The pure logic of the kernel modules, from the files they are built from.
//! Each file's own tests run here as under KUnit; `properties` adds proptest.
// Some of it is used by the modules only.
#![allow(dead_code)]

#[path = "../../../mediate/logic/access.rs"]
mod access;
#[path = "../../../mediate/logic/bit_tree.rs"]
mod bit_tree;
#[path = "../../../mediate/logic/crc32.rs"]
mod crc32;
#[path = "../../../mediate/logic/provider.rs"]
mod mediate_provider;
#[path = "../../../mediate/logic/migration.rs"]
mod migration;
#[path = "../../../mediate/logic/pages.rs"]
mod pages;
#[path = "../../../mediate/logic/record.rs"]
mod record;
#[path = "../../../mediate/logic/region.rs"]
mod region;
#[path = "../../../mediate/logic/span.rs"]
mod span;
#[path = "../../../mediate/logic/stream.rs"]
mod stream;
#[path = "../../../mediate/logic/stream_fault.rs"]
mod stream_fault;
#[path = "../../../mediate/logic/stream_parser.rs"]
mod stream_parser;
#[path = "../../../mediate/logic/tracked.rs"]
mod tracked;
#[path = "../../../mediate/logic/transport.rs"]
mod transport;
#[path = "../../../mediate/logic/trap_region.rs"]
mod trap_region;
#[path = "../../../mediate/logic/vf_ids.rs"]
mod vf_ids;
#[path = "../../../mediate/logic/window.rs"]
mod window;
#[path = "../../../mediate/logic/written.rs"]
mod written;

/// The PF's interface.
#[path = "../../../drivers/net/ethernet/vendor/netdev"]
mod netdev {
    mod action;
    mod descriptor;
    mod filter_table;
    mod frame;
    mod layout;
    mod moderation;
    mod offload;
    mod ring;
    pub(crate) mod rss;
    mod segment;
    mod settings;
}
/// The PF driver's operations on the port.
#[path = "../../../drivers/net/ethernet/vendor/pf"]
mod pf {
    pub(crate) mod flow;
    mod modes;
    mod nvm;
    pub(crate) mod receive;
    pub(crate) mod wake;
}
/// The PF driver as provider of its VFs.
#[path = "../../../drivers/net/ethernet/vendor/provider"]
mod provider {
    mod image;
    pub(crate) mod levels;
    pub(crate) mod logic;
    pub(crate) mod page0;
    pub(crate) mod platform;
    pub(crate) mod prefault;
    pub(crate) mod probe;
    mod registers;
    mod rings;
    mod switches;
    pub(crate) mod tracking;
    pub(crate) mod tracking_tx;
    mod windows;
}
/// The PF driver's registers.
#[path = "../../../drivers/net/ethernet/vendor/regs/mod.rs"]
mod regs;
/// The PF driver's control of VFs.
#[path = "../../../drivers/net/ethernet/vendor/vf"]
mod vf {
    mod filters;
    pub(crate) mod logic;
    mod mailbox;
    pub(crate) mod moving;
    pub(crate) mod service;
    pub(crate) mod vfs;
}

#[cfg(test)]
#[path = "../../fake/mod.rs"]
mod fake;
#[cfg(test)]
mod memory;

#[cfg(test)]
mod properties;
#[cfg(test)]
mod stream_properties;
#[cfg(test)]
mod tracking_properties;
#[cfg(test)]
mod vf_properties;
#[cfg(test)]
mod vf_state_properties;
#[cfg(test)]
mod written_properties;
