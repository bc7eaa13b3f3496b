// SPDX-License-Identifier: GPL-2.0

//! Receive checksums, and the table and key of the hash that chooses receive queues
//! (datasheet 8.10); what it covers is in [`MRQC`](super::pool::MRQC).

use kernel::io::register;

register! {
    /// Receive checksum control.
    pub(crate) RXCSUM(u32) @ 0x5000 {
        /// Checksums of IPv4 are looked at.
        8:8 ip => bool;
        /// Checksums of TCP and UDP are looked at.
        9:9 layer4 => bool;
        /// The CRC of SCTP is looked at.
        11:11 sctp => bool;
        /// Descriptors hold the hash, not a checksum of the packet.
        13:13 hash => bool;
    }

    /// Table of queues, four entries each.
    pub(crate) RETA(u32)[32] @ 0x5c00 {
        31:0 queues;
    }

    /// Key of the hash.
    pub(crate) RSSRK(u32)[10] @ 0x5c80 {
        31:0 octets;
    }
}
