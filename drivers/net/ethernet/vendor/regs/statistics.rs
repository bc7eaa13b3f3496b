// SPDX-License-Identifier: GPL-2.0

//! Statistics counters of the port; a read clears each (datasheet 8.18).

use kernel::io::register;

register! {
    /// The block of counters. What each counts is in `netdev/counters.rs`.
    pub(crate) STATISTICS(u32)[80] @ 0x4000 {
        31:0 count;
    }
}
