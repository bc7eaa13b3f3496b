// SPDX-License-Identifier: GPL-2.0

//! Everything in the registers that follows from the state of PF and VFs. Pure.
//!
//! The hardware is a function of the state: each change computes all of this
//! anew, and what differs from before is written.

use super::{
    mac::Mac,
    rate::RateFactor,
    slots::Slots,
    state::{
        set_bit,
        BitTable,
        PfLink,
        PfState,
        PortVlan,
        VfState,
        MAX_FRAME,
        POOLS,
        RECEIVE_ADDRESSES,
        VLAN_FILTERS, //
    }, //
};

/// Bytes of a VLAN tag.
const TAG: u16 = 4;

/// Largest standard frame in bytes with tag and checksum.
const STANDARD_FRAME: u16 = 1522;

/// How one pool receives (VMOLR) and is tagged (VMVIR).
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Pool {
    /// Largest frame in bytes, if it is not a standard one.
    pub(crate) long_frames: Option<u16>,
    /// Receives broadcasts.
    pub(crate) broadcast: bool,
    /// Receives packets without a VLAN tag.
    pub(crate) untagged: bool,
    /// Receives the groups of the multicast table.
    pub(crate) multicast_table: bool,
    /// Receives the addresses of the unicast table.
    pub(crate) unicast_table: bool,
    /// Receives all multicast.
    pub(crate) all_multicast: bool,
    /// Gets packets without their tag.
    pub(crate) strip_vlan: bool,
    /// Spreads packets over its queues.
    pub(crate) rss: bool,
    /// The tag put on each packet it sends.
    pub(crate) insert: Option<PortVlan>,
    /// How much slower than the link it sends.
    pub(crate) rate: Option<RateFactor>,
}

/// The registers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Tables {
    /// The pool of the PF if VFs are on: the pool after theirs.
    pub(crate) vmdq: Option<u8>,
    /// Receive addresses; the PF's own is the first.
    pub(crate) addresses: Slots<Mac, RECEIVE_ADDRESSES>,
    /// VLANs of pools; VLAN 0 is the first.
    pub(crate) pool_vlans: Slots<u16, VLAN_FILTERS>,
    /// VLANs that anybody is in.
    pub(crate) vlans: BitTable,
    /// Multicast hashes that anybody receives.
    pub(crate) multicast: BitTable,
    /// The unicast table holds all addresses rather than none.
    pub(crate) all_unicast: bool,
    /// The pools.
    pub(crate) pools: [Pool; POOLS],
    /// Pools that may receive and send.
    pub(crate) enabled: u8,
    /// Pools whose source addresses and VLANs are checked.
    pub(crate) spoofchk: u8,
}

/// Some entry did not fit; the rest is in place.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Overflow;

/// Bit `index` of a mask of pools.
fn pool_bit(index: usize) -> u8 {
    u32::try_from(index)
        .ok()
        .and_then(|index| 1u8.checked_shl(index))
        .unwrap_or(0)
}

fn set_hashes(table: &mut BitTable, vf: &VfState) {
    for &hash in vf.guest.hashes.as_slice() {
        set_bit(table, hash);
    }
}

fn vf_pool(vf: &VfState, link: &PfLink) -> Pool {
    let guest = &vf.guest;
    let port_vlan = vf.admin.port_vlan;
    // The guest does not know of the tag that its frames carry on the wire.
    let tag = if port_vlan.is_some() { TAG } else { 0 };
    Pool {
        long_frames: guest
            .max_frame
            .map(|bytes| bytes.saturating_add(tag).min(MAX_FRAME)),
        broadcast: true,
        untagged: port_vlan.is_none_or(|port| port.vid == 0),
        multicast_table: !guest.hashes.is_empty(),
        unicast_table: guest.all_unicast,
        all_multicast: guest.all_multicast || guest.hash_overflow,
        strip_vlan: port_vlan.is_some() || !guest.vlans.is_empty(),
        rss: false,
        insert: port_vlan,
        rate: RateFactor::new(vf.admin.max_tx_rate, link.mbps),
    }
}

fn pf_pool(pf: &PfState) -> Pool {
    Pool {
        long_frames: (pf.max_frame > STANDARD_FRAME).then_some(pf.max_frame.min(MAX_FRAME)),
        broadcast: true,
        untagged: true,
        multicast_table: pf.multicast.iter().any(|&word| word != 0),
        unicast_table: pf.all_unicast,
        all_multicast: pf.all_multicast,
        strip_vlan: pf.strip_vlan,
        rss: pf.rss,
        insert: None,
        rate: None,
    }
}

impl Tables {
    /// Registers of a device on which nothing is set.
    pub(crate) const fn new() -> Self {
        const POOL: Pool = Pool {
            long_frames: None,
            broadcast: false,
            untagged: false,
            multicast_table: false,
            unicast_table: false,
            all_multicast: false,
            strip_vlan: false,
            rss: false,
            insert: None,
            rate: None,
        };
        Self {
            vmdq: None,
            addresses: Slots::empty(Mac::ZERO),
            pool_vlans: Slots::empty(0),
            vlans: [0; 128],
            multicast: [0; 128],
            all_unicast: false,
            pools: [POOL; POOLS],
            enabled: 0,
            spoofchk: 0,
        }
    }

    /// Computes everything for `vfs`, the VFs that are on; entries that are in
    /// `previous` stay where they are.
    ///
    /// [`Overflow`] cannot happen as long as all of `vfs` passed the policy.
    pub(crate) fn compute(
        &mut self,
        previous: &Self,
        vfs: &[VfState],
        pf: &PfState,
        link: &PfLink,
    ) -> Result<(), Overflow> {
        *self = Self::new();
        let pf_index = vfs.len();
        let pf_bit = pool_bit(pf_index);
        self.vmdq = u8::try_from(pf_index).ok().filter(|&index| index != 0);
        self.vlans = pf.vlans;
        set_bit(&mut self.vlans, 0);
        self.multicast = pf.multicast;
        self.enabled = if vfs.is_empty() { 0xff } else { pf_bit };
        self.all_unicast = pf.all_unicast;
        for (index, (pool, vf)) in self.pools.iter_mut().zip(vfs).enumerate() {
            let bit = pool_bit(index);
            *pool = vf_pool(vf, link);
            self.enabled |= if vf.runs() { bit } else { 0 };
            self.spoofchk |= if vf.admin.spoofchk { bit } else { 0 };
            self.all_unicast |= vf.guest.all_unicast;
            set_hashes(&mut self.multicast, vf);
        }
        if let Some(pool) = self.pools.get_mut(pf_index) {
            *pool = pf_pool(pf);
        }
        if pf.all_vlans {
            self.vlans = [!0; 128];
        }
        let addresses = self.place_addresses(&previous.addresses, vfs, pf);
        let vlans = self.place_vlans(&previous.pool_vlans, vfs, pf);
        addresses.and(vlans)
    }

    fn place_addresses(
        &mut self,
        previous: &Slots<Mac, RECEIVE_ADDRESSES>,
        vfs: &[VfState],
        pf: &PfState,
    ) -> Result<(), Overflow> {
        let pf_bit = pool_bit(vfs.len());
        if pf.mac.is_station() {
            self.addresses.pin(pf.mac, pf_bit);
        }
        let mut answer = Ok(());
        // Those in use before stay where they are; the others fill the gaps, each
        // VF's own address before any further ones.
        for kept in [true, false] {
            let mut place = |mac: Mac, bit: u8| {
                if previous.holds(mac) == kept && self.addresses.add(mac, bit, previous).is_err() {
                    answer = Err(Overflow);
                }
            };
            for (index, vf) in vfs.iter().enumerate() {
                // An address the administrator has set is not the VF's as long as
                // no driver is in it: it may be in use behind another port.
                if let Some(mac) = vf.mac().filter(|_| vf.guest.enabled) {
                    place(mac, pool_bit(index));
                }
            }
            for (index, vf) in vfs.iter().enumerate() {
                for &mac in vf.guest.filters.as_slice() {
                    place(mac, pool_bit(index));
                }
            }
            for &mac in pf.filters.as_slice() {
                place(mac, pf_bit);
            }
        }
        answer
    }

    fn place_vlans(
        &mut self,
        previous: &Slots<u16, VLAN_FILTERS>,
        vfs: &[VfState],
        pf: &PfState,
    ) -> Result<(), Overflow> {
        if vfs.is_empty() {
            return Ok(());
        }
        let pf_bit = pool_bit(vfs.len());
        let mut without = pf_bit;
        for (index, vf) in vfs.iter().enumerate() {
            if vf.admin.port_vlan.is_none_or(|port| port.vid == 0) {
                without |= pool_bit(index);
            }
        }
        self.pool_vlans.pin(0, without);
        let mut answer = Ok(());
        for kept in [true, false] {
            let mut place = |vid: u16, bit: u8| {
                // A VLAN that has an entry goes to its pools alone, so the PF
                // must be named; else its VLANs reach it as the default pool.
                let pools = bit | if pf.in_vlan(vid) { pf_bit } else { 0 };
                set_bit(&mut self.vlans, vid);
                if previous.holds(vid) == kept && self.pool_vlans.add(vid, pools, previous).is_err()
                {
                    answer = Err(Overflow);
                }
            };
            for (index, vf) in vfs.iter().enumerate() {
                if let Some(port) = vf.admin.port_vlan.filter(|port| port.vid != 0) {
                    place(port.vid, pool_bit(index));
                }
            }
            for (index, vf) in vfs.iter().enumerate() {
                for &vid in vf.guest.vlans.as_slice() {
                    place(vid, pool_bit(index));
                }
            }
        }
        // Of a VLAN without an entry the default pool gets what is sent to one station, but
        // in QEMU's model no broadcast. What VFs leave is the PF's; it may be too little.
        for kept in [true, false] {
            for vid in super::state::members(&pf.vlans).filter(|&vid| vid != 0) {
                if previous.holds(vid) == kept {
                    let _ = self.pool_vlans.add(vid, pf_bit, previous);
                }
            }
        }
        answer
    }

    /// Whether packets of VLAN `vid` pass at all.
    #[cfg(any(test, kunit_module))]
    pub(crate) fn passes_vlan(&self, vid: u16) -> bool {
        super::state::bit(&self.vlans, vid)
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_tables))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::{
        slots::Slot,
        state::LinkPolicy, //
    };
    use super::*;

    const PF_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xff]);
    const LINK: PfLink = PfLink {
        up: true,
        mbps: 1000,
    };

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn pf() -> PfState {
        PfState {
            mac: PF_MAC,
            ..PfState::new()
        }
    }

    fn compute(vfs: &[VfState], pf: &PfState) -> Tables {
        let mut tables = Tables::new();
        assert_eq!(tables.compute(&Tables::new(), vfs, pf, &LINK), Ok(()));
        tables
    }

    #[test]
    fn without_vfs_the_pf_has_pool_0_and_all_queues() {
        let tables = compute(&[], &pf());
        assert_eq!(tables.vmdq, None);
        assert_eq!(tables.enabled, 0xff);
        assert_eq!(
            tables.addresses.0[0],
            Slot {
                key: PF_MAC,
                pools: 1
            }
        );
        assert!(tables.pools[0].broadcast && tables.pools[0].untagged);
        assert_eq!(tables.pools[1], Pool::default());
        assert_eq!(tables.spoofchk, 0);
    }

    #[test]
    fn the_pf_is_in_the_pool_after_its_vfs() {
        let mut vfs = [VfState::new(); 2];
        vfs[0].guest.enabled = true;
        vfs[0].guest.mac = Some(mac(1));
        let tables = compute(&vfs, &pf());
        assert_eq!(tables.vmdq, Some(2));
        assert_eq!(tables.enabled, 0b101);
        assert_eq!(tables.addresses.0[0].pools, 0b100);
        assert_eq!(
            tables.addresses.0[1],
            Slot {
                key: mac(1),
                pools: 1
            }
        );
        assert_eq!(
            tables.pool_vlans.0[0],
            Slot {
                key: 0,
                pools: 0b111
            }
        );
        assert_eq!(tables.spoofchk, 0b11);
    }

    #[test]
    fn an_administrators_address_is_filtered_for_while_a_driver_is_there() {
        let mut vfs = [VfState::new(); 1];
        vfs[0].admin.mac = Some(mac(1));
        assert!(!compute(&vfs, &pf()).addresses.holds(mac(1)));
        vfs[0].guest.enabled = true;
        assert!(compute(&vfs, &pf()).addresses.holds(mac(1)));
    }

    #[test]
    fn a_port_vlan_keeps_its_vf_in() {
        let mut vfs = [VfState::new(); 1];
        vfs[0].admin.port_vlan = Some(PortVlan { vid: 5, qos: 3 });
        vfs[0].guest.max_frame = Some(1522);
        let tables = compute(&vfs, &pf());
        let pool = tables.pools[0];
        assert!(!pool.untagged && pool.strip_vlan);
        assert_eq!(pool.insert, Some(PortVlan { vid: 5, qos: 3 }));
        assert_eq!(pool.long_frames, Some(1526));
        assert_eq!(
            tables.pool_vlans.0[0],
            Slot {
                key: 0,
                pools: 0b10
            }
        );
        assert_eq!(
            tables.pool_vlans.0[1],
            Slot {
                key: 5,
                pools: 0b01
            }
        );
        assert!(tables.passes_vlan(5) && tables.passes_vlan(0));
        assert!(!tables.passes_vlan(6));
    }

    #[test]
    fn the_pf_keeps_a_vlan_that_a_vf_joins() {
        let mut vfs = [VfState::new(); 1];
        assert_eq!(vfs[0].guest.vlans.push(7), Ok(()));
        let mut pf = pf();
        assert_eq!(compute(&vfs, &pf).pool_vlans.0[1].pools, 0b01);
        set_bit(&mut pf.vlans, 7);
        assert_eq!(compute(&vfs, &pf).pool_vlans.0[1].pools, 0b11);
    }

    #[test]
    fn what_the_model_lacks_follows_the_settings_too() {
        // QEMU has no rate limit, no unicast table and no spoof check.
        let mut vfs = [VfState::new(); 2];
        vfs[0].admin.max_tx_rate = 500;
        vfs[0].admin.spoofchk = false;
        vfs[0].guest.all_unicast = true;
        vfs[0].guest.hash_overflow = true;
        let tables = compute(&vfs, &pf());
        assert_eq!(tables.pools[0].rate, RateFactor::new(500, 1000));
        assert_eq!(tables.pools[1].rate, None);
        assert!(tables.pools[0].unicast_table && tables.all_unicast);
        assert!(tables.pools[0].all_multicast && !tables.pools[1].all_multicast);
        assert_eq!(tables.spoofchk, 0b10);
    }

    #[test]
    fn a_vf_whose_link_is_down_neither_receives_nor_sends() {
        let mut vfs = [VfState::new(); 1];
        vfs[0].guest.enabled = true;
        vfs[0].admin.link = LinkPolicy::Disable;
        assert_eq!(compute(&vfs, &pf()).enabled, 0b10);
    }

    #[test]
    fn hashes_of_all_are_in_one_table() {
        let mut vfs = [VfState::new(); 2];
        assert_eq!(vfs[0].guest.hashes.push(33), Ok(()));
        assert_eq!(vfs[1].guest.hashes.push(4095), Ok(()));
        let mut pf = pf();
        set_bit(&mut pf.multicast, 0);
        let tables = compute(&vfs, &pf);
        assert_eq!(tables.multicast[0], 1);
        assert_eq!(tables.multicast[1], 2);
        assert_eq!(tables.multicast[127], 1 << 31);
        assert!(tables.pools[0].multicast_table && tables.pools[2].multicast_table);
    }

    #[test]
    fn entries_stay_where_they_are() {
        let mut vfs = [VfState::new(); 2];
        vfs[0].guest.enabled = true;
        vfs[1].guest.enabled = true;
        vfs[0].guest.mac = Some(mac(1));
        vfs[1].guest.mac = Some(mac(2));
        let first = compute(&vfs, &pf());
        vfs[0].guest.mac = None;
        vfs[1].guest.filters = {
            let mut list = vfs[1].guest.filters;
            assert_eq!(list.push(mac(3)), Ok(()));
            list
        };
        let mut second = Tables::new();
        assert_eq!(second.compute(&first, &vfs, &pf(), &LINK), Ok(()));
        assert_eq!(second.addresses.0[2], first.addresses.0[2]);
        assert_eq!(
            second.addresses.0[1],
            Slot {
                key: mac(3),
                pools: 2
            }
        );
    }
}
