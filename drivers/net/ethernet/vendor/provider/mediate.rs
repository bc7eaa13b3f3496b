// SPDX-License-Identifier: GPL-2.0

//! The mediate ops of this driver: what it takes part in of a VF's life.
//!
//! No transport is in force yet, so every access passes through and the VF is
//! exactly as under vfio-pci; what is mediated is that the VF is known to be open.

use kernel::prelude::*;

/// The provider's name in logs and debugfs.
pub(crate) const NAME: &CStr = c"igb_rs";

/// Vendor and device ids of the VFs.
pub(crate) const VF_IDS: [(u32, u32); 1] = [(0x8086, 0x10ca)];

/// A range of a VF's BAR.
pub(crate) struct Window {
    /// BAR index.
    pub(crate) region: u32,
    /// First byte.
    pub(crate) offset: u64,
    /// Bytes.
    pub(crate) size: u64,
}

/// What can be trapped: BAR0's page of all RX and its page of all TX registers.
pub(crate) const WINDOWS: [Window; 2] = [
    Window {
        region: 0,
        offset: 0x2000,
        size: 0x1000,
    },
    Window {
        region: 0,
        offset: 0x3000,
        size: 0x1000,
    },
];

/// What a hook answers.
pub(crate) enum Answer {
    /// vfio-pci's behaviour applies.
    Pass,
}

/// A VF that is open through vfio.
pub(crate) struct MediatedVf {
    index: u16,
}

impl MediatedVf {
    /// VF `index` of a bound PF is opened.
    pub(crate) fn open(index: u16) -> Result<Self> {
        pr_debug!("VF {index} opened\n");
        Ok(Self { index })
    }

    /// A BAR is described to the VMM.
    pub(crate) fn region(&self, _bar: u32) -> Result<Answer> {
        Ok(Answer::Pass)
    }

    /// A register is read or written through the device's file.
    pub(crate) fn rw(&self, _bar: u32, _offset: u64) -> Result<Answer> {
        Ok(Answer::Pass)
    }

    /// A BAR is mapped.
    pub(crate) fn map(&self, _bar: u32, _offset: u64) -> Result<Answer> {
        Ok(Answer::Pass)
    }
}

impl Drop for MediatedVf {
    fn drop(&mut self) {
        pr_debug!("VF {} closed\n", self.index);
    }
}
