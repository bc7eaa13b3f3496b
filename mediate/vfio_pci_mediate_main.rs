// SPDX-License-Identifier: GPL-2.0

//! `vfio_pci_mediate.ko`: the mediator, a vfio-pci variant driver that lets the
//! PF driver of a VF take part in what the VMM sees of it. It knows no NIC.

use kernel::prelude::*;

mod abi {
    pub(crate) mod bar;
    pub(crate) mod binding;
    mod binding_log;
    mod binding_migration;
    mod binding_prefault;
    #[path = "vfio_bindings.rs"]
    mod bindings;
    mod bypass;
    pub(crate) mod data_file;
    pub(crate) mod eventfd;
    pub(crate) mod host;
    #[cfg(CONFIG_IOMMUFD)]
    mod iommufd;
    pub(crate) mod kvm;
    pub(crate) mod log_ops;
    mod migration_ops;
    pub(crate) mod param;
    pub(crate) mod pin;
    pub(crate) mod shadow;
    mod trap_region;
    pub(crate) mod vfio_core;
    pub(crate) mod vfio_device;
    pub(crate) mod vfio_driver;
    pub(crate) mod vfio_requests;
    pub(crate) mod work;
}
mod logic {
    pub(crate) mod access;
    pub(crate) mod bit_tree;
    pub(crate) mod crc32;
    pub(crate) mod migration;
    pub(crate) mod pages;
    #[expect(dead_code, reason = "the rest is for providers")]
    pub(crate) mod record;
    pub(crate) mod region;
    pub(crate) mod span;
    pub(crate) mod stream;
    pub(crate) mod stream_fault;
    pub(crate) mod stream_parser;
    pub(crate) mod tracked;
    pub(crate) mod transport;
    pub(crate) mod trap_region;
    pub(crate) mod vf_ids;
    #[expect(dead_code, reason = "the rest is for the registry")]
    pub(crate) mod window;
    pub(crate) mod written;
}
mod trap {
    pub(crate) mod kvm;
    mod place;
    pub(crate) mod region;
    pub(crate) mod switch;
}
mod vfio {
    pub(crate) mod counters;
    pub(crate) mod debug;
    pub(crate) mod device;
    pub(crate) mod dirty_log;
    pub(crate) mod last_error;
    pub(crate) mod migration;
    pub(crate) mod provided;
    pub(crate) mod refresh;
    pub(crate) mod resuming;
    pub(crate) mod saving;
    pub(crate) mod session_file;
    pub(crate) mod tracking;
    mod trap_region;
}

#[pin_data]
struct VfioPciMediateModule {
    #[pin]
    _driver: abi::vfio_driver::Registration<vfio::device::MediatedDevice>,
    /// Dropped behind the driver, whose devices have folders in it.
    _debug: vfio::debug::Root,
}

impl kernel::InPlaceModule for VfioPciMediateModule {
    fn init(module: &'static ThisModule) -> impl PinInit<Self, Error> {
        try_pin_init!(Self {
            // First of all: binding a device makes a folder in it.
            _debug: vfio::debug::Root::new(),
            _driver <- abi::vfio_driver::Registration::new(
                <Self as kernel::ModuleMetadata>::NAME,
                module,
            ),
        })
    }
}

module! {
    type: VfioPciMediateModule,
    name: "vfio_pci_mediate",
    authors: ["The vf-mediate authors"],
    description: "vfio-pci variant driver whose VFs are mediated by their PF driver",
    license: "GPL",
}
