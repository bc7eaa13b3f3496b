// SPDX-License-Identifier: GPL-2.0

//! Statistics of VFs, read only and never cleared (datasheet 8.27). A VF's
//! registers are 100h apart.

use kernel::io::register;

register! {
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
}
