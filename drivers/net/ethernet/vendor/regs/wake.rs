// SPDX-License-Identifier: GPL-2.0

//! What wakes a sleeping host (datasheet 8.20).

use kernel::io::register;

register! {
    /// Wake-up control.
    pub(crate) WUC(u32) @ 0x5800 {
        /// A wake-up is signalled on the bus.
        1:1 pme_en => bool;
    }

    /// Wake-up filter control.
    pub(crate) WUFC(u32) @ 0x5808 {
        /// A change of the link.
        0:0 lnkc => bool;
        /// A magic packet.
        1:1 mag => bool;
        /// A packet to one of the port's addresses.
        2:2 ex => bool;
        /// A multicast that is received.
        3:3 mc => bool;
        /// A broadcast.
        4:4 bc => bool;
    }

    /// Wake-up status: what has woken the host; written ones clear.
    pub(crate) WUS(u32) @ 0x5810 {
        31:0 causes;
    }
}
