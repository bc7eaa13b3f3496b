// SPDX-License-Identifier: GPL-2.0

//! Registers of a VF's queues where the guest does not reach them by itself: written for
//! it, and shown to it.

use super::{
    logic::{
        state::QUEUES,
        window::{
            Page,
            Place,
            RxRegister,
            TxRegister,
            OTHER, //
        }, //
    },
    platform::Platform,
    registers::queue, //
};
use crate::regs::{
    rx::{
        RDBAH,
        RDBAL,
        RDH,
        RDLEN,
        RDT,
        RQDPC,
        RXCTL,
        RXDCTL,
        SRRCTL, //
    },
    tx::{
        TDBAH,
        TDBAL,
        TDH,
        TDLEN,
        TDT,
        TDWBAH,
        TDWBAL,
        TXCTL,
        TXDCTL, //
    },
    Registers, //
};
use kernel::{
    io::register::{
        Array,
        RegisterArray,
        RegisterArrayLoc, //
    },
    prelude::*, //
};

fn at<T: Array + RegisterArray>(index: usize) -> Result<RegisterArrayLoc<T>> {
    T::try_at(index).ok_or(EINVAL)
}

/// Writes a register of receive queue `q` of the device. Errors: none that can happen.
pub(super) fn write_rx<'a, I: Registers<'a>>(
    io: I,
    q: usize,
    register: RxRegister,
    value: u32,
) -> Result {
    match register {
        RxRegister::BaseLow => io.try_write(at::<RDBAL>(q)?, RDBAL::from_raw(value)),
        RxRegister::BaseHigh => io.try_write(at::<RDBAH>(q)?, RDBAH::from_raw(value)),
        RxRegister::Length => io.try_write(at::<RDLEN>(q)?, RDLEN::from_raw(value)),
        RxRegister::Shape => io.try_write(at::<SRRCTL>(q)?, SRRCTL::from_raw(value)),
        RxRegister::Head => io.try_write(at::<RDH>(q)?, RDH::from_raw(value)),
        RxRegister::Hints => io.try_write(at::<RXCTL>(q)?, RXCTL::from_raw(value)),
        RxRegister::Tail => io.try_write(at::<RDT>(q)?, RDT::from_raw(value)),
        RxRegister::Control => io.try_write(at::<RXDCTL>(q)?, RXDCTL::from_raw(value)),
        RxRegister::Dropped => io.try_write(at::<RQDPC>(q)?, RQDPC::from_raw(value)),
    }
}

fn read_rx<'a, I: Registers<'a>>(io: I, q: usize, register: RxRegister) -> Result<u32> {
    Ok(match register {
        RxRegister::BaseLow => io.try_read(at::<RDBAL>(q)?)?.into_raw(),
        RxRegister::BaseHigh => io.try_read(at::<RDBAH>(q)?)?.into_raw(),
        RxRegister::Length => io.try_read(at::<RDLEN>(q)?)?.into_raw(),
        RxRegister::Shape => io.try_read(at::<SRRCTL>(q)?)?.into_raw(),
        RxRegister::Head => io.try_read(at::<RDH>(q)?)?.into_raw(),
        RxRegister::Hints => io.try_read(at::<RXCTL>(q)?)?.into_raw(),
        RxRegister::Tail => io.try_read(at::<RDT>(q)?)?.into_raw(),
        RxRegister::Control => io.try_read(at::<RXDCTL>(q)?)?.into_raw(),
        RxRegister::Dropped => io.try_read(at::<RQDPC>(q)?)?.into_raw(),
    })
}

/// Writes a register of transmit queue `q` of the device. Errors: none that can happen.
pub(super) fn write_tx<'a, I: Registers<'a>>(
    io: I,
    q: usize,
    register: TxRegister,
    value: u32,
) -> Result {
    match register {
        TxRegister::BaseLow => io.try_write(at::<TDBAL>(q)?, TDBAL::from_raw(value)),
        TxRegister::BaseHigh => io.try_write(at::<TDBAH>(q)?, TDBAH::from_raw(value)),
        TxRegister::Length => io.try_write(at::<TDLEN>(q)?, TDLEN::from_raw(value)),
        TxRegister::Head => io.try_write(at::<TDH>(q)?, TDH::from_raw(value)),
        TxRegister::Hints => io.try_write(at::<TXCTL>(q)?, TXCTL::from_raw(value)),
        TxRegister::Tail => io.try_write(at::<TDT>(q)?, TDT::from_raw(value)),
        TxRegister::Control => io.try_write(at::<TXDCTL>(q)?, TXDCTL::from_raw(value)),
        TxRegister::WriteBackLow => io.try_write(at::<TDWBAL>(q)?, TDWBAL::from_raw(value)),
        TxRegister::WriteBackHigh => io.try_write(at::<TDWBAH>(q)?, TDWBAH::from_raw(value)),
    }
}

fn read_tx<'a, I: Registers<'a>>(io: I, q: usize, register: TxRegister) -> Result<u32> {
    Ok(match register {
        TxRegister::BaseLow => io.try_read(at::<TDBAL>(q)?)?.into_raw(),
        TxRegister::BaseHigh => io.try_read(at::<TDBAH>(q)?)?.into_raw(),
        TxRegister::Length => io.try_read(at::<TDLEN>(q)?)?.into_raw(),
        TxRegister::Head => io.try_read(at::<TDH>(q)?)?.into_raw(),
        TxRegister::Hints => io.try_read(at::<TXCTL>(q)?)?.into_raw(),
        TxRegister::Tail => io.try_read(at::<TDT>(q)?)?.into_raw(),
        TxRegister::Control => io.try_read(at::<TXDCTL>(q)?)?.into_raw(),
        TxRegister::WriteBackLow => io.try_read(at::<TDWBAL>(q)?)?.into_raw(),
        TxRegister::WriteBackHigh => io.try_read(at::<TDWBAH>(q)?)?.into_raw(),
    })
}

/// Shows the guest of VF `vf` what is at `place` now. Errors: none that can happen.
fn show<'a, P: Platform<'a>>(platform: &P, vf: usize, place: Place) -> Result {
    let value = match place {
        Place::Rx(index, register) => read_rx(platform.io(), queue(vf, index)?, register)?,
        Place::Tx(index, register) => read_tx(platform.io(), queue(vf, index)?, register)?,
    };
    platform.show(place.page(), place.offset(), value);
    Ok(())
}

/// Shows the guest of VF `vf` what has changed by a write to `place`: the register, and
/// those of its queue that the device changes by itself. Errors: none that can happen.
pub(super) fn show_changes<'a, P: Platform<'a>>(platform: &P, vf: usize, place: Place) -> Result {
    show(platform, vf, place)?;
    let others = match place {
        Place::Rx(queue, _) => [
            Place::Rx(queue, RxRegister::Head),
            Place::Rx(queue, RxRegister::Control),
        ],
        Place::Tx(queue, _) => [
            Place::Tx(queue, TxRegister::Head),
            Place::Tx(queue, TxRegister::Control),
        ],
    };
    for other in others.into_iter().filter(|&other| other != place) {
        show(platform, vf, other)?;
    }
    Ok(())
}

/// Shows the guest of VF `vf` all that it may read. Errors: none that can happen.
///
/// On hardware a read clears the count of packets dropped, so that a guest finds but those
/// since the last time while it is trapped.
pub(super) fn show_all<'a, P: Platform<'a>>(platform: &P, vf: usize) -> Result {
    for page in Page::ALL {
        platform.show(page, OTHER, 0);
    }
    for queue in 0..QUEUES {
        for register in RxRegister::ALL {
            show(platform, vf, Place::Rx(queue, register))?;
        }
        for register in TxRegister::ALL {
            show(platform, vf, Place::Tx(queue, register))?;
        }
    }
    Ok(())
}
