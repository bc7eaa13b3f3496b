// SPDX-License-Identifier: GPL-2.0

//! KUnit suites of the PF driver: its pure logic, and its operations on the fake
//! device, from the files the driver and the host tests are built from.
// Some of it is used by the driver only.
#![allow(dead_code)]

use kernel::prelude::*;

#[path = "../../drivers/net/ethernet/vendor/netdev"]
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
#[path = "../../drivers/net/ethernet/vendor/pf"]
mod pf {
    pub(crate) mod flow;
    mod modes;
    mod nvm;
    pub(crate) mod receive;
    pub(crate) mod wake;
}
#[path = "../../drivers/net/ethernet/vendor/provider"]
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
#[path = "../../mediate/logic/record.rs"]
mod record;
#[path = "../../drivers/net/ethernet/vendor/regs/mod.rs"]
mod regs;
#[path = "../../drivers/net/ethernet/vendor/vf"]
mod vf {
    mod filters;
    pub(crate) mod logic;
    mod mailbox;
    pub(crate) mod moving;
    pub(crate) mod service;
    pub(crate) mod vfs;
}
#[path = "../fake/mod.rs"]
mod fake;
#[path = "../../drivers/net/ethernet/vendor/abi/init.rs"]
mod init;

/// Where the fake device's registers live.
mod memory {
    use crate::vf::vfs::Vfs;
    use core::cell::Cell;
    use kernel::prelude::*;

    /// State of VFs, too large for a stack.
    pub(crate) type BoxedVfs = KBox<Vfs>;

    static INITIAL: Vfs = Vfs::new();

    /// Of none.
    pub(crate) fn vfs() -> BoxedVfs {
        let vfs = KBox::init(crate::init::copy_of(&INITIAL), GFP_KERNEL);
        vfs.expect("no memory for a test")
    }

    /// Room for the descriptors of a ring.
    pub(crate) type Slots = KVVec<crate::provider::logic::contexts::Descriptor>;

    /// For the longest.
    pub(crate) fn slots() -> Slots {
        use crate::provider::logic::scan;
        let slots = KVVec::from_elem(scan::NULL, scan::MAX_DESCRIPTORS, GFP_KERNEL);
        slots.unwrap_or_else(|_| KVVec::new())
    }

    /// Registers of a fake device; none if there is no memory.
    pub(crate) struct Memory(KVVec<Cell<u32>>);

    impl Memory {
        /// All of them.
        pub(crate) fn new() -> Self {
            let words = crate::regs::BAR_SIZE / 4;
            let cells = KVVec::from_elem(Cell::new(0), words, GFP_KERNEL);
            Self(cells.unwrap_or_else(|_| KVVec::new()))
        }

        /// The registers.
        pub(crate) fn cells(&self) -> &[Cell<u32>] {
            &self.0
        }
    }
}

struct IgbRsKunit;

impl kernel::Module for IgbRsKunit {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        Ok(Self)
    }
}

module! {
    type: IgbRsKunit,
    name: "igb_rs_kunit",
    authors: ["The vf-mediate authors"],
    description: "KUnit suites of igb_rs",
    license: "GPL",
}
