// SPDX-License-Identifier: GPL-2.0

//! What has happened to a device since it was bound, for debugfs.

use kernel::sync::atomic::Atomic;

/// Counters of one device.
pub(crate) struct Counters {
    /// Writes to registers that the provider took: of what is never mapped, and of windows
    /// while they were trapped.
    pub(crate) trapped_writes: Atomic<u64>,
    /// Pages found to be written by the device: 4 KiB, or as large as the VMM wants them in
    /// the device's own log.
    pub(crate) dirty_pages: Atomic<u64>,
    /// How often a virtual CPU was not seen to be out of a store in time when a trap was
    /// switched off.
    pub(crate) unsettled: Atomic<u64>,
}

impl Counters {
    /// All at 0.
    pub(crate) const fn new() -> Self {
        Self {
            trapped_writes: Atomic::new(0),
            dirty_pages: Atomic::new(0),
            unsettled: Atomic::new(0),
        }
    }
}
