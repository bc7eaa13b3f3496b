// SPDX-License-Identifier: GPL-2.0

//! The PHY, reached through MDIC (datasheet 8.2), and the semaphore that the port's PHY is
//! behind.

use super::{
    flow::Ways,
    modes::{
        Offer,
        Wanted,
        CONTROL_FAST,
        CONTROL_FULL,
        CONTROL_POWER_DOWN, //
    }, //
};
use crate::regs::{
    mac::STATUS,
    phy::{
        MDIC,
        SWSM,
        SW_FW_SYNC, //
    },
    Bar0, //
};
use kernel::{
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    prelude::*,
    time::Delta, //
};

/// How long one operation may take: 64 µs on the wire, generously.
const MDIC_TIMEOUT: Delta = Delta::from_millis(5);
const MDIC_POLL: Delta = Delta::from_micros(50);

/// How long others may hold the semaphores, firmware above all.
const SEMAPHORE_TIMEOUT: Delta = Delta::from_secs(1);
const SEMAPHORE_POLL: Delta = Delta::from_millis(1);

const OP_WRITE: u32 = 1;
const OP_READ: u32 = 2;

/// Address of the internal PHY, as ethtool shows it.
pub(crate) const ADDRESS: u8 = 1;

/// The same, as MDIC wants it.
const MDIC_ADDRESS: u32 = 1;

/// Registers of every PHY (IEEE 802.3, 22.2.4).
const CONTROL: u32 = 0;
const STATUS_REGISTER: u32 = 1;
const ADVERTISEMENT: u32 = 4;
const PARTNER: u32 = 5;
const GIGABIT_CONTROL: u32 = 9;
const GIGABIT_STATUS: u32 = 10;
const CONTROL_LOOPBACK: u16 = 1 << 14;
const CONTROL_RESET: u16 = 1 << 15;
const STATUS_LINK: u16 = 1 << 2;

/// A register of this PHY's own.
const PORT_CONTROL: u32 = 18;

/// The PHY of a port. Methods sleep, and are serialized by the owner's lock.
pub(crate) struct Phy {
    /// Port number on a device of two.
    port: u32,
}

impl Phy {
    /// The PHY of the port behind `bar`.
    pub(crate) fn new(bar: &Bar0<'_>) -> Self {
        Self {
            port: bar.read(STATUS).lan_id().get(),
        }
    }

    /// Makes the link, anew if there was one, with `ways` for flow control where it is
    /// negotiated. Errors: `EIO` if the PHY does not answer, `ETIMEDOUT`.
    pub(crate) fn connect(&self, bar: &Bar0<'_>, wanted: Wanted, ways: Ways) -> Result {
        self.locked(bar, |bar| {
            if let Wanted::Negotiated(modes) = wanted {
                let before = read::<ADVERTISEMENT>(bar)?;
                write::<ADVERTISEMENT>(bar, ways.advertise(modes.advertise(before)))?;
                let before = read::<GIGABIT_CONTROL>(bar)?;
                write::<GIGABIT_CONTROL>(bar, modes.advertise_gigabit(before))?;
            }
            let before = read::<PORT_CONTROL>(bar)?;
            write::<PORT_CONTROL>(bar, wanted.port_control(before))?;
            let before = read::<CONTROL>(bar)?;
            write::<CONTROL>(bar, wanted.control(before))
        })
    }

    /// Switches the PHY off, until the next [`connect`](Self::connect). Errors: as for
    /// `connect`.
    pub(crate) fn switch_off(&self, bar: &Bar0<'_>) -> Result {
        self.locked(bar, |bar| {
            let control = read::<CONTROL>(bar)?;
            write::<CONTROL>(bar, control | CONTROL_POWER_DOWN)
        })
    }

    /// Lets the PHY send back what the MAC sends, at 1000 Mb/s. Errors: as for `connect`.
    pub(crate) fn loop_back(&self, bar: &Bar0<'_>) -> Result {
        self.locked(bar, |bar| {
            write::<CONTROL>(bar, CONTROL_LOOPBACK | CONTROL_FULL | CONTROL_FAST)
        })
    }

    /// Ends [`loop_back`](Self::loop_back); the link must be made anew then. Errors: as for
    /// `connect`.
    pub(crate) fn end_loop_back(&self, bar: &Bar0<'_>) -> Result {
        self.locked(bar, |bar| {
            let control = read::<CONTROL>(bar)?;
            write::<CONTROL>(bar, (control & !CONTROL_LOOPBACK) | CONTROL_RESET)
        })
    }

    /// Whether the PHY has a link now. Errors: as for `connect`.
    pub(crate) fn has_link(&self, bar: &Bar0<'_>) -> Result<bool> {
        self.locked(bar, |bar| {
            // The bit remembers a loss until it is read.
            read::<STATUS_REGISTER>(bar)?;
            Ok(read::<STATUS_REGISTER>(bar)? & STATUS_LINK != 0)
        })
    }

    /// The flow control that was negotiated. Errors: as for `connect`.
    pub(crate) fn flow(&self, bar: &Bar0<'_>) -> Result<Ways> {
        self.locked(bar, |bar| {
            let ours = read::<ADVERTISEMENT>(bar)?;
            Ok(Ways::resolve(ours, read::<PARTNER>(bar)?))
        })
    }

    /// What the other end has offered in negotiation. Errors: as for `connect`.
    pub(crate) fn partner(&self, bar: &Bar0<'_>) -> Result<Offer> {
        self.locked(bar, |bar| {
            let ability = read::<PARTNER>(bar)?;
            Ok(Offer::of_partner(ability, read::<GIGABIT_STATUS>(bar)?))
        })
    }

    /// Runs `f` while the PHY is ours alone.
    fn locked<R>(&self, bar: &Bar0<'_>, f: impl FnOnce(&Bar0<'_>) -> Result<R>) -> Result<R> {
        let second = self.port != 0;
        read_poll_timeout(
            || {
                let semaphore = Semaphore::take(bar)?;
                let sync = bar.read(SW_FW_SYNC);
                let is_free = if second {
                    !sync.sw_phy1() && !sync.fw_phy1()
                } else {
                    !sync.sw_phy0() && !sync.fw_phy0()
                };
                if is_free {
                    bar.write_reg(mark(sync, second, true));
                }
                drop(semaphore);
                Ok(is_free)
            },
            |is_free| *is_free,
            SEMAPHORE_POLL,
            SEMAPHORE_TIMEOUT,
        )?;
        let answer = f(bar);
        // Whoever holds the semaphore for too long does not keep us from letting go.
        let semaphore = Semaphore::take(bar);
        bar.write_reg(mark(bar.read(SW_FW_SYNC), second, false));
        drop(semaphore);
        answer
    }
}

fn mark(sync: SW_FW_SYNC, second: bool, ours: bool) -> SW_FW_SYNC {
    if second {
        sync.with_sw_phy1(ours)
    } else {
        sync.with_sw_phy0(ours)
    }
}

/// The semaphore over SW_FW_SYNC, held until this is dropped.
struct Semaphore<'a, 'bound>(&'a Bar0<'bound>);

impl<'a, 'bound> Semaphore<'a, 'bound> {
    fn take(bar: &'a Bar0<'bound>) -> Result<Self> {
        // The read that finds the bit clear has set it.
        read_poll_timeout(
            || Ok(bar.read(SWSM)),
            |swsm| !swsm.smbi(),
            SEMAPHORE_POLL,
            SEMAPHORE_TIMEOUT,
        )?;
        let taken = Self(bar);
        read_poll_timeout(
            || {
                bar.update(SWSM, |r| r.with_swesmbi(true));
                Ok(bar.read(SWSM))
            },
            |swsm| swsm.swesmbi(),
            SEMAPHORE_POLL,
            SEMAPHORE_TIMEOUT,
        )?;
        Ok(taken)
    }
}

impl Drop for Semaphore<'_, '_> {
    fn drop(&mut self) {
        self.0
            .update(SWSM, |r| r.with_smbi(false).with_swesmbi(false));
    }
}

/// Waits for the operation that was started.
fn finish(bar: &Bar0<'_>) -> Result<MDIC> {
    let answer = read_poll_timeout(
        || Ok(bar.read(MDIC)),
        |mdic| mdic.ready(),
        MDIC_POLL,
        MDIC_TIMEOUT,
    )?;
    if answer.error() {
        return Err(EIO);
    }
    Ok(answer)
}

fn read<const REGISTER: u32>(bar: &Bar0<'_>) -> Result<u16> {
    bar.write_reg(
        MDIC::zeroed()
            .with_const_register::<REGISTER>()
            .with_const_phy::<MDIC_ADDRESS>()
            .with_const_op::<OP_READ>(),
    );
    Ok(u16::try_from(finish(bar)?.data().get())?)
}

fn write<const REGISTER: u32>(bar: &Bar0<'_>, value: u16) -> Result {
    bar.write_reg(
        MDIC::zeroed()
            .with_data(value)
            .with_const_register::<REGISTER>()
            .with_const_phy::<MDIC_ADDRESS>()
            .with_const_op::<OP_WRITE>(),
    );
    finish(bar).map(|_| ())
}
