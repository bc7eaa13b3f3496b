// SPDX-License-Identifier: GPL-2.0

//! `igb_rs.ko`: PF driver for the Intel 82576 and provider of its VFs.

use kernel::prelude::*;

mod abi {
    mod bindings;
    pub(crate) mod devlink;
    pub(crate) mod dma;
    pub(crate) mod errno;
    pub(crate) mod ethtool;
    pub(crate) mod ethtool_link;
    pub(crate) mod ethtool_port;
    pub(crate) mod ethtool_queues;
    pub(crate) mod feature;
    pub(crate) mod host;
    pub(crate) mod init;
    pub(crate) mod irq;
    pub(crate) mod lock;
    mod log;
    mod migration;
    pub(crate) mod napi;
    pub(crate) mod netdev;
    mod netdev_queues;
    pub(crate) mod netdev_vf;
    pub(crate) mod netdev_xdp;
    pub(crate) mod page_pool;
    pub(crate) mod pci;
    pub(crate) mod pci_errors;
    pub(crate) mod power;
    mod prefault;
    pub(crate) mod provider;
    pub(crate) mod rx_mode;
    pub(crate) mod send_lock;
    pub(crate) mod skb;
    #[path = "../../../../../mediate/abi/work.rs"]
    pub(crate) mod work;
    pub(crate) mod xdp;
}
mod netdev {
    pub(crate) mod action;
    pub(crate) mod counters;
    pub(crate) mod descriptor;
    mod ethtool;
    pub(crate) mod filter_table;
    pub(crate) mod frame;
    pub(crate) mod interface;
    pub(crate) mod layout;
    mod loopback;
    pub(crate) mod moderation;
    pub(crate) mod offload;
    pub(crate) mod ops;
    pub(crate) mod queue;
    pub(crate) mod ring;
    pub(crate) mod rss;
    pub(crate) mod rx;
    pub(crate) mod segment;
    pub(crate) mod settings;
    pub(crate) mod tx;
    pub(crate) mod vf_settings;
    mod xdp;
}
mod pf {
    pub(crate) mod diagnose;
    pub(crate) mod driver;
    pub(crate) mod filters;
    pub(crate) mod flow;
    pub(crate) mod interrupt;
    pub(crate) mod link;
    pub(crate) mod modes;
    pub(crate) mod nvm;
    pub(crate) mod phy;
    pub(crate) mod pool;
    pub(crate) mod port;
    pub(crate) mod receive;
    pub(crate) mod reset;
    pub(crate) mod wake;
}
mod provider {
    mod arrival;
    mod explain;
    mod image;
    pub(crate) mod levels;
    mod logic;
    pub(crate) mod mediate;
    mod page0;
    mod platform;
    mod prefault;
    pub(crate) mod probe;
    mod registers;
    mod rings;
    mod switches;
    mod tracking;
    mod tracking_tx;
    mod windows;
}
#[path = "../../../../mediate/logic/record.rs"]
mod record;
mod regs;
mod vf {
    pub(crate) mod control;
    mod filters;
    pub(crate) mod logic;
    mod mailbox;
    pub(crate) mod moving;
    mod service;
    pub(crate) mod sriov;
    pub(crate) mod vfs;
}

/// Driver and provider, in the order in which they are torn down: the driver
/// first, so that every PF is gone when the provider unregisters.
#[pin_data]
struct IgbModule {
    #[pin]
    _driver: kernel::driver::Registration<abi::pci::Adapter<pf::driver::IgbDriver>>,
    _provider: abi::provider::Registration,
}

impl kernel::InPlaceModule for IgbModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            _provider: abi::provider::Registration::new()?,
            _driver <- kernel::driver::Registration::new(
                <Self as kernel::ModuleMetadata>::NAME,
                module,
            ),
        })
    }
}

module! {
    type: IgbModule,
    name: "igb_rs",
    authors: ["The vf-mediate authors"],
    description: "Intel 82576 PF driver with mediated VFs",
    license: "GPL",
}
