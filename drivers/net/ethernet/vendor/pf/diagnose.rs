// SPDX-License-Identifier: GPL-2.0

//! What tells whether a device is sound: a dump of its registers, and tests.

use crate::regs::{
    filter::{
        MTA,
        RAH,
        RAL,
        VFTA, //
    },
    mac::EERD,
    rx::{
        RDBAH,
        RDBAL, //
    },
    tx::{
        TDBAH,
        TDBAL, //
    },
    Bar0,
    Registers, //
};
use kernel::{
    io::{
        poll::read_poll_timeout,
        register::Array,
        Io, //
    },
    num::Bounded,
    prelude::*,
    time::Delta, //
};

/// Version of the dump: of [`DUMPED`].
pub(crate) const DUMP_VERSION: u32 = 2;

/// Registers of the dump, by their offsets, in its order. None of them changes by being read.
pub(crate) const DUMPED: [usize; 66] = [
    // CTRL, STATUS, CTRL_EXT, EECD, MDIC, LEDCTL.
    0x0000, 0x0008, 0x0018, 0x0010, 0x0020, 0x0e00, //
    // GPIE, EIMS, EIAC, EIAM, IMS, IVAR0 to 3, IVAR_MISC.
    0x1514, 0x1524, 0x152c, 0x1530, 0x00d0, 0x1700, 0x1704, 0x1708, 0x170c, 0x1740, //
    // EITR0 to 8.
    0x1680, 0x1684, 0x1688, 0x168c, 0x1690, 0x1694, 0x1698, 0x169c, 0x16a0, //
    // RCTL, RLPML, RXCSUM, MRQC, VT_CTL, RETA0, RAL0, RAH0.
    0x0100, 0x5004, 0x5000, 0x5818, 0x581c, 0x5c00, 0x5400, 0x5404, //
    // TCTL, DTXCTL, DTXSWC, VFRE, VFTE.
    0x0400, 0x3590, 0x3500, 0x0c8c, 0x0c90, //
    // FCTTV, FCRTL, FCRTH.
    0x0170, 0x2160, 0x2168, //
    // Of receive queues 0 and 1: RDBAL, RDBAH, RDLEN, SRRCTL, RDH, RDT, RXDCTL.
    0xc000, 0xc004, 0xc008, 0xc00c, 0xc010, 0xc018, 0xc028, //
    0xc040, 0xc044, 0xc048, 0xc04c, 0xc050, 0xc058, 0xc068, //
    // Of transmit queues 0 and 1: TDBAL, TDBAH, TDLEN, TDH, TDT, TXDCTL.
    0xe000, 0xe004, 0xe008, 0xe010, 0xe018, 0xe028, //
    0xe040, 0xe044, 0xe048, 0xe050, 0xe058,
];

/// Reads the registers of [`DUMPED`].
pub(crate) fn dump(bar: &Bar0<'_>, words: &mut [u32]) {
    for (word, offset) in words.iter_mut().zip(DUMPED) {
        *word = bar.try_read32(offset).unwrap_or(u32::MAX);
    }
}

/// Patterns that no constant passes for.
const PATTERNS: [u32; 4] = [0x5a5a_5a5a, 0xa5a5_a5a5, 0x0000_0000, 0xffff_ffff];

/// Whether registers of rings and filters hold what is written. The queues must be stopped;
/// what was in the registers is lost.
pub(crate) fn registers_hold<'a, I: Registers<'a>>(io: I) -> bool {
    PATTERNS.iter().all(|&pattern| {
        // Bases of rings are aligned to 128 bytes.
        let aligned = pattern & !0x7f;
        let ring = |index| -> Result<bool> {
            let at = RDBAL::try_at(index).ok_or(EINVAL)?;
            io.try_write(at, RDBAL::from(aligned))?;
            let mut holds = io.try_read(RDBAL::try_at(index).ok_or(EINVAL)?)?.into_raw() == aligned;
            io.try_write(TDBAL::try_at(index).ok_or(EINVAL)?, TDBAL::from(aligned))?;
            holds &= io.try_read(TDBAL::try_at(index).ok_or(EINVAL)?)?.into_raw() == aligned;
            io.try_write(RDBAH::try_at(index).ok_or(EINVAL)?, RDBAH::from(pattern))?;
            holds &= io.try_read(RDBAH::try_at(index).ok_or(EINVAL)?)?.into_raw() == pattern;
            io.try_write(TDBAH::try_at(index).ok_or(EINVAL)?, TDBAH::from(pattern))?;
            holds &= io.try_read(TDBAH::try_at(index).ok_or(EINVAL)?)?.into_raw() == pattern;
            Ok(holds)
        };
        let filter = || -> Result<bool> {
            io.try_write(MTA::try_at(127).ok_or(EINVAL)?, MTA::from(pattern))?;
            let mut holds = io.try_read(MTA::try_at(127).ok_or(EINVAL)?)?.into_raw() == pattern;
            io.try_write(VFTA::try_at(127).ok_or(EINVAL)?, VFTA::from(pattern))?;
            holds &= io.try_read(VFTA::try_at(127).ok_or(EINVAL)?)?.into_raw() == pattern;
            io.try_write(RAL::try_at(15).ok_or(EINVAL)?, RAL::from(pattern))?;
            holds &= io.try_read(RAL::try_at(15).ok_or(EINVAL)?)?.into_raw() == pattern;
            let octets = pattern & 0xffff;
            let address = RAH::zeroed().try_with_octets(octets)?;
            io.try_write(RAH::try_at(15).ok_or(EINVAL)?, address)?;
            holds &= io.try_read(RAH::try_at(15).ok_or(EINVAL)?)?.octets().get() == octets;
            Ok(holds)
        };
        (0..4).all(|index| ring(index).unwrap_or(false)) && filter().unwrap_or(false)
    })
}

/// How long a read of a word may take.
const NVM_TIMEOUT: Delta = Delta::from_millis(10);
const NVM_POLL: Delta = Delta::from_micros(10);

/// Reads a word of the NVM. Sleeps. Errors: `EINVAL` beyond the largest NVM, `ETIMEDOUT`.
pub(crate) fn nvm_word(bar: &Bar0<'_>, address: u16) -> Result<u16> {
    let address = Bounded::<u32, 14>::try_new(u32::from(address)).ok_or(EINVAL)?;
    bar.write_reg(EERD::zeroed().with_address(address).with_start(true));
    let answer = read_poll_timeout(
        || Ok(bar.read(EERD)),
        |answer| answer.done(),
        NVM_POLL,
        NVM_TIMEOUT,
    )?;
    Ok(u16::try_from(answer.data().get())?)
}
