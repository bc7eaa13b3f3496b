// SPDX-License-Identifier: GPL-2.0

//! Where the fake device's registers live on the host.

use std::cell::Cell;

/// Registers of a fake device.
pub(crate) struct Memory(Vec<Cell<u32>>);

impl Memory {
    /// All of them.
    pub(crate) fn new() -> Self {
        Self(vec![Cell::new(0); crate::regs::BAR_SIZE / 4])
    }

    /// The registers.
    pub(crate) fn cells(&self) -> &[Cell<u32>] {
        &self.0
    }
}

/// State of VFs.
pub(crate) type BoxedVfs = Box<crate::vf::vfs::Vfs>;

/// Of none.
pub(crate) fn vfs() -> BoxedVfs {
    Box::new(crate::vf::vfs::Vfs::new())
}

/// Room for the descriptors of a ring.
pub(crate) type Slots = Vec<crate::provider::logic::contexts::Descriptor>;

/// For the longest.
pub(crate) fn slots() -> Slots {
    use crate::provider::logic::scan;
    vec![scan::NULL; scan::MAX_DESCRIPTORS]
}
