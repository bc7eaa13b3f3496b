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
const COUNT: usize = 31;

/// Counters by the datasheet's names (8.18).
const COUNTERS: [Counter; COUNT] = [
    narrow("gprc", 0x4074),
    narrow("gptc", 0x4080),
    wide("gorc", 0x4088),
    wide("gotc", 0x4090),
    narrow("bprc", 0x4078),
    narrow("bptc", 0x40f4),
    narrow("mprc", 0x407c),
    narrow("mptc", 0x40f0),
    narrow("crcerrs", 0x4000),
    narrow("algnerrc", 0x4004),
    narrow("rxerrc", 0x400c),
    narrow("mpc", 0x4010),
    narrow("scc", 0x4014),
    narrow("ecol", 0x4018),
    narrow("mcc", 0x401c),
    narrow("latecol", 0x4020),
    narrow("colc", 0x4028),
    narrow("dc", 0x4030),
    narrow("tncrs", 0x4034),
    narrow("xonrxc", 0x4048),
    narrow("xontxc", 0x404c),
    narrow("xoffrxc", 0x4050),
    narrow("xofftxc", 0x4054),
    narrow("rnbc", 0x40a0),
    narrow("ruc", 0x40a4),
    narrow("roc", 0x40ac),
    narrow("mngprc", 0x40b4),
    narrow("mngpdc", 0x40b8),
    narrow("mngptc", 0x40bc),
    narrow("tsctc", 0x40f8),
    narrow("tsctfc", 0x40fc),
];

/// Counters by the names that igb gives them, in its order, and which they are.
pub(crate) const SHOWN: [(&str, &str); 33] = [
    ("rx_packets", "gprc"),
    ("tx_packets", "gptc"),
    ("rx_bytes", "gorc"),
    ("tx_bytes", "gotc"),
    ("rx_broadcast", "bprc"),
    ("tx_broadcast", "bptc"),
    ("rx_multicast", "mprc"),
    ("tx_multicast", "mptc"),
    ("multicast", "mprc"),
    ("collisions", "colc"),
    ("rx_crc_errors", "crcerrs"),
    ("rx_no_buffer_count", "rnbc"),
    ("rx_missed_errors", "mpc"),
    ("tx_aborted_errors", "ecol"),
    ("tx_carrier_errors", "tncrs"),
    ("tx_window_errors", "latecol"),
    ("tx_abort_late_coll", "latecol"),
    ("tx_deferred_ok", "dc"),
    ("tx_single_coll_ok", "scc"),
    ("tx_multi_coll_ok", "mcc"),
    ("rx_long_length_errors", "roc"),
    ("rx_short_length_errors", "ruc"),
    ("rx_align_errors", "algnerrc"),
    ("tx_tcp_seg_good", "tsctc"),
    ("tx_tcp_seg_failed", "tsctfc"),
    ("rx_flow_control_xon", "xonrxc"),
    ("rx_flow_control_xoff", "xoffrxc"),
    ("tx_flow_control_xon", "xontxc"),
    ("tx_flow_control_xoff", "xofftxc"),
    ("rx_long_byte_count", "gorc"),
    ("tx_smbus", "mngptc"),
    ("rx_smbus", "mngprc"),
    ("dropped_smbus", "mngpdc"),
];

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

    /// The total of the counter with this name.
    pub(crate) fn get(&self, name: &str) -> u64 {
        COUNTERS
            .iter()
            .zip(&self.0)
            .find(|(counter, _)| counter.name == name)
            .map_or(0, |(_, total)| *total)
    }
}
