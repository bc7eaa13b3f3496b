// SPDX-License-Identifier: GPL-2.0

//! The first page of a VF's BAR where the guest does not reach it by itself: control,
//! mailbox, statistics.
//!
//! What differs from the registers is answered here; all else passes.

use super::{
    logic::{
        statistics::Statistics,
        window::words, //
    },
    platform::Platform,
    registers, //
};
use crate::regs::{
    interrupt::ICS,
    mailbox::V2PMAILBOX, //
};
use kernel::{
    io::{
        register::Array,
        Io, //
    },
    prelude::*, //
};

/// Bytes of the page.
pub(crate) const SIZE: u64 = 0x1000;

/// Where the VF has its mailbox register.
const MAILBOX: u64 = 0x0c40;

/// Where the VF has its control register: at both places it is the same.
const CONTROL: [u32; 2] = [0x0, 0x4];

/// VTCTRL: the VF is reset.
const RESET: u32 = 1 << 26;

/// Bytes of a register.
const REGISTER: u64 = 4;

/// Whether something is to be said of the register at `offset` that the device does not
/// say.
fn differs<'a, P: Platform<'a>>(platform: &P, vf: usize, ahead: &Statistics, offset: u64) -> bool {
    if offset == MAILBOX {
        return platform.with_vfs(|vfs, _| vfs.held(vf).any_for_vf());
    }
    ahead.at(offset).is_some_and(|ahead| ahead != 0)
}

/// The register at `offset` as the guest is to see it; 0 of those that are the same for
/// all guests, which no driver reads together with others.
fn register<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    ahead: &Statistics,
    offset: u64,
) -> Result<u32> {
    if offset == MAILBOX {
        return mailbox(platform, vf);
    }
    let seen = ahead.seen(registers::read_statistics(platform.io(), vf)?);
    Ok(seen.at(offset).unwrap_or(0))
}

/// The mailbox register, with the notices that are held for the VF; it has found them
/// then, as if they had been in the register.
fn mailbox<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result<u32> {
    platform.with_vfs(|vfs, _| {
        let held = vfs.held(vf);
        let seen = platform
            .io()
            .try_read(V2PMAILBOX::try_at(vf).ok_or(EINVAL)?)?;
        vfs.found(vf);
        let merged = seen
            .with_pfsts(seen.pfsts() || held.message)
            .with_pfack(seen.pfack() || held.taken)
            .with_rstd(seen.rstd() || held.reset_done)
            .with_vfu(seen.vfu() || held.locked);
        Ok(merged.into_raw())
    })
}

/// A read of `bytes.len()` bytes at `offset`, naturally aligned; `false` if the device
/// is to be asked. Errors: none that can happen.
pub(crate) fn read<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    ahead: &Statistics,
    offset: u64,
    bytes: &mut [u8],
) -> Result<bool> {
    let end = offset
        .checked_add(u64::try_from(bytes.len())?)
        .ok_or(EINVAL)?;
    let first = offset - offset % REGISTER;
    let registers = || (first..end).step_by(size_of::<u32>());
    if !registers().any(|at| differs(platform, vf, ahead, at)) {
        return Ok(false);
    }
    let skipped = usize::try_from(offset - first)?;
    let mut places = bytes.iter_mut();
    for (at, skipped) in registers().zip([skipped, 0]) {
        let value = register(platform, vf, ahead, at)?.to_le_bytes();
        for (byte, place) in value.iter().skip(skipped).zip(&mut places) {
            *place = *byte;
        }
    }
    Ok(true)
}

/// Whether a write of `bytes` at `offset`, naturally aligned, resets the VF.
pub(crate) fn resets(offset: u64, bytes: &[u8]) -> bool {
    u32::try_from(offset).is_ok_and(|offset| {
        words(offset, bytes)
            .into_iter()
            .flatten()
            .any(|(at, value)| CONTROL.contains(&at) && value & RESET != 0)
    })
}

/// A write of `bytes` at `offset`, naturally aligned; `false` if it is to be passed on to
/// the device.
pub(crate) fn write<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    offset: u64,
    bytes: &[u8],
) -> bool {
    let word = match bytes {
        &[a, b, c, d, ..] if offset == MAILBOX => u32::from_le_bytes([a, b, c, d]),
        _ => return false,
    };
    let value = V2PMAILBOX::from_raw(word);
    let (request, read) = (value.request(), value.read());
    let held = platform.with_vfs(|vfs, _| vfs.writes_mailbox(vf, request, read, value.vfu()));
    if held && (request || read) {
        // The PF looks at its VFs' mailboxes.
        platform.io().write_reg(ICS::zeroed().with_vmmb(true));
    }
    held
}
