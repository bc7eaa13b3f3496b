// SPDX-License-Identifier: GPL-2.0

//! Speed and duplex of a copper port, and what both ends of a link say of them to each other
//! (IEEE 802.3, 22.2.4, 28 and 40). Pure.

use super::flow::{
    Ways,
    ASYMMETRIC,
    PAUSE, //
};
use crate::regs::mac::CTRL;

/// A speed that a copper port knows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Speed {
    /// 10 Mb/s.
    Ten,
    /// 100 Mb/s.
    Hundred,
    /// 1000 Mb/s.
    Thousand,
}

impl Speed {
    /// In Mb/s.
    pub(crate) fn mbps(self) -> u32 {
        match self {
            Self::Ten => 10,
            Self::Hundred => 100,
            Self::Thousand => 1000,
        }
    }
}

/// A set of modes, each a speed with half or full duplex.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Modes(u8);

/// The modes of registers 4 and 5 of a PHY, and where they are there.
const BASE: u8 = 0b00_1111;
const BASE_SHIFT: u32 = 5;

/// The modes of registers 9 and 10, and how much higher they are there.
const GIGABIT: u8 = 0b11_0000;
const GIGABIT_SHIFT: u32 = 4;
const PARTNER_GIGABIT_SHIFT: u32 = 6;

impl Modes {
    /// None.
    pub(crate) const NONE: Self = Self(0);
    /// 10 Mb/s, half duplex.
    pub(crate) const HALF_10: Self = Self(1 << 0);
    /// 10 Mb/s, full duplex.
    pub(crate) const FULL_10: Self = Self(1 << 1);
    /// 100 Mb/s, half duplex.
    pub(crate) const HALF_100: Self = Self(1 << 2);
    /// 100 Mb/s, full duplex.
    pub(crate) const FULL_100: Self = Self(1 << 3);
    /// 1000 Mb/s, half duplex: only other devices know it.
    pub(crate) const HALF_1000: Self = Self(1 << 4);
    /// 1000 Mb/s, full duplex.
    pub(crate) const FULL_1000: Self = Self(1 << 5);
    /// What the device can.
    pub(crate) const ALL: Self = Self(BASE | Self::FULL_1000.0);

    /// These and `other`.
    pub(crate) fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among them.
    pub(crate) fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    /// What is offered for them: register 4, which was `before`.
    pub(crate) fn advertise(self, before: u16) -> u16 {
        let all = u16::from(BASE) << BASE_SHIFT;
        (before & !all) | u16::from(self.0 & BASE) << BASE_SHIFT
    }

    /// The same in register 9.
    pub(crate) fn advertise_gigabit(self, before: u16) -> u16 {
        let all = u16::from(GIGABIT) << GIGABIT_SHIFT;
        (before & !all) | u16::from(self.0 & GIGABIT) << GIGABIT_SHIFT
    }

    /// What the other end offers, by registers 5 and 10.
    fn of_partner(ability: u16, gigabit: u16) -> Self {
        let [base, _] = (ability >> BASE_SHIFT).to_le_bytes();
        let [gigabit, _] = (gigabit >> PARTNER_GIGABIT_SHIFT).to_le_bytes();
        Self(base & BASE | gigabit & GIGABIT)
    }
}

/// What one end of a link offers the other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Offer {
    /// Speed and duplex.
    pub(crate) modes: Modes,
    /// Flow control both ways.
    pub(crate) pause: bool,
    /// Flow control one way.
    pub(crate) asymmetric: bool,
}

impl Offer {
    /// Of `modes`, with `ways` for flow control.
    pub(crate) fn new(modes: Modes, ways: Ways) -> Self {
        let flow = ways.advertise(0);
        Self {
            modes,
            pause: flow & PAUSE != 0,
            asymmetric: flow & ASYMMETRIC != 0,
        }
    }

    /// The other end's, by registers 5 and 10.
    pub(crate) fn of_partner(ability: u16, gigabit: u16) -> Self {
        Self {
            modes: Modes::of_partner(ability, gigabit),
            pause: ability & PAUSE != 0,
            asymmetric: ability & ASYMMETRIC != 0,
        }
    }
}

/// A mode that is taken without a word to the other end. 1000 Mb/s is none: whose clock both
/// ends go by is negotiated.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Forced {
    /// 100 Mb/s, not 10.
    hundred: bool,
    /// Full duplex.
    full: bool,
}

/// How a link is made.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Wanted {
    /// It is the best of these modes that the other end has, too.
    Negotiated(Modes),
    /// It is this one.
    Forced(Forced),
}

/// Bits of register 0.
pub(super) const CONTROL_FAST: u16 = 1 << 6;
pub(super) const CONTROL_FULL: u16 = 1 << 8;
const CONTROL_RESTART: u16 = 1 << 9;
pub(super) const CONTROL_POWER_DOWN: u16 = 1 << 11;
const CONTROL_AUTONEG: u16 = 1 << 12;
const CONTROL_HUNDRED: u16 = 1 << 13;

/// Bits of register 18, which is this PHY's own: it finds out which pairs of wires are crossed,
/// or takes them as crossed.
const PORT_AUTO_CROSSOVER: u16 = 1 << 12;
const PORT_CROSSED: u16 = 1 << 13;

impl Wanted {
    /// What nobody has set.
    pub(crate) const DEFAULT: Self = Self::Negotiated(Modes::ALL);

    /// The best of `modes`; [`None`] if there is none, or one that the device cannot.
    pub(crate) fn negotiated(modes: Modes) -> Option<Self> {
        let possible = modes != Modes::NONE && Modes::ALL.contains(modes);
        possible.then_some(Self::Negotiated(modes))
    }

    /// One speed, in Mb/s, and duplex mode; [`None`] if the device cannot.
    pub(crate) fn fixed(mbps: u32, full: bool) -> Option<Self> {
        let forced = |hundred| Some(Self::Forced(Forced { hundred, full }));
        match (mbps, full) {
            (10, _) => forced(false),
            (100, _) => forced(true),
            (1000, true) => Some(Self::Negotiated(Modes::FULL_1000)),
            _ => None,
        }
    }

    /// The modes that are offered, if it is negotiated.
    pub(crate) fn modes(self) -> Option<Modes> {
        match self {
            Self::Negotiated(modes) => Some(modes),
            Self::Forced(_) => None,
        }
    }

    /// Register 0 of the PHY for it, which was `before`: it is made anew.
    pub(crate) fn control(self, before: u16) -> u16 {
        let before = before & !CONTROL_POWER_DOWN;
        match self {
            Self::Negotiated(_) => before | CONTROL_AUTONEG | CONTROL_RESTART,
            Self::Forced(Forced { hundred, full }) => {
                let mode = CONTROL_FAST | CONTROL_HUNDRED | CONTROL_FULL;
                let speed = if hundred { CONTROL_HUNDRED } else { 0 };
                let duplex = if full { CONTROL_FULL } else { 0 };
                before & !(CONTROL_AUTONEG | CONTROL_RESTART | mode) | speed | duplex
            }
        }
    }

    /// Register 18 of the PHY for it, which was `before`. Crossed pairs are found by what is
    /// negotiated, so a mode that is forced needs the right cable.
    pub(crate) fn port_control(self, before: u16) -> u16 {
        match self {
            Self::Negotiated(_) => before | PORT_AUTO_CROSSOVER,
            Self::Forced(_) => before & !(PORT_AUTO_CROSSOVER | PORT_CROSSED),
        }
    }

    /// CTRL for it, which was `before`: the MAC follows the PHY, or is forced to the same.
    pub(crate) fn mac_control(self, before: CTRL) -> CTRL {
        let forced = |forced| before.with_frcspd(forced).with_frcdplx(forced);
        match self {
            Self::Negotiated(_) => forced(false),
            Self::Forced(Forced { hundred, full }) => {
                let ctrl = forced(true).with_fd(full);
                if hundred {
                    ctrl.with_const_speed::<1>()
                } else {
                    ctrl.with_const_speed::<0>()
                }
            }
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_modes))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const BOTH: Ways = Ways { rx: true, tx: true };
    const RX: Ways = Ways {
        rx: true,
        tx: false,
    };

    #[test]
    fn modes_are_offered_where_the_standard_has_them() {
        assert_eq!(Modes::ALL.advertise(0), 0x01e0);
        assert_eq!(Modes::ALL.advertise_gigabit(0), 0x0200);
        for (mode, base, gigabit) in [
            (Modes::NONE, 0, 0),
            (Modes::HALF_10, 0x0020, 0),
            (Modes::FULL_10, 0x0040, 0),
            (Modes::HALF_100, 0x0080, 0),
            (Modes::FULL_100, 0x0100, 0),
            (Modes::FULL_1000, 0, 0x0200),
        ] {
            // All else stays.
            assert_eq!(mode.advertise(0xffff), 0xfe1f | base);
            assert_eq!(mode.advertise_gigabit(0xffff), 0xfcff | gigabit);
        }
    }

    #[test]
    fn a_partner_is_understood() {
        let offer = Offer::of_partner(0x45e1, 0x7c00);
        let all = Modes::ALL.with(Modes::HALF_1000);
        assert_eq!(
            (offer.modes, offer.pause, offer.asymmetric),
            (all, true, false)
        );
        let offer = Offer::of_partner(0x0821, 0xf3ff);
        let half = Modes::HALF_10;
        assert_eq!(
            (offer.modes, offer.pause, offer.asymmetric),
            (half, false, true)
        );
        // One of our own kind offers what we do.
        for modes in [Modes::NONE, Modes::FULL_1000, Modes::HALF_100, Modes::ALL] {
            for ways in [BOTH, RX, Ways::NONE] {
                let ability = ways.advertise(modes.advertise(0));
                let gigabit = modes.advertise_gigabit(0) << 2;
                assert_eq!(Offer::of_partner(ability, gigabit), Offer::new(modes, ways));
            }
        }
    }

    #[test]
    fn what_the_device_cannot_is_refused() {
        assert_eq!(Wanted::negotiated(Modes::NONE), None);
        assert_eq!(Wanted::negotiated(Modes::ALL.with(Modes::HALF_1000)), None);
        assert_eq!(Wanted::negotiated(Modes::ALL), Some(Wanted::DEFAULT));
        for (mbps, full) in [(1000, false), (2500, true), (0, true), (u32::MAX, true)] {
            assert_eq!(Wanted::fixed(mbps, full), None);
        }
        let gigabit = Wanted::fixed(1000, true);
        assert_eq!(gigabit, Wanted::negotiated(Modes::FULL_1000));
    }

    #[test]
    fn phy_and_mac_are_told_the_same() {
        // Of register 0: speed and duplex; of CTRL, too.
        for (mbps, full, control, ctrl) in [
            (10, false, 0x0000, 0x0000),
            (10, true, 0x0100, 0x0001),
            (100, false, 0x2000, 0x0100),
            (100, true, 0x2100, 0x0101),
        ] {
            let wanted = Wanted::fixed(mbps, full);
            let told = wanted.map(|wanted| {
                let mac = wanted.mac_control(CTRL::from_raw(0x0341));
                let mac = mac.into_raw();
                (wanted.control(0x1b40), wanted.port_control(0x3001), mac)
            });
            assert_eq!(told, Some((control, 0x0001, ctrl | 0x1840)));
            assert_eq!(wanted.and_then(Wanted::modes), None);
        }
    }

    #[test]
    fn negotiation_begins_anew() {
        let wanted = Wanted::DEFAULT;
        assert_eq!(wanted.control(0x0800), 0x1200);
        assert_eq!(wanted.control(0x2100), 0x3300);
        assert_eq!(wanted.port_control(0x0001), 0x1001);
        let forced = CTRL::from_raw(0x1800);
        assert_eq!(wanted.mac_control(forced).into_raw(), 0);
        assert_eq!(wanted.modes(), Some(Modes::ALL));
    }
}
