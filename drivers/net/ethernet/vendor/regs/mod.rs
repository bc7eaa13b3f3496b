// SPDX-License-Identifier: GPL-2.0

//! Registers of the 82576 as the PF sees them in BAR0, a file per unit.
//!
//! Names and offsets are those of the Intel 82576EB datasheet, chapter 8.

use kernel::io::{
    Io,
    IoCapable,
    Region, //
};

pub(crate) mod filter;
pub(crate) mod flow;
pub(crate) mod interrupt;
pub(crate) mod mac;
pub(crate) mod mailbox;
pub(crate) mod phy;
pub(crate) mod pool;
pub(crate) mod rss;
pub(crate) mod rx;
pub(crate) mod statistics;
pub(crate) mod tx;
pub(crate) mod vf;
pub(crate) mod wake;

/// Size of BAR0 in bytes (datasheet 9.4.11).
pub(crate) const BAR_SIZE: usize = 0x2_0000;

/// BAR0 of a PF.
pub(crate) type Bar0<'a> = kernel::pci::Bar<'a, BAR_SIZE>;

/// BAR0 of a PF, or something that behaves like it.
pub(crate) trait Registers<'a>:
    Io<'a, Target = Region<BAR_SIZE>, Backend: IoCapable<u32>>
{
}

impl<'a, T> Registers<'a> for T where T: Io<'a, Target = Region<BAR_SIZE>, Backend: IoCapable<u32>> {}
