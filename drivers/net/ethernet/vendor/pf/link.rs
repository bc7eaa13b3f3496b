// SPDX-License-Identifier: GPL-2.0

//! The link: carrier, speed, and who is told.

use super::{
    flow::{
        self,
        Ways, //
    },
    modes::{
        Offer,
        Speed,
        Wanted, //
    },
    phy::Phy,
    port::Port, //
};
use crate::{
    abi::ethtool_port::Pause,
    regs::mac::{
        CTRL,
        STATUS, //
    },
    vf::logic::state::PfLink, //
};
use kernel::{
    io::{
        poll::read_poll_timeout,
        Io, //
    },
    prelude::*,
    time::{
        delay::fsleep,
        Delta, //
    },
};

/// How long the PHY takes to loop back (as igb waits).
const LOOPBACK_TIME: Delta = Delta::from_millis(500);

/// How long negotiation may take.
const LINK_TIMEOUT: Delta = Delta::from_secs(5);
const LINK_POLL: Delta = Delta::from_millis(50);

/// The PHY, and the link as it was last seen.
pub(crate) struct Link {
    phy: Phy,
    up: Option<(Speed, bool)>,
    /// How it is made.
    wanted: Wanted,
    /// Flow control as it is set.
    pause: Pause,
}

impl Link {
    /// No link yet.
    pub(crate) fn new(phy: Phy) -> Self {
        Self {
            phy,
            up: None,
            wanted: Wanted::DEFAULT,
            pause: Pause {
                autoneg: true,
                rx: true,
                tx: true,
            },
        }
    }

    /// Flow control as it is set.
    pub(crate) fn pause(&self) -> Pause {
        self.pause
    }

    /// What is advertised of flow control.
    fn ways(&self) -> Ways {
        Ways {
            rx: self.pause.rx,
            tx: self.pause.tx,
        }
    }

    /// What is offered to the other end, unless the mode is forced.
    pub(crate) fn offer(&self) -> Option<Offer> {
        let modes = self.wanted.modes()?;
        Some(Offer::new(modes, self.ways()))
    }

    /// Speed and whether full duplex, if there is a link.
    pub(crate) fn up(&self) -> Option<(Speed, bool)> {
        self.up
    }
}

impl Port<'_> {
    /// Makes the link as it is set, anew if there was one. Sleeps. Errors: `EIO` or `ETIMEDOUT`
    /// if the PHY does not answer.
    pub(crate) fn start_link(&self) -> Result {
        let mut link = self.link.lock();
        // Negotiation takes the link away, which need not raise an interrupt; that it is
        // back does.
        self.note_link(&mut link, None);
        self.bar.update(CTRL, |r| link.wanted.mac_control(r));
        link.phy
            .connect(&self.bar, link.wanted, link.ways())
            .inspect_err(|errno| {
                dev_err!(self.pdev, "the PHY does not answer: {errno:?}\n");
            })?;
        if link.wanted.modes().is_none() {
            // A mode that is forced may leave the link as it is, without an interrupt.
            self.look_at_link(&mut link);
        }
        Ok(())
    }

    /// Changes how the link is made, and makes it anew if that differs. Sleeps. Errors: as for
    /// [`start_link`](Self::start_link).
    pub(crate) fn set_link(&self, wanted: Wanted) -> Result {
        let before = core::mem::replace(&mut self.link.lock().wanted, wanted);
        if before == wanted {
            return Ok(());
        }
        self.start_link()
    }

    /// What the other end of a link that was negotiated offers. Sleeps.
    pub(crate) fn partner(&self) -> Option<Offer> {
        let link = self.link.lock();
        let known = link.up.is_some() && link.wanted.modes().is_some();
        known.then(|| link.phy.partner(&self.bar).ok()).flatten()
    }

    /// Takes the link away, with no word to anybody: the host is about to sleep. Sleeps. Errors:
    /// as for [`start_link`](Self::start_link).
    pub(super) fn end_link(&self) -> Result {
        self.link.lock().phy.switch_off(&self.bar)
    }

    /// Lets the PHY send back what the port sends, until [`end_loop_back`](Self::end_loop_back).
    /// Sleeps. Errors: as for [`start_link`](Self::start_link).
    pub(crate) fn loop_back(&self) -> Result {
        let link = self.link.lock();
        link.phy.loop_back(&self.bar)?;
        self.bar.update(CTRL, |r| {
            r.with_slu(true)
                .with_frcspd(true)
                .with_frcdplx(true)
                .with_const_speed::<2>()
                .with_fd(true)
        });
        fsleep(LOOPBACK_TIME);
        Ok(())
    }

    /// Ends [`loop_back`](Self::loop_back); the port must be restarted then. Errors: as for
    /// [`start_link`](Self::start_link).
    pub(crate) fn end_loop_back(&self) -> Result {
        self.link.lock().phy.end_loop_back(&self.bar)
    }

    /// Waits for a link, a while.
    pub(crate) fn await_link(&self) {
        let _ = read_poll_timeout(
            || Ok(self.bar.read(STATUS)),
            |status| status.lu(),
            LINK_POLL,
            LINK_TIMEOUT,
        );
    }

    /// Changes flow control. Where it is negotiated, the link is lost for the time that takes.
    /// Sleeps. Errors: as for [`start_link`](Self::start_link).
    pub(crate) fn set_pause(&self, pause: Pause) -> Result {
        let mut link = self.link.lock();
        let before = core::mem::replace(&mut link.pause, pause);
        if pause.autoneg {
            drop(link);
            if before == pause {
                return Ok(());
            }
            self.start_link()
        } else {
            flow::write(&self.bar, link.ways())
        }
    }

    /// Puts flow control in force for a link that has come up. Errors: as for
    /// [`start_link`](Self::start_link).
    fn write_flow(&self, link: &Link, full: bool) -> Result {
        let ways = match (full, link.pause.autoneg, link.wanted) {
            // There is none in half duplex, and none is agreed on where nothing is.
            (false, _, _) | (true, true, Wanted::Forced(_)) => Ways::NONE,
            (true, false, _) => link.ways(),
            (true, true, Wanted::Negotiated(_)) => link.phy.flow(&self.bar)?,
        };
        flow::write(&self.bar, ways)
    }

    /// Sees what has become of the link, and tells everybody. Sleeps.
    pub(crate) fn check_link(&self) {
        self.look_at_link(&mut self.link.lock());
    }

    fn look_at_link(&self, link: &mut Link) {
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
        self.note_link(link, now);
    }

    fn note_link(&self, link: &mut Link, now: Option<(Speed, bool)>) {
        if link.up == now {
            return;
        }
        let had = link.up.is_some();
        link.up = now;
        let name = self.netdev.name();
        if let Some((speed, full)) = now {
            if let Err(errno) = self.write_flow(link, full) {
                dev_err!(self.pdev, "the PHY does not answer: {errno:?}\n");
            }
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
