// SPDX-License-Identifier: GPL-2.0

//! What the administrator has set of the queues. Pure.

use super::{
    moderation::BothWays,
    rss::Rss, //
};
use crate::pf::wake::Wake;

/// Least and most descriptors of a ring; they come in multiples of [`RING_UNIT`], for rings
/// are of a multiple of 128 bytes.
pub(crate) const MIN_RING: u32 = 80;
/// Most descriptors of a ring.
pub(crate) const MAX_RING: u32 = 4096;
const RING_UNIT: u32 = 8;

/// Descriptors of a ring that nobody has set.
const DEFAULT_RING: u16 = 256;

/// Settings of the queues. They come into force when the queues are opened.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Descriptors of each receive ring.
    pub(crate) rx_size: u16,
    /// Descriptors of each transmit ring.
    pub(crate) tx_size: u16,
    /// How often each vector interrupts.
    pub(crate) moderation: BothWays,
    /// Pairs of queues, if there are as many.
    pub(crate) queues: u8,
    /// How receive queues are chosen.
    pub(crate) rss: Rss,
    /// What wakes the host.
    pub(crate) wake: Wake,
}

impl Settings {
    /// Those that nobody has set, for `queues` pairs of queues, with `key` for the hash.
    pub(crate) fn new(queues: u8, key: [u8; super::rss::KEY_BYTES]) -> Self {
        Self {
            rx_size: DEFAULT_RING,
            tx_size: DEFAULT_RING,
            moderation: BothWays::DEFAULT,
            queues,
            rss: Rss::new(key, queues),
            wake: Wake::NONE,
        }
    }
}

/// The size of a ring for which `wanted` descriptors are asked.
pub(crate) fn ring_size(wanted: u32) -> u16 {
    let size = wanted.clamp(MIN_RING, MAX_RING).next_multiple_of(RING_UNIT);
    // In range by the clamp.
    u16::try_from(size).unwrap_or(DEFAULT_RING)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_settings))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn rings_have_sizes_that_hardware_takes() {
        for (wanted, size) in [
            (0, 80),
            (80, 80),
            (81, 88),
            (256, 256),
            (4089, 4096),
            (4096, 4096),
            (u32::MAX, 4096),
        ] {
            assert_eq!(ring_size(wanted), size);
        }
    }
}
