// SPDX-License-Identifier: GPL-2.0

//! What a VF's transmit queues write to its guest's memory: rings, and heads.
//!
//! They are logged as a whole. Documentation/dirty-tracking.rst says when.

use super::{
    logic::{
        queues::{
            TxQueue,
            ENABLE, //
        },
        state::QUEUES,
        window::TxRegister, //
    },
    platform::Platform,
    registers::{
        queue,
        read_tx, //
    },
    windows, //
};
use crate::regs::{
    tx::TXDCTL,
    vf::PVFGPTC, //
};
use kernel::{
    io::{
        register::Array,
        Io, //
    },
    prelude::*, //
};

/// TDWBAL: the head is written to memory; and the bits that are no address.
const WRITE_BACK: u64 = 1;
const WRITE_BACK_FLAGS: u64 = 0b11;

/// Bytes of a head that is written to memory.
const HEAD: u64 = 4;

/// How thoroughly transmit queues are looked at.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Transmit {
    /// What they may have written counts if anything tells that they have sent.
    IfActive,
    /// It counts in any case.
    Always,
}

/// Tells what a transmit queue may have written.
fn mark_tx<'a, P: Platform<'a>>(platform: &P, queue: &TxQueue) {
    let ring = &queue.ring;
    let len = u64::from(ring.length).min(u64::MAX - ring.base);
    if len != 0 {
        platform.mark_dirty(ring.base, len);
    }
    if queue.write_back & WRITE_BACK != 0 {
        let place = queue.write_back & !WRITE_BACK_FLAGS;
        platform.mark_dirty(place, HEAD.min(u64::MAX - place));
    }
}

/// The transmit queues of a VF that is logged.
pub(super) struct TxLog {
    /// As they were when they were last looked at.
    known: [TxQueue; QUEUES],
    /// Whether they were last told to run, as far as that was seen: the device may take its
    /// time, and a reset switches off what was told to run.
    told: [bool; QUEUES],
    /// How many packets had been sent then.
    sent: u32,
}

impl TxLog {
    /// Of VF `vf`. Errors: `EINVAL` if there is no such VF.
    pub(super) fn new<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result<Self> {
        let io = platform.io();
        let mut known = [TxQueue::default(); QUEUES];
        for (index, place) in known.iter_mut().enumerate() {
            *place = read_tx(io, queue(vf, index)?)?;
        }
        let sent = io.try_read(PVFGPTC::try_at(vf).ok_or(EINVAL)?)?.into_raw();
        let told = known.map(|queue| queue.control & ENABLE != 0);
        Ok(Self { known, told, sent })
    }

    /// Tells what the queues may have written: as they were, and as they are.
    pub(super) fn look<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        vf: usize,
        how: Transmit,
    ) -> Result {
        let now = Self::new(platform, vf)?;
        let is_active = match how {
            Transmit::Always => true,
            Transmit::IfActive => {
                let mut queues = self.known.iter().zip(&now.known);
                self.sent != now.sent || queues.any(|(was, is)| was.ring.head != is.ring.head)
            }
        };
        if is_active {
            for ((was, is), told) in self.known.iter().zip(&now.known).zip(self.told) {
                // One that is off may have sent before, but not if nothing of it has changed.
                let may_have_sent = told || (was.control | is.control) & ENABLE != 0 || was != is;
                if !may_have_sent {
                    continue;
                }
                mark_tx(platform, is);
                let moved = (was.ring.base, was.ring.length, was.write_back)
                    != (is.ring.base, is.ring.length, is.write_back);
                if moved {
                    mark_tx(platform, was);
                }
            }
        }
        let told = self.told;
        *self = now;
        if how == Transmit::IfActive {
            for (now, before) in self.told.iter_mut().zip(told) {
                *now |= before;
            }
        }
        Ok(())
    }

    /// The guest writes to a register of queue `index`, number `q` in the device. Errors: none
    /// that can happen.
    pub(super) fn write<'a, P: Platform<'a>>(
        &mut self,
        platform: &P,
        (index, q): (usize, usize),
        register: TxRegister,
        value: u32,
    ) -> Result {
        let io = platform.io();
        let write = || windows::write_tx(io, q, register, value);
        match register {
            TxRegister::Head | TxRegister::Hints | TxRegister::Tail => write(),
            TxRegister::BaseLow
            | TxRegister::BaseHigh
            | TxRegister::Length
            | TxRegister::Control
            | TxRegister::WriteBackLow
            | TxRegister::WriteBackHigh => {
                let was = read_tx(io, q)?;
                write()?;
                let (Some(known), Some(told)) =
                    (self.known.get_mut(index), self.told.get_mut(index))
                else {
                    return Ok(());
                };
                if *told || was.control & ENABLE != 0 {
                    // It writes there no longer.
                    mark_tx(platform, &was);
                    mark_tx(platform, known);
                }
                if register == TxRegister::Control {
                    *told = TXDCTL::from_raw(value).enable();
                }
                // But whether anything was sent is still to be told by the head.
                let head = known.ring.head;
                *known = read_tx(io, q)?;
                known.ring.head = head;
                Ok(())
            }
        }
    }
}
