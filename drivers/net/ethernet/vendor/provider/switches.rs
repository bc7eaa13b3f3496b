// SPDX-License-Identifier: GPL-2.0

//! Queues of a VF on and off, and waiting for the device to have done it.
//!
//! A queue that was told to stop still runs while its enable bit reads as set, and may
//! have writes under way for some time after; registers of QEMU's model do at once what
//! they are told.

use super::{
    platform::{
        Fault,
        Platform, //
    },
    registers::queue,
};
use crate::{
    provider::logic::{
        queues::ENABLE,
        state::{
            Device,
            QUEUES, //
        }, //
    },
    regs::{
        rx::{
            RDH,
            RDT,
            RXDCTL, //
        },
        tx::{
            TDH,
            TDT,
            TXDCTL, //
        }, //
    },
};
use kernel::{
    io::{
        register::Array,
        Io, //
    },
    prelude::*, //
};

/// How often, and how long, to look whether the device has done something: 10 ms in all.
const POLL_US: u32 = 100;
const POLLS: u32 = 100;

/// For how long a queue that is off may have writes under way.
const SETTLE_US: u32 = 100;

/// Waits until `done`; whether it was in time.
fn wait<'a, P: Platform<'a>>(
    platform: &P,
    mut done: impl FnMut(P::Io) -> Result<bool>,
) -> Result<bool> {
    for _ in 0..POLLS {
        if done(platform.io())? {
            return Ok(true);
        }
        platform.pause(POLL_US);
    }
    done(platform.io())
}

/// Head and tail of a queue that runs; nothing of one that does not.
fn tx_positions<'a, P: Platform<'a>>(io: P::Io, q: usize) -> Result<Option<(u32, u32)>> {
    if !io.try_read(TXDCTL::try_at(q).ok_or(EINVAL)?)?.enable() {
        return Ok(None);
    }
    let head = io.try_read(TDH::try_at(q).ok_or(EINVAL)?)?.index().get();
    let tail = io.try_read(TDT::try_at(q).ok_or(EINVAL)?)?.index().get();
    Ok(Some((head, tail)))
}

/// Gives VF `vf` a chance to send what it has queued, so that it stops between packets.
/// A guest that goes on queueing is not waited for.
pub(super) fn drain<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result {
    wait(platform, |io| {
        let mut empty = true;
        for index in 0..QUEUES {
            let positions = tx_positions::<P>(io, queue(vf, index)?)?;
            empty &= positions.is_none_or(|(head, tail)| head == tail);
        }
        Ok(empty)
    })
    .map(drop)
}

/// Waits until heads of VF `vf`, which may not receive and send, stand still. Errors:
/// `Busy`.
pub(super) fn settle<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result<(), Fault> {
    let mut last = None;
    let still = wait(platform, |io| {
        let mut heads = [[0; 2]; QUEUES];
        for (index, [rx, tx]) in heads.iter_mut().enumerate() {
            let q = queue(vf, index)?;
            *rx = io.try_read(RDH::try_at(q).ok_or(EINVAL)?)?.index().get();
            *tx = io.try_read(TDH::try_at(q).ok_or(EINVAL)?)?.index().get();
        }
        Ok(last.replace(heads) == Some(heads))
    })?;
    if still {
        Ok(())
    } else {
        Err(Fault::Busy)
    }
}

fn set_rx<'a, P: Platform<'a>>(io: P::Io, q: usize, control: u32) -> Result {
    io.try_write(RXDCTL::try_at(q).ok_or(EINVAL)?, RXDCTL::from_raw(control))
}

/// Sets how transmit queue `q` of the device runs, and whether.
pub(super) fn set_tx<'a, P: Platform<'a>>(io: P::Io, q: usize, control: u32) -> Result {
    io.try_write(TXDCTL::try_at(q).ok_or(EINVAL)?, TXDCTL::from_raw(control))
}

/// Writes the tail of transmit queue `q` of the device.
pub(super) fn set_tx_tail<'a, P: Platform<'a>>(io: P::Io, q: usize, tail: u16) -> Result {
    let place = TDT::try_at(q).ok_or(EINVAL)?;
    io.try_write(place, TDT::zeroed().try_with_index(tail)?)
}

/// Waits until transmit queue `q` of the device is on, or off; whether it was in time.
pub(super) fn await_tx<'a, P: Platform<'a>>(platform: &P, q: usize, on: bool) -> Result<bool> {
    wait(platform, |io| {
        let control = io.try_read(TXDCTL::try_at(q).ok_or(EINVAL)?)?;
        Ok(control.enable() == on)
    })
}

/// Waits until the head of transmit queue `q` of the device is at `head`.
pub(super) fn await_tx_head<'a, P: Platform<'a>>(
    platform: &P,
    q: usize,
    head: u16,
) -> Result<bool> {
    wait(platform, |io| {
        let at = io.try_read(TDH::try_at(q).ok_or(EINVAL)?)?.index();
        Ok(at.get() == u32::from(head))
    })
}

/// Switches all queues of VF `vf` off, and waits until the device has let go of them.
/// Errors: `Busy`.
pub(super) fn stop_all<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result<(), Fault> {
    let io = platform.io();
    for index in 0..QUEUES {
        let q = queue(vf, index)?;
        io.update(RXDCTL::try_at(q).ok_or(EINVAL)?, |r| r.with_enable(false));
        io.update(TXDCTL::try_at(q).ok_or(EINVAL)?, |r| r.with_enable(false));
    }
    let stopped = wait(platform, |io| {
        let mut runs = false;
        for index in 0..QUEUES {
            let q = queue(vf, index)?;
            runs |= io.try_read(RXDCTL::try_at(q).ok_or(EINVAL)?)?.enable();
            runs |= io.try_read(TXDCTL::try_at(q).ok_or(EINVAL)?)?.enable();
        }
        Ok(!runs)
    })?;
    if !stopped {
        return Err(Fault::Busy);
    }
    platform.pause(SETTLE_US);
    Ok(())
}

/// Switches the queues of VF `vf` on that were on in `device`, and gives each its tail.
/// The VF may not receive and send yet, so nothing begins with that.
pub(super) fn start_all<'a, P: Platform<'a>>(
    platform: &P,
    vf: usize,
    device: &Device,
) -> Result<(), Fault> {
    let io = platform.io();
    for (index, state) in device.rx.iter().enumerate() {
        set_rx::<P>(io, queue(vf, index)?, state.control)?;
    }
    for (index, state) in device.tx.iter().enumerate() {
        set_tx::<P>(io, queue(vf, index)?, state.control)?;
    }
    let started = wait(platform, |io| {
        let mut all = true;
        for (index, (rx, tx)) in device.rx.iter().zip(&device.tx).enumerate() {
            let q = queue(vf, index)?;
            let rx_on = io.try_read(RXDCTL::try_at(q).ok_or(EINVAL)?)?.enable();
            let tx_on = io.try_read(TXDCTL::try_at(q).ok_or(EINVAL)?)?.enable();
            all &= rx_on == (rx.control & ENABLE != 0) && tx_on == (tx.control & ENABLE != 0);
        }
        Ok(all)
    })?;
    if !started {
        return Err(Fault::Busy);
    }
    for (index, state) in device.rx.iter().enumerate() {
        let place = RDT::try_at(queue(vf, index)?).ok_or(EINVAL)?;
        io.try_write(place, RDT::zeroed().try_with_index(state.ring.tail)?)?;
    }
    for (index, state) in device.tx.iter().enumerate() {
        set_tx_tail::<P>(io, queue(vf, index)?, state.ring.tail)?;
    }
    Ok(())
}

/// Tells the device again of what VF `vf`, which may send from now on, queued while it
/// might not. Writing a tail is what makes it look. A queue without anything in it is
/// left alone, for its driver may be writing the tail just now.
pub(super) fn kick<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result {
    let io = platform.io();
    for index in 0..QUEUES {
        let q = queue(vf, index)?;
        if let Some((head, tail)) = tx_positions::<P>(io, q)? {
            if head != tail {
                set_tx_tail::<P>(io, q, u16::try_from(tail)?)?;
            }
        }
    }
    Ok(())
}
