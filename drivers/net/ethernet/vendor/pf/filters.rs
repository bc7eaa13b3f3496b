// SPDX-License-Identifier: GPL-2.0

//! What the PF receives: its own addresses, multicasts, VLANs.
//!
//! The filters are shared with the VFs, so VF control writes the registers; here
//! is what the PF wants of them.

use super::{
    port::Port,
    receive, //
};
use crate::{
    abi::rx_mode::RxMode,
    netdev::{
        filter_table::{
            self,
            Mac, //
        },
        frame,
        layout::Layout,
        rss::Rss, //
    },
    regs::mac::{
        RCTL,
        RLPML, //
    },
    vf::logic::{
        mac,
        state::{
            put_bit,
            PfState, //
        }, //
    },
};
use kernel::{
    io::Io,
    num::Bounded,
    prelude::*, //
};

/// What the PF wants to receive.
pub(crate) struct Wanted {
    state: PfState,
    /// Everything, which needs more than the shared filters.
    promiscuous: bool,
    /// Damaged frames, too.
    damaged: bool,
}

impl Wanted {
    /// Only broadcasts and what is for `mac`.
    pub(crate) fn new(mac: &Mac) -> Self {
        let mut state = PfState::new();
        state.mac = mac::Mac(*mac);
        state.strip_vlan = true;
        Self {
            state,
            promiscuous: false,
            damaged: false,
        }
    }

    fn set_mode(&mut self, mode: &RxMode<'_>) {
        let state = &mut self.state;
        self.promiscuous = mode.promiscuous;
        state.all_multicast = mode.promiscuous || mode.all_multicast;
        state.all_vlans = mode.promiscuous;
        state.all_unicast = mode.promiscuous;
        state.multicast = PfState::new().multicast;
        for mac in mode.multicast() {
            put_bit(&mut state.multicast, filter_table::hash(&mac), true);
        }
        state.filters.clear();
        for mac in mode.unicast() {
            if state.filters.push(mac::Mac(mac)).is_err() {
                // More than fit: receive all, the stack sorts them out.
                state.all_unicast = true;
            }
        }
    }
}

impl Port<'_> {
    /// Receives what the interface wants from now on.
    pub(crate) fn set_rx_mode(&self, mode: &RxMode<'_>) -> Result {
        let mut wanted = self.wanted.lock();
        wanted.set_mode(mode);
        self.write_wanted(&mut wanted)
    }

    /// Receives packets of VLAN `vid`, or not. VLAN 0 is priority-tagged packets of no VLAN,
    /// which are always wanted.
    pub(crate) fn set_vlan(&self, vid: u16, on: bool) -> Result {
        let mut wanted = self.wanted.lock();
        put_bit(&mut wanted.state.vlans, vid, on);
        self.write_wanted(&mut wanted)
    }

    /// Takes VLAN tags out of received packets, or leaves them in.
    pub(crate) fn set_strip(&self, on: bool) -> Result {
        let mut wanted = self.wanted.lock();
        wanted.state.strip_vlan = on;
        receive::write_strip(&self.bar, on);
        self.write_wanted(&mut wanted)
    }

    /// Receives damaged frames and those that control the MAC, or not.
    pub(crate) fn set_damaged(&self, on: bool) -> Result {
        let mut wanted = self.wanted.lock();
        wanted.damaged = on;
        self.write_wanted(&mut wanted)
    }

    /// How buffers lie for the frames that are received.
    pub(crate) fn layout(&self) -> Layout {
        self.layout_with(self.netdev.mtu())
    }

    /// The same with another MTU.
    pub(crate) fn layout_with(&self, mtu: u32) -> Layout {
        let damaged = self.wanted.lock().damaged;
        self.layout_for(mtu, damaged)
    }

    /// The same with damaged frames, or without.
    pub(crate) fn layout_for(&self, mtu: u32, damaged: bool) -> Layout {
        Layout::of(mtu, self.program.is_some(), damaged)
    }

    /// The same as it was set last, after a reset.
    pub(super) fn restore_strip(&self) {
        let wanted = self.wanted.lock();
        receive::write_strip(&self.bar, wanted.state.strip_vlan);
    }

    /// Lets a hash choose between the PF's first `queues` receive queues.
    pub(crate) fn set_rss(&self, rss: &Rss, queues: u8) -> Result {
        let mut wanted = self.wanted.lock();
        wanted.state.rss = queues > 1;
        self.write_wanted(&mut wanted)?;
        receive::write_rss(&self.bar, rss, queues, self.pool.index() != 0)
    }

    /// Makes `mac` the PF's own address. Errors: `EADDRNOTAVAIL` for a group's or none,
    /// `EADDRINUSE` for a VF's; nothing has changed then.
    pub(crate) fn set_mac(&self, mac: &Mac) -> Result {
        if !filter_table::is_valid(mac) {
            return Err(EADDRNOTAVAIL);
        }
        let mut wanted = self.wanted.lock();
        let before = core::mem::replace(&mut wanted.state.mac, mac::Mac(*mac));
        self.write_wanted(&mut wanted)
            .inspect_err(|_| wanted.state.mac = before)?;
        self.netdev.set_mac(mac);
        Ok(())
    }

    /// Lets packets of the interface's MTU in, and no longer ones where the PF is alone.
    pub(crate) fn write_frame_size(&self) -> Result {
        let own = frame::bytes(self.netdev.mtu());
        let mut wanted = self.wanted.lock();
        wanted.state.max_frame = u16::try_from(own)?;
        self.write_wanted(&mut wanted)?;
        // One limit for all pools, so each VF's is in its pool alone.
        let all = if self.pool.index() == 0 {
            Bounded::<u32, 14>::try_new(own).ok_or(EINVAL)?
        } else {
            Bounded::<u32, 14>::new::<{ frame::MAX_BYTES }>()
        };
        self.bar.write_reg(RLPML::zeroed().with_bytes(all));
        Ok(())
    }

    /// Hands what is wanted to the shared filters, and writes the switches of promiscuity.
    fn write_wanted(&self, wanted: &mut Wanted) -> Result {
        let result = match self.vfs.set_pf(&self.bar, &wanted.state) {
            // The VFs leave no room for further addresses: receive all instead.
            Err(errno) if errno == ENOSPC => {
                wanted.state.filters.clear();
                wanted.state.all_unicast = true;
                self.vfs.set_pf(&self.bar, &wanted.state)
            }
            result => result,
        };
        // VLANs are always filtered, or VFs would leave theirs; to receive all is to let
        // all through the filter.
        self.bar.update(RCTL, |r| {
            r.with_upe(wanted.state.all_unicast)
                .with_mpe(wanted.state.all_multicast)
                .with_sbp(wanted.damaged)
                .with_pmcf(wanted.damaged)
                .with_vfe(true)
        });
        result
    }
}
