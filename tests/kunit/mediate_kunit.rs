// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the pure logic under `mediate/logic/`, compiled from the same
//! files as the modules proper and the host tests.
// Some of it is used by the modules only.
#![allow(dead_code)]

use kernel::prelude::*;

#[path = "../../mediate/logic/access.rs"]
mod access;
#[path = "../../mediate/logic/bit_tree.rs"]
mod bit_tree;
#[path = "../../mediate/logic/crc32.rs"]
mod crc32;
#[path = "../../mediate/logic/migration.rs"]
mod migration;
#[path = "../../mediate/logic/pages.rs"]
mod pages;
#[path = "../../mediate/logic/provider.rs"]
mod provider;
#[path = "../../mediate/logic/record.rs"]
mod record;
#[path = "../../mediate/logic/region.rs"]
mod region;
#[path = "../../mediate/logic/span.rs"]
mod span;
#[path = "../../mediate/logic/stream.rs"]
mod stream;
#[path = "../../mediate/logic/stream_fault.rs"]
mod stream_fault;
#[path = "../../mediate/logic/stream_parser.rs"]
mod stream_parser;
#[path = "../../mediate/logic/tracked.rs"]
mod tracked;
#[path = "../../mediate/logic/transport.rs"]
mod transport;
#[path = "../../mediate/logic/trap_region.rs"]
mod trap_region;
#[path = "../../mediate/logic/vf_ids.rs"]
mod vf_ids;
#[path = "../../mediate/logic/window.rs"]
mod window;
#[path = "../../mediate/logic/written.rs"]
mod written;

struct MediateKunit;

impl kernel::Module for MediateKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: MediateKunit,
    name: "mediate_kunit",
    authors: ["The vf-mediate authors"],
    description: "KUnit suites of mediate",
    license: "GPL",
}
