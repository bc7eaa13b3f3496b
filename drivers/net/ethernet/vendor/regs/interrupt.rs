// SPDX-License-Identifier: GPL-2.0

//! Interrupt causes, masks and vectors (datasheet 8.8).

use kernel::io::register;

/// Marks an entry of IVAR as in use.
pub(crate) const IVAR_VALID: u32 = 0x80;

register! {
    /// Interrupt cause; a read clears it (8.8.9). This is the alias at C0h,
    /// which real devices and QEMU's model both decode.
    pub(crate) ICR(u32) @ 0x00c0 {
        31:0 causes;
        /// Link status change.
        2:2 lsc => bool;
        /// A VF's mailbox or reset.
        8:8 vmmb => bool;
        /// DMA out of sync: the transmit path stopped on a bad descriptor, or a
        /// VF was caught spoofing.
        28:28 doutsync => bool;
    }

    /// Interrupt cause set, alias at C8h.
    pub(crate) ICS(u32) @ 0x00c8 {
        /// A VF's mailbox or reset.
        8:8 vmmb => bool;
    }

    /// Interrupt mask set, alias at D0h.
    pub(crate) IMS(u32) @ 0x00d0 {
        /// Link status change.
        2:2 lsc => bool;
        /// A VF's mailbox or reset.
        8:8 vmmb => bool;
        /// DMA out of sync.
        28:28 doutsync => bool;
    }

    /// Interrupt mask clear (8.8.12), alias at D8h.
    pub(crate) IMC(u32) @ 0x00d8 {
        31:0 causes;
    }

    /// General purpose interrupt enable. Chosen once, before any other
    /// interrupt register: what they mean depends on it, for VFs too.
    pub(crate) GPIE(u32) @ 0x1514 {
        /// A read of ICR clears it whatever is masked.
        0:0 nsicr => bool;
        /// A vector per cause, not one for all.
        4:4 msix_mode => bool;
        /// EIAM masks vectors when they fire.
        30:30 eiame => bool;
        /// The pending bits of MSI-X are supported.
        31:31 pba_support => bool;
    }

    /// Extended interrupt cause set.
    pub(crate) EICS(u32) @ 0x1520 {
        31:0 vectors;
    }

    /// Extended interrupt mask set.
    pub(crate) EIMS(u32) @ 0x1524 {
        31:0 vectors;
    }

    /// Extended interrupt mask clear (8.8.5).
    pub(crate) EIMC(u32) @ 0x1528 {
        31:0 vectors;
    }

    /// Vectors whose cause clears when they fire.
    pub(crate) EIAC(u32) @ 0x152c {
        31:0 vectors;
    }

    /// Vectors that are masked when they fire. Without effect in QEMU's
    /// model.
    pub(crate) EIAM(u32) @ 0x1530 {
        31:0 vectors;
    }

    /// Interrupt throttle, per vector.
    pub(crate) EITR(u32)[25] @ 0x1680 {
        /// Least time between two interrupts, in microseconds.
        14:2 interval;
        /// The time that has run is left as it is when this is written.
        31:31 keep_counter => bool;
    }

    /// Vectors of queue n (low half) and n + 8 (high half), n being the index
    /// (a byte each for receive and transmit).
    pub(crate) IVAR(u32)[8] @ 0x1700 {
        31:0 entries;
    }

    /// Vectors of causes that are no queue's.
    pub(crate) IVAR_MISC(u32) @ 0x1740 {
        /// The TCP timer.
        7:0 timer;
        /// All causes of ICR.
        15:8 other;
    }
}
