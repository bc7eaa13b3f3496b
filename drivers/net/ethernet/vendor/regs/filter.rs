// SPDX-License-Identifier: GPL-2.0

//! Address and VLAN filters (datasheet 8.10). All are undefined after power-up
//! but for the first receive address, which comes from the NVM.

use kernel::io::register;

register! {
    /// Groups that are received, a bit for each hash.
    pub(crate) MTA(u32)[128] @ 0x5200 {
        31:0 hashes;
    }

    /// Receive addresses 0 to 15, first four octets.
    pub(crate) RAL(u32)[16, stride = 8] @ 0x5400 {
        31:0 octets;
    }

    /// Receive addresses 0 to 15, the rest.
    pub(crate) RAH(u32)[16, stride = 8] @ 0x5404 {
        /// The last two octets.
        15:0 octets;
        /// Pools that receive it.
        25:18 pools;
        /// In use.
        31:31 valid => bool;
    }

    /// Receive addresses 16 to 23, first four octets.
    pub(crate) RAL2(u32)[8, stride = 8] @ 0x54e0 {
        31:0 octets;
    }

    /// Receive addresses 16 to 23, the rest.
    pub(crate) RAH2(u32)[8, stride = 8] @ 0x54e4 {
        /// The last two octets.
        15:0 octets;
        /// Pools that receive it.
        25:18 pools;
        /// In use.
        31:31 valid => bool;
    }

    /// VLANs that are received, a bit each.
    pub(crate) VFTA(u32)[128] @ 0x5600 {
        31:0 vids;
    }

    /// VLANs of pools.
    pub(crate) VLVF(u32)[32] @ 0x5d00 {
        /// VLAN id.
        11:0 vid;
        /// Pools that are in it.
        19:12 pools;
        /// In use.
        31:31 valid => bool;
    }

    /// Further unicast addresses, a bit for each hash; write only.
    pub(crate) UTA(u32)[128] @ 0xa000 {
        31:0 hashes;
    }
}
