// SPDX-License-Identifier: GPL-2.0

//! Access to the PHY, and the semaphores that firmware and the other port honour
//! (datasheet 8.2, 8.16).

use kernel::io::register;

register! {
    /// MDI control: one read or write of a PHY register.
    pub(crate) MDIC(u32) @ 0x0020 {
        /// What was read, or is to be written.
        15:0 data;
        /// PHY register.
        20:16 register;
        /// PHY address.
        25:21 phy;
        /// 1 writes, 2 reads.
        27:26 op;
        /// The operation has ended.
        28:28 ready => bool;
        /// The PHY did not answer.
        30:30 error => bool;
    }

    /// Software semaphore: held while SW_FW_SYNC is changed.
    pub(crate) SWSM(u32) @ 0x5b50 {
        /// Taken by another driver; a read that finds it clear sets it.
        0:0 smbi => bool;
        /// Taken against firmware, if it stays set when written.
        1:1 swesmbi => bool;
    }

    /// Who owns which shared resource.
    pub(crate) SW_FW_SYNC(u32) @ 0x5b5c {
        /// Software owns the PHY of port 0.
        1:1 sw_phy0 => bool;
        /// Software owns the PHY of port 1.
        2:2 sw_phy1 => bool;
        /// Firmware owns the PHY of port 0.
        17:17 fw_phy0 => bool;
        /// Firmware owns the PHY of port 1.
        18:18 fw_phy1 => bool;
    }
}
