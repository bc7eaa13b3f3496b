// SPDX-License-Identifier: GPL-2.0

//! `struct ethtool_ops` over safe Rust: the link of a copper port.
//!
//! C header: [`include/linux/ethtool.h`](srctree/include/linux/ethtool.h)

use super::{
    bindings,
    netdev::{
        operations,
        Operations, //
    }, //
};
use crate::pf::modes::{
    Modes,
    Offer,
    Speed,
    Wanted, //
};
use kernel::{
    bindings as kernel_bindings,
    error::from_result,
    prelude::*, //
};

/// State of a copper port's link.
#[derive(Clone, Copy)]
pub(crate) struct LinkReport {
    /// Speed and whether full duplex, if there is a link.
    pub(crate) up: Option<(Speed, bool)>,
    /// What is offered to the other end, unless the mode is forced.
    pub(crate) offer: Option<Offer>,
    /// What the other end offers, if it is known.
    pub(crate) partner: Option<Offer>,
}

/// What `ethtool` asks of a link. Called with the RTNL held; may sleep.
pub(crate) trait LinkOperations {
    /// Address of the PHY.
    const PHY: u8;

    /// The state of the link.
    fn link(&self) -> LinkReport;

    /// Changes how the link is made. Errors: the PHY does not answer.
    fn set_link(&self, wanted: Wanted) -> Result;

    /// Makes the link anew. Errors: as for [`set_link`](Self::set_link).
    fn restart_link(&self) -> Result;
}

/// Adds the operations to a table.
pub(super) const fn fill<T: Operations>(mut ops: bindings::ethtool_ops) -> bindings::ethtool_ops {
    ops.get_link = Some(bindings::ethtool_op_get_link);
    ops.get_link_ksettings = Some(get_link_ksettings::<T>);
    ops.set_link_ksettings = Some(set_link_ksettings::<T>);
    ops.nway_reset = Some(nway_reset::<T>);
    ops
}

/// Modes as ethtool numbers them.
const MODES: [(u32, Modes); 6] = [
    (
        kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_10baseT_Half_BIT,
        Modes::HALF_10,
    ),
    (
        kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_10baseT_Full_BIT,
        Modes::FULL_10,
    ),
    (
        kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_100baseT_Half_BIT,
        Modes::HALF_100,
    ),
    (
        kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_100baseT_Full_BIT,
        Modes::FULL_100,
    ),
    (
        kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_1000baseT_Half_BIT,
        Modes::HALF_1000,
    ),
    (
        kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_1000baseT_Full_BIT,
        Modes::FULL_1000,
    ),
];

/// What ethtool has among them that is no mode.
const AUTONEG: u32 = kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Autoneg_BIT;
const TWISTED_PAIR: u32 = kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_TP_BIT;
const PAUSE: u32 = kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Pause_BIT;
const ASYMMETRIC: u32 =
    kernel_bindings::ethtool_link_mode_bit_indices_ETHTOOL_LINK_MODE_Asym_Pause_BIT;

/// A bit of a mask: its word, and it there.
fn bit(mask: &mut [c_ulong], index: u32) -> Option<(&mut c_ulong, c_ulong)> {
    let at = usize::try_from(index / c_ulong::BITS).ok()?;
    Some((mask.get_mut(at)?, 1 << (index % c_ulong::BITS)))
}

fn put(mask: &mut [c_ulong], index: u32, on: bool) {
    if let Some((word, bit)) = bit(mask, index).filter(|_| on) {
        *word |= bit;
    }
}

/// Clears a bit of a mask; answers whether it was set.
fn take(mask: &mut [c_ulong], index: u32) -> bool {
    bit(mask, index).is_some_and(|(word, bit)| {
        let before = *word;
        *word &= !bit;
        before & bit != 0
    })
}

fn put_offer(mask: &mut [c_ulong], offer: Offer) {
    put(mask, AUTONEG, true);
    put(mask, PAUSE, offer.pause);
    put(mask, ASYMMETRIC, offer.asymmetric);
    for (index, mode) in MODES {
        put(mask, index, offer.modes.contains(mode));
    }
}

/// The modes of a mask; [`None`] if there is one that no copper port has.
fn modes<const WORDS: usize>(mask: &[c_ulong; WORDS]) -> Option<Modes> {
    let mut left = *mask;
    let mut modes = Modes::NONE;
    for (index, mode) in MODES {
        if take(&mut left, index) {
            modes = modes.with(mode);
        }
    }
    // Flow control is set on its own, and the others go without saying.
    for index in [AUTONEG, TWISTED_PAIR, PAUSE, ASYMMETRIC] {
        take(&mut left, index);
    }
    left.iter().all(|word| *word == 0).then_some(modes)
}

/// What the device can.
const POSSIBLE: Offer = Offer {
    modes: Modes::ALL,
    pause: true,
    asymmetric: true,
};

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn get_link_ksettings<T: Operations>(
    dev: *mut bindings::net_device,
    settings: *mut kernel_bindings::ethtool_link_ksettings,
) -> c_int {
    // SAFETY: The core calls the operations of registered devices; `settings` is the
    // caller's, zeroed.
    let (ops, settings) = unsafe { (operations::<T>(dev), &mut *settings) };
    let link = ops.link();
    let base = &mut settings.base;
    base.phy_address = T::PHY;
    base.port = PORT_TP;
    base.autoneg = u8::from(link.offer.is_some());
    (base.speed, base.duplex) = match link.up {
        Some((speed, full)) => (speed.mbps(), u8::from(full)),
        None => (SPEED_UNKNOWN, DUPLEX_UNKNOWN),
    };
    let masks = &mut settings.link_modes;
    put_offer(&mut masks.supported, POSSIBLE);
    put(&mut masks.supported, TWISTED_PAIR, true);
    put(&mut masks.advertising, TWISTED_PAIR, true);
    if let Some(offer) = link.offer {
        put_offer(&mut masks.advertising, offer);
    }
    if let Some(offer) = link.partner {
        put_offer(&mut masks.lp_advertising, offer);
    }
    0
}

const PORT_TP: u8 = 0;
const DUPLEX_HALF: u8 = 0;
const DUPLEX_FULL: u8 = 1;
const AUTONEG_DISABLE: u8 = 0;
const SPEED_UNKNOWN: u32 = u32::MAX;
const DUPLEX_UNKNOWN: u8 = u8::MAX;
/// Crossed pairs of wires are found automatically; no word of them is 0.
const CROSSOVER_AUTO: u8 = 3;

/// What `settings` ask for. Errors: `EINVAL` for what the device cannot, `EOPNOTSUPP` for what
/// is not in an administrator's hands.
fn wanted<T: Operations>(settings: &kernel_bindings::ethtool_link_ksettings) -> Result<Wanted> {
    let base = &settings.base;
    if (base.port, base.phy_address) != (PORT_TP, T::PHY)
        || ![0, CROSSOVER_AUTO].contains(&base.eth_tp_mdix_ctrl)
    {
        return Err(EOPNOTSUPP);
    }
    let wanted = match (base.autoneg, base.duplex) {
        (AUTONEG_DISABLE, DUPLEX_HALF) => Wanted::fixed(base.speed, false),
        (AUTONEG_DISABLE, DUPLEX_FULL) => Wanted::fixed(base.speed, true),
        (AUTONEG_DISABLE, _) => None,
        _ => modes(&settings.link_modes.advertising).and_then(Wanted::negotiated),
    };
    wanted.ok_or(EINVAL)
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn set_link_ksettings<T: Operations>(
    dev: *mut bindings::net_device,
    settings: *const kernel_bindings::ethtool_link_ksettings,
) -> c_int {
    // SAFETY: As above.
    let (ops, settings) = unsafe { (operations::<T>(dev), &*settings) };
    from_result(|| ops.set_link(wanted::<T>(settings)?).map(|()| 0))
}

/// # Safety
///
/// `dev` must be a registered device whose operations are `T`, the rest valid for the call.
unsafe extern "C" fn nway_reset<T: Operations>(dev: *mut bindings::net_device) -> c_int {
    // SAFETY: As above.
    let ops = unsafe { operations::<T>(dev) };
    from_result(|| ops.restart_link().map(|()| 0))
}
