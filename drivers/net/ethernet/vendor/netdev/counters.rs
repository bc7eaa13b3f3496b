// SPDX-License-Identifier: GPL-2.0

//! What the device counts, and the totals kept of it.

use crate::regs::{
    statistics::STATISTICS,
    Bar0, //
};
use kernel::io::{
    register::Array,
    Io, //
};

/// One counter of the device.
struct Counter {
    name: &'static str,
    /// Index of the register in [`STATISTICS`].
    index: usize,
    /// The next register holds the upper half.
    is_wide: bool,
}

const fn narrow(name: &'static str, offset: usize) -> Counter {
    Counter {
        name,
        index: (offset - 0x4000) / 4,
        is_wide: false,
    }
}

const fn wide(name: &'static str, offset: usize) -> Counter {
    Counter {
        name,
        index: (offset - 0x4000) / 4,
        is_wide: true,
    }
}

/// Number of counters.
pub(crate) const COUNT: usize = 30;

/// Counters by the names that igb gives them (datasheet 8.18).
const COUNTERS: [Counter; COUNT] = [
    narrow("rx_packets", 0x4074),
    narrow("tx_packets", 0x4080),
    wide("rx_bytes", 0x4088),
    wide("tx_bytes", 0x4090),
    narrow("rx_broadcast", 0x4078),
    narrow("tx_broadcast", 0x40f4),
    narrow("rx_multicast", 0x407c),
    narrow("tx_multicast", 0x40f0),
    narrow("rx_crc_errors", 0x4000),
    narrow("rx_no_buffer_count", 0x40a0),
    narrow("rx_missed_errors", 0x4010),
    narrow("tx_aborted_errors", 0x4018),
    narrow("tx_carrier_errors", 0x4034),
    narrow("tx_window_errors", 0x4020),
    narrow("tx_deferred_ok", 0x4030),
    narrow("tx_single_coll_ok", 0x4014),
    narrow("tx_multi_coll_ok", 0x401c),
    narrow("collisions", 0x4028),
    narrow("rx_length_errors", 0x4040),
    narrow("rx_undersize_errors", 0x40a4),
    narrow("rx_fragment_errors", 0x40a8),
    narrow("rx_oversize_errors", 0x40ac),
    narrow("rx_jabber_errors", 0x40b0),
    narrow("rx_align_errors", 0x4004),
    narrow("rx_symbol_errors", 0x4008),
    narrow("rx_errors", 0x400c),
    narrow("rx_flow_control_xon", 0x4048),
    narrow("rx_flow_control_xoff", 0x4050),
    narrow("tx_flow_control_xon", 0x404c),
    narrow("tx_flow_control_xoff", 0x4054),
];

/// Names of the counters, in their order.
pub(crate) const NAMES: [&str; COUNT] = {
    let mut names = [""; COUNT];
    let mut i = 0;
    while i < COUNT {
        names[i] = COUNTERS[i].name;
        i += 1;
    }
    names
};

/// Totals since the device was bound. They outlive resets of the device.
pub(crate) struct Totals([u64; COUNT]);

impl Totals {
    /// Nothing was counted.
    pub(crate) fn new() -> Self {
        Self([0; COUNT])
    }

    /// Adds what the device has counted since it was read last.
    pub(crate) fn update(&mut self, bar: &Bar0<'_>) {
        for (counter, total) in COUNTERS.iter().zip(&mut self.0) {
            let read = |index| {
                STATISTICS::try_at(index).map_or(0, |at| u64::from(bar.read(at).count().get()))
            };
            let mut counted = read(counter.index);
            if counter.is_wide {
                // Reading the upper half clears both.
                counted |= read(counter.index + 1) << 32;
            }
            // A device that has left the bus reads as all ones.
            if counted & u64::from(u32::MAX) != u64::from(u32::MAX) {
                *total = total.wrapping_add(counted);
            }
        }
    }

    /// Forgets what the device has counted since it was read last.
    pub(crate) fn forget(&mut self, bar: &Bar0<'_>) {
        let before = self.0;
        self.update(bar);
        self.0 = before;
    }

    /// The totals, in the order of [`NAMES`].
    pub(crate) fn values(&self) -> &[u64; COUNT] {
        &self.0
    }

    /// The total of the counter with this name.
    pub(crate) fn get(&self, name: &str) -> u64 {
        COUNTERS
            .iter()
            .zip(&self.0)
            .find(|(counter, _)| counter.name == name)
            .map_or(0, |(_, total)| *total)
    }
}
