// SPDX-License-Identifier: GPL-2.0

//! Waking the host by the network (datasheet 5.5).

use crate::regs::{
    mac::{
        CTRL,
        RCTL, //
    },
    wake::{
        WUC,
        WUFC,
        WUS, //
    },
    Registers, //
};
// On the host registers have `zeroed()` of their own.
#[allow(unused_imports)]
use kernel::prelude::*;

/// What may wake the host.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Wake {
    /// The link comes or goes.
    pub(crate) link: bool,
    /// A packet to the port's address.
    pub(crate) unicast: bool,
    /// A multicast.
    pub(crate) multicast: bool,
    /// A broadcast.
    pub(crate) broadcast: bool,
    /// A magic packet.
    pub(crate) magic: bool,
}

impl Wake {
    /// Nothing does.
    pub(crate) const NONE: Self = Self {
        link: false,
        unicast: false,
        multicast: false,
        broadcast: false,
        magic: false,
    };

    /// A magic packet does, and nothing else.
    pub(crate) const MAGIC: Self = Self {
        magic: true,
        ..Self::NONE
    };

    /// What is left of it where there is a link, whose change is then none to wait for: as igb
    /// does, which lets a link wake that comes.
    pub(crate) fn with_link(self, has_link: bool) -> Self {
        Self {
            link: self.link && !has_link,
            ..self
        }
    }
}

/// Lets `wake` wake the host from now on, or nothing. The device must be quiet, with its
/// filters as they are to be.
pub(crate) fn arm<'a, I: Registers<'a>>(io: I, wake: Wake) {
    if wake == Wake::NONE {
        io.write_reg(WUC::zeroed());
        io.write_reg(WUFC::zeroed());
        return;
    }
    if wake.multicast {
        // Whichever group it is for.
        io.update(RCTL, |r| r.with_mpe(true));
    }
    io.update(CTRL, |r| r.with_advd3wuc(true));
    io.write_reg(WUC::zeroed().with_pme_en(true));
    io.write_reg(
        WUFC::zeroed()
            .with_lnkc(wake.link)
            .with_mag(wake.magic)
            .with_ex(wake.unicast)
            .with_mc(wake.multicast)
            .with_bc(wake.broadcast),
    );
}

/// Nothing wakes the host any more; what has is forgotten.
pub(crate) fn disarm<'a, I: Registers<'a>>(io: I) {
    io.write_reg(WUC::zeroed());
    io.write_reg(WUFC::zeroed());
    io.write_reg(WUS::zeroed().with_const_causes::<0xffff_ffff>());
}
