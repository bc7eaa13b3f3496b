// SPDX-License-Identifier: GPL-2.0

//! What is known of each VF, and of the PF as far as both share tables. Pure.
//!
//! This is the only source for `ip link`, for the mailbox and for the registers.

use super::{
    list::List,
    mac::Mac,
    message::Hashes, //
};

/// Most VFs: an eighth would leave the PF no pool of queues.
pub(crate) const MAX_VFS: usize = 7;

/// Pools of queues, the PF's included.
pub(crate) const POOLS: usize = 8;

/// Receive addresses of the hardware: 16 and 8.
pub(crate) const RECEIVE_ADDRESSES: usize = 24;

/// VLAN pool filters of the hardware.
pub(crate) const VLAN_FILTERS: usize = 32;

/// Most further unicast addresses of one VF: all there are but the PF's own and
/// the VF's.
pub(crate) const MAX_FILTERS: usize = RECEIVE_ADDRESSES - 2;

/// Most VLANs of one VF: entry 0 is for packets without one.
pub(crate) const MAX_VLANS: usize = VLAN_FILTERS - 1;

/// Smallest frame a VF may ask to be its largest, in bytes with checksum.
pub(crate) const MIN_MAX_FRAME: u16 = 64;

/// Largest frame of the hardware in bytes with checksum.
pub(crate) const MAX_FRAME: u16 = 9728;

/// Table of 4096 bits.
pub(crate) type BitTable = [u32; 128];

/// The VLAN a VF is kept in without knowing.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PortVlan {
    /// VLAN id; 0 for a priority alone.
    pub(crate) vid: u16,
    /// Priority, 0 to 7.
    pub(crate) qos: u8,
}

/// What a VF is told of the link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum LinkPolicy {
    /// The PF's link.
    #[default]
    Auto,
    /// Up, whatever the port's is.
    Enable,
    /// Down; nothing is received or sent.
    Disable,
}

/// What the administrator has set for one VF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct AdminState {
    /// The VF's address, if it may not choose one.
    pub(crate) mac: Option<Mac>,
    /// The VLAN it is kept in.
    pub(crate) port_vlan: Option<PortVlan>,
    /// Largest transmit rate in Mbit/s; 0 for no limit.
    pub(crate) max_tx_rate: u16,
    /// Packets with a foreign source address or VLAN are dropped.
    pub(crate) spoofchk: bool,
    /// The VF may take any address, receive all unicast, and exceed its share.
    pub(crate) trusted: bool,
    /// What it is told of the link.
    pub(crate) link: LinkPolicy,
}

impl AdminState {
    /// As it is before anything is set.
    pub(crate) const fn new() -> Self {
        Self {
            mac: None,
            port_vlan: None,
            max_tx_rate: 0,
            spoofchk: true,
            trusted: false,
            link: LinkPolicy::Auto,
        }
    }
}

/// What the VF's driver has set through the mailbox, within what it may.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct GuestState {
    /// The address it chose.
    pub(crate) mac: Option<Mac>,
    /// Further addresses.
    pub(crate) filters: List<Mac, MAX_FILTERS>,
    /// VLANs, without 0, which each VF is in.
    pub(crate) vlans: List<u16, MAX_VLANS>,
    /// Multicast hashes.
    pub(crate) hashes: Hashes,
    /// It has more groups than hashes.
    pub(crate) hash_overflow: bool,
    /// Receives all multicast.
    pub(crate) all_multicast: bool,
    /// Receives all unicast.
    pub(crate) all_unicast: bool,
    /// Largest frame in bytes with checksum; standard frames if not set.
    pub(crate) max_frame: Option<u16>,
    /// Its queues may receive and send: it has told of its reset.
    pub(crate) enabled: bool,
    /// Clear to send: it may use the mailbox for more than to start anew.
    pub(crate) cts: bool,
}

impl GuestState {
    /// As after a reset of the function.
    pub(crate) const fn new() -> Self {
        Self {
            mac: None,
            filters: List::filled_with(Mac::ZERO),
            vlans: List::filled_with(0),
            hashes: List::filled_with(0),
            hash_overflow: false,
            all_multicast: false,
            all_unicast: false,
            max_frame: None,
            enabled: false,
            cts: false,
        }
    }

    /// As when its driver starts anew: all but the address is forgotten.
    pub(crate) fn restarted(&self) -> Self {
        Self {
            mac: self.mac,
            ..Self::new()
        }
    }
}

/// One VF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct VfState {
    /// The administrator's part.
    pub(crate) admin: AdminState,
    /// The guest's part.
    pub(crate) guest: GuestState,
    /// It is kept from receiving and sending for a while, without knowing.
    pub(crate) quiesced: bool,
}

impl VfState {
    /// A VF that nobody has touched.
    pub(crate) const fn new() -> Self {
        Self {
            admin: AdminState::new(),
            guest: GuestState::new(),
            quiesced: false,
        }
    }

    /// The address in force: the guest's where it was allowed to choose one.
    pub(crate) fn mac(&self) -> Option<Mac> {
        self.guest.mac.or(self.admin.mac)
    }

    /// Whether it receives `mac` as its own.
    pub(crate) fn owns(&self, mac: Mac) -> bool {
        self.mac() == Some(mac) || self.guest.filters.contains(mac)
    }

    /// The function was reset: nothing of the guest's is left.
    pub(crate) fn function_reset(&mut self) {
        self.guest = GuestState::new();
    }

    /// Its driver starts anew: all but the address is forgotten.
    pub(crate) fn driver_reset(&mut self) {
        self.guest = self.guest.restarted();
    }

    /// Whether its link is up, given the PF's.
    pub(crate) fn link_up(&self, link: &PfLink) -> bool {
        match self.admin.link {
            LinkPolicy::Auto => link.up,
            LinkPolicy::Enable => true,
            LinkPolicy::Disable => false,
        }
    }

    /// Whether it may receive and send.
    pub(crate) fn runs(&self) -> bool {
        self.guest.enabled && self.admin.link != LinkPolicy::Disable && !self.quiesced
    }
}

/// The PF's link.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct PfLink {
    /// The port has a signal; its netdev may be down, which is no affair of VFs.
    pub(crate) up: bool,
    /// Speed in Mbit/s; 0 if down.
    pub(crate) mbps: u16,
}

/// The PF's own part of the tables it shares with its VFs.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct PfState {
    /// Its address.
    pub(crate) mac: Mac,
    /// Further addresses.
    pub(crate) filters: List<Mac, MAX_FILTERS>,
    /// Multicast hashes, a bit each.
    pub(crate) multicast: BitTable,
    /// VLANs, a bit each.
    pub(crate) vlans: BitTable,
    /// Receives all multicast.
    pub(crate) all_multicast: bool,
    /// Receives all unicast that is for no VF.
    pub(crate) all_unicast: bool,
    /// Receives all VLANs.
    pub(crate) all_vlans: bool,
    /// VLAN tags are taken out of packets.
    pub(crate) strip_vlan: bool,
    /// Receive queues are chosen by a hash.
    pub(crate) rss: bool,
    /// Largest frame in bytes with checksum.
    pub(crate) max_frame: u16,
}

impl PfState {
    /// A PF that receives broadcasts alone.
    pub(crate) const fn new() -> Self {
        Self {
            mac: Mac::ZERO,
            filters: List::filled_with(Mac::ZERO),
            multicast: [0; 128],
            vlans: [0; 128],
            all_multicast: false,
            all_unicast: false,
            all_vlans: false,
            strip_vlan: false,
            rss: false,
            max_frame: 1522,
        }
    }

    /// Whether it is in VLAN `vid`.
    pub(crate) fn in_vlan(&self, vid: u16) -> bool {
        self.all_vlans || bit(&self.vlans, vid)
    }

    /// Whether `mac` is its own.
    pub(crate) fn owns(&self, mac: Mac) -> bool {
        self.mac == mac || self.filters.contains(mac)
    }
}

/// Word and bit of `index` in a [`BitTable`].
fn place(index: u16) -> (usize, u32) {
    (usize::from(index >> 5), 1 << (index & 31))
}

/// Sets or clears bit `index` of a table; those beyond it do not exist.
pub(crate) fn put_bit(table: &mut BitTable, index: u16, on: bool) {
    let (word, mask) = place(index);
    if let Some(word) = table.get_mut(word) {
        if on {
            *word |= mask;
        } else {
            *word &= !mask;
        }
    }
}

/// Sets bit `index` of a table; those beyond it do not exist.
pub(crate) fn set_bit(table: &mut BitTable, index: u16) {
    put_bit(table, index, true);
}

/// Reads bit `index` of a table.
pub(crate) fn bit(table: &BitTable, index: u16) -> bool {
    let (word, mask) = place(index);
    table.get(word).is_some_and(|word| word & mask != 0)
}

/// The indices of all bits of a table that are set.
pub(crate) fn members(table: &BitTable) -> impl Iterator<Item = u16> + '_ {
    let words = (0u16..).zip(table).filter(|&(_, &word)| word != 0);
    words.flat_map(|(at, &word)| {
        let bits = (0..32u16).filter(move |bit| word & 1 << bit != 0);
        bits.map(move |bit| at * 32 + bit)
    })
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_state))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn a_function_reset_leaves_the_administrators_part() {
        let mut vf = VfState::new();
        let admin = Mac([2, 0, 0, 0, 0, 1]);
        vf.admin.mac = Some(admin);
        vf.admin.trusted = true;
        vf.guest.mac = Some(Mac([2, 0, 0, 0, 0, 2]));
        vf.guest.cts = true;
        vf.driver_reset();
        assert_eq!(vf.mac(), Some(Mac([2, 0, 0, 0, 0, 2])));
        assert!(!vf.guest.cts);
        vf.function_reset();
        assert_eq!(vf.mac(), Some(admin));
        assert!(vf.admin.trusted);
    }

    #[test]
    fn the_link_is_what_the_administrator_says() {
        let (up, down) = (
            PfLink {
                up: true,
                mbps: 1000,
            },
            PfLink::default(),
        );
        let mut vf = VfState::new();
        vf.guest.enabled = true;
        assert!(vf.link_up(&up) && !vf.link_up(&down) && vf.runs());
        vf.quiesced = true;
        assert!(vf.link_up(&up) && !vf.runs());
        vf.quiesced = false;
        vf.admin.link = LinkPolicy::Enable;
        assert!(vf.link_up(&down));
        vf.admin.link = LinkPolicy::Disable;
        assert!(!vf.link_up(&up) && !vf.runs());
    }

    #[test]
    fn bits_beyond_a_table_do_not_exist() {
        let mut table: BitTable = [0; 128];
        set_bit(&mut table, 4095);
        set_bit(&mut table, 4096);
        assert_eq!(table[127], 1 << 31);
        assert!(bit(&table, 4095));
        assert!(!bit(&table, 4096));
    }
}
