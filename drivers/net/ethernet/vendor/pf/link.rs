// SPDX-License-Identifier: GPL-2.0

//! The link: carrier, speed, and who is told.

use super::{
    phy::Phy,
    port::Port, //
};
use crate::{
    abi::ethtool::Speed,
    regs::mac::{
        CTRL,
        STATUS, //
    },
    vf::logic::state::PfLink, //
};
use kernel::{
    io::Io,
    prelude::*, //
};

/// The PHY, and the link as it was last seen.
pub(crate) struct Link {
    phy: Phy,
    up: Option<(Speed, bool)>,
}

impl Link {
    /// No link yet.
    pub(crate) fn new(phy: Phy) -> Self {
        Self { phy, up: None }
    }

    /// Speed and whether full duplex, if there is a link.
    pub(crate) fn up(&self) -> Option<(Speed, bool)> {
        self.up
    }
}

impl Port<'_> {
    /// Negotiates, anew if it was before. Sleeps. Errors: `EIO` or `ETIMEDOUT` if the PHY does
    /// not answer.
    pub(crate) fn start_link(&self) -> Result {
        let mut link = self.link.lock();
        // Negotiation takes the link away, which need not raise an interrupt; that it is
        // back does.
        self.note_link(&mut link, None);
        link.phy.negotiate(&self.bar).inspect_err(|errno| {
            dev_err!(self.pdev, "the PHY does not answer: {errno:?}\n");
        })
    }

    /// Sees what has become of the link, and tells everybody. Sleeps.
    pub(crate) fn check_link(&self) {
        let mut link = self.link.lock();
        // The PHY knows first; what the MAC shows is derived, and lacks a reason to be read
        // while there is none.
        let has_link = match link.phy.has_link(&self.bar) {
            Ok(has_link) => has_link,
            Err(errno) => {
                dev_err!(self.pdev, "the PHY does not answer: {errno:?}\n");
                return;
            }
        };
        let status = self.bar.read(STATUS);
        let now = (has_link && status.lu()).then(|| {
            let speed = match status.speed().get() {
                0 => Speed::Ten,
                1 => Speed::Hundred,
                _ => Speed::Thousand,
            };
            (speed, status.fd())
        });
        self.note_link(&mut link, now);
    }

    fn note_link(&self, link: &mut Link, now: Option<(Speed, bool)>) {
        if link.up == now {
            return;
        }
        let had = link.up.is_some();
        link.up = now;
        let name = self.netdev.name();
        if let Some((speed, full)) = now {
            let ctrl = self.bar.read(CTRL);
            let flow = match (ctrl.rfce(), ctrl.tfce()) {
                (true, true) => "RX/TX",
                (true, false) => "RX",
                (false, true) => "TX",
                (false, false) => "None",
            };
            dev_info!(
                self.pdev,
                "{}: link is up {} Mbps {} duplex, flow control: {flow}\n",
                name,
                speed.mbps(),
                if full { "full" } else { "half" }
            );
        } else {
            dev_info!(self.pdev, "{}: link is down\n", name);
        }
        if now.is_some() != had {
            self.netdev.set_carrier(now.is_some());
        }
        // Whether the PF's interface is up does not concern them.
        let told = self.vfs.set_link(
            &self.bar,
            PfLink {
                up: now.is_some(),
                mbps: now.map_or(0, |(speed, _)| u16::try_from(speed.mbps()).unwrap_or(0)),
            },
        );
        if let Err(errno) = told {
            dev_err!(
                self.pdev,
                "{}: VFs are not told of the link: {errno:?}\n",
                name
            );
        }
    }
}
