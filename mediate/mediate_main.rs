// SPDX-License-Identifier: GPL-2.0

//! `mediate.ko`: the registry between providers (PF drivers) and the mediator.
//!
//! It knows no hardware and no vfio. Both sides depend on it, so neither
//! depends on the other and each can be unloaded on its own.

use kernel::prelude::*;

mod abi {
    pub(crate) mod bindings;
    pub(crate) mod provider_ops;
    mod registry_exports;
}
mod logic {
    pub(crate) mod provider;
    pub(crate) mod span;
    pub(crate) mod window;
}
mod registry {
    pub(crate) mod providers;
}

struct MediateModule;

impl kernel::Module for MediateModule {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        registry::providers::init();
        Ok(Self)
    }
}

impl Drop for MediateModule {
    fn drop(&mut self) {
        registry::providers::exit();
    }
}

module! {
    type: MediateModule,
    name: "mediate",
    authors: ["The vf-mediate authors"],
    description: "Mediate ops: registry of SR-IOV PF drivers that mediate their VFs",
    license: "GPL",
}
