// SPDX-License-Identifier: GPL-2.0

//! Receive queues (datasheet 8.10), by the addresses at which all 16
//! are alike.

use kernel::io::register;

register! {
    /// Ring base, low half; aligned to 128 bytes.
    pub(crate) RDBAL(u32)[16, stride = 0x40] @ 0xc000 {
        31:0 address;
    }

    /// Ring base, high half.
    pub(crate) RDBAH(u32)[16, stride = 0x40] @ 0xc004 {
        31:0 address;
    }

    /// Ring length in bytes, a multiple of 128.
    pub(crate) RDLEN(u32)[16, stride = 0x40] @ 0xc008 {
        19:0 bytes;
    }

    /// Shape of descriptors and buffers.
    pub(crate) SRRCTL(u32)[16, stride = 0x40] @ 0xc00c {
        /// Buffer size in KiB.
        6:0 buffer_kib;
        /// 1 is advanced descriptors, one buffer each.
        27:25 desc_type;
        /// Drop packets when there is no descriptor, rather than hold back
        /// other queues.
        31:31 drop_en => bool;
    }

    /// Next descriptor that hardware fills.
    pub(crate) RDH(u32)[16, stride = 0x40] @ 0xc010 {
        15:0 index;
    }

    /// How descriptors and data are written. Not there in QEMU's model.
    pub(crate) RXCTL(u32)[16, stride = 0x40] @ 0xc014 {
        31:0 hints;
    }

    /// First descriptor that hardware may not fill.
    pub(crate) RDT(u32)[16, stride = 0x40] @ 0xc018 {
        15:0 index;
    }

    /// Queue enable, and thresholds in descriptors.
    pub(crate) RXDCTL(u32)[16, stride = 0x40] @ 0xc028 {
        /// Prefetch when fewer are on the chip.
        4:0 pthresh;
        /// Prefetch only if the host has as many.
        12:8 hthresh;
        /// Write back when as many are done. Must be 1 (VF erratum).
        20:16 wthresh;
        /// The queue runs; reads as it is.
        25:25 enable => bool;
    }

    /// Packets dropped for want of a descriptor; a read clears.
    pub(crate) RQDPC(u32)[16, stride = 0x40] @ 0xc030 {
        11:0 count;
    }
}
