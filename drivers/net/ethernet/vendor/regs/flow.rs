// SPDX-License-Identifier: GPL-2.0

//! Flow control (datasheet 8.3), and the size of the receive buffer that it goes by.

use kernel::io::register;

register! {
    /// Destination of pause frames, first four octets.
    pub(crate) FCAL(u32) @ 0x0028 {
        31:0 octets;
    }

    /// Destination of pause frames, the rest.
    pub(crate) FCAH(u32) @ 0x002c {
        15:0 octets;
    }

    /// EtherType of pause frames.
    pub(crate) FCT(u32) @ 0x0030 {
        15:0 ethertype;
    }

    /// For how long pause frames ask for a pause.
    pub(crate) FCTTV(u32) @ 0x0170 {
        /// In units of 512 bit times.
        15:0 quanta;
    }

    /// Fill level of the receive buffer below which the pause ends.
    pub(crate) FCRTL(u32) @ 0x2160 {
        /// In units of 16 bytes.
        16:4 units;
        /// A frame ends the pause, rather than its time alone.
        31:31 xon => bool;
    }

    /// Fill level of the receive buffer above which a pause is asked for.
    pub(crate) FCRTH(u32) @ 0x2168 {
        /// In units of 16 bytes.
        16:4 units;
    }

    /// Size of the receive buffer.
    pub(crate) RXPBS(u32) @ 0x2404 {
        /// In KiB.
        6:0 kib;
    }
}
