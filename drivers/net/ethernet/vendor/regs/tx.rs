// SPDX-License-Identifier: GPL-2.0

//! Transmit queues (datasheet 8.12), by the addresses at which all
//! 16 are alike.

use kernel::io::register;

register! {
    /// Ring base, low half; aligned to 128 bytes.
    pub(crate) TDBAL(u32)[16, stride = 0x40] @ 0xe000 {
        31:0 address;
    }

    /// Ring base, high half.
    pub(crate) TDBAH(u32)[16, stride = 0x40] @ 0xe004 {
        31:0 address;
    }

    /// Ring length in bytes, a multiple of 128.
    pub(crate) TDLEN(u32)[16, stride = 0x40] @ 0xe008 {
        19:0 bytes;
    }

    /// Next descriptor that hardware sends.
    pub(crate) TDH(u32)[16, stride = 0x40] @ 0xe010 {
        15:0 index;
    }

    /// First descriptor that hardware may not send. A write starts
    /// transmission.
    pub(crate) TDT(u32)[16, stride = 0x40] @ 0xe018 {
        15:0 index;
    }

    /// How descriptors and data are fetched and written.
    pub(crate) TXCTL(u32)[16, stride = 0x40] @ 0xe014 {
        31:0 hints;
    }

    /// Queue enable, and thresholds in descriptors.
    pub(crate) TXDCTL(u32)[16, stride = 0x40] @ 0xe028 {
        /// Prefetch when fewer are on the chip.
        4:0 pthresh;
        /// Prefetch only if the host has as many.
        12:8 hthresh;
        /// Write back when as many are done.
        20:16 wthresh;
        /// The queue runs; reads as it is.
        25:25 enable => bool;
    }

    /// Head write-back, low half.
    pub(crate) TDWBAL(u32)[16, stride = 0x40] @ 0xe038 {
        /// Write the head to memory rather than DD to descriptors.
        0:0 enable => bool;
        /// Address, aligned to 4 bytes.
        31:2 address;
    }

    /// Head write-back, high half.
    pub(crate) TDWBAH(u32)[16, stride = 0x40] @ 0xe03c {
        31:0 address;
    }
}
