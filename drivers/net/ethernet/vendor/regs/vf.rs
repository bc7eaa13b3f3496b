// SPDX-License-Identifier: GPL-2.0

//! A VF's own registers as the PF reaches them (datasheet 8.26 and 8.27): control,
//! interrupts, and statistics, which are read only and never cleared. A VF's
//! registers are 100h apart but for the two that choose vectors.
//!
//! Those of interrupts do not tell what is in force in QEMU's model, but what was
//! written last: for masks and automatic clearing read the PF's EIMS and EIAC. The
//! VF's cause register is left out on purpose: a read clears it.

use kernel::io::register;

register! {
    /// Vectors to be raised, bit n for the VF's vector n.
    pub(crate) PVTEICS(u32)[8, stride = 0x100] @ 0x10020 {
        2:0 vectors;
    }

    /// Vectors to be unmasked.
    pub(crate) PVTEIMS(u32)[8, stride = 0x100] @ 0x10024 {
        2:0 vectors;
    }

    /// Vectors to be masked.
    pub(crate) PVTEIMC(u32)[8, stride = 0x100] @ 0x10028 {
        2:0 vectors;
    }

    /// Vectors whose cause clears when they fire. QEMU's model sets bits only.
    pub(crate) PVTEIAC(u32)[8, stride = 0x100] @ 0x1002c {
        2:0 vectors;
    }

    /// Vectors that are masked when they fire.
    pub(crate) PVTEIAM(u32)[8, stride = 0x100] @ 0x10030 {
        2:0 vectors;
    }

    /// Vectors of both queues: a byte each for receive and transmit of the first,
    /// then of the second. QEMU's model ORs what is written into the PF's IVAR.
    pub(crate) PVTIVAR(u32)[8] @ 0x11700 {
        31:0 entries;
    }

    /// Vector of the mailbox.
    pub(crate) PVTIVAR_MISC(u32)[8] @ 0x11720 {
        7:0 mailbox;
    }

    /// Shapes of received packets whose headers are split off.
    pub(crate) PSRTYPE(u32)[8] @ 0x5480 {
        31:0 types;
    }

    /// Packets received.
    pub(crate) PVFGPRC(u32)[8, stride = 0x100] @ 0x10010 {
        31:0 count;
    }

    /// Packets sent.
    pub(crate) PVFGPTC(u32)[8, stride = 0x100] @ 0x10014 {
        31:0 count;
    }

    /// Bytes received.
    pub(crate) PVFGORC(u32)[8, stride = 0x100] @ 0x10018 {
        31:0 count;
    }

    /// Bytes sent.
    pub(crate) PVFGOTC(u32)[8, stride = 0x100] @ 0x10034 {
        31:0 count;
    }

    /// Multicast packets received.
    pub(crate) PVFMPRC(u32)[8, stride = 0x100] @ 0x1003c {
        31:0 count;
    }

    /// Bytes received over the switch alone.
    pub(crate) PVFGORLBC(u32)[8, stride = 0x100] @ 0x10048 {
        31:0 count;
    }

    /// Bytes sent over the switch alone.
    pub(crate) PVFGOTLBC(u32)[8, stride = 0x100] @ 0x10050 {
        31:0 count;
    }

    /// Packets received over the switch alone.
    pub(crate) PVFGPRLBC(u32)[8, stride = 0x100] @ 0x10040 {
        31:0 count;
    }

    /// Packets sent over the switch alone.
    pub(crate) PVFGPTLBC(u32)[8, stride = 0x100] @ 0x10044 {
        31:0 count;
    }
}
