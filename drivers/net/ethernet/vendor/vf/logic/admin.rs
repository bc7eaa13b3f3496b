// SPDX-License-Identifier: GPL-2.0

//! What the administrator may set for a VF, by `ip link set DEV vf N …`. Pure.

use super::{
    mac::Mac,
    message::MAX_VID,
    policy::confine,
    state::{
        LinkPolicy,
        PfState,
        PortVlan,
        VfState, //
    }, //
};

/// EtherType of 802.1Q tags.
const PROTOCOL_8021Q: u16 = 0x8100;

/// Largest rate limit in Mbit/s: the fastest link.
const MAX_RATE: u32 = 1000;

/// Why a setting is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum AdminFault {
    /// There is no such VF.
    NoSuchVf,
    /// A group address.
    InvalidMac,
    /// The PF's address, or one set for another VF.
    MacInUse,
    /// No such VLAN or priority.
    InvalidVlan,
    /// The device tags by 802.1Q alone.
    VlanProtocol,
    /// The device has no least rate.
    MinRate,
    /// Above what any link carries.
    RateTooHigh,
}

/// What a VF's driver must be told for a setting to take effect.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Notify {
    /// Nothing: the hardware does it.
    Nothing,
    /// To look at its link.
    Link,
    /// To start anew, for what it was told or has set is no longer so.
    Restart,
}

/// One setting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Setting {
    /// The VF's address; zero lets it choose one again.
    Mac(Mac),
    /// The VLAN it is kept in; neither id nor priority lets it out.
    Vlan {
        /// VLAN id.
        vid: u16,
        /// Priority.
        qos: u8,
        /// EtherType of the tag.
        protocol: u16,
    },
    /// Transmit rate in Mbit/s; 0 for no limit.
    Rate {
        /// Least.
        min: u32,
        /// Most.
        max: u32,
    },
    /// Drop packets with a foreign source.
    Spoofchk(bool),
    /// Trust it.
    Trust(bool),
    /// What it is told of the link.
    Link(LinkPolicy),
}

/// Puts `setting` into force for VF `vf`; if it is refused nothing has changed.
pub(crate) fn set(
    vfs: &mut [VfState],
    pf: &PfState,
    vf: usize,
    setting: Setting,
) -> Result<Notify, AdminFault> {
    let mut next = *vfs.get(vf).ok_or(AdminFault::NoSuchVf)?;
    let before = next;
    let notify = match setting {
        Setting::Mac(mac) if mac.is_zero() => {
            next.admin.mac = None;
            next.guest.mac = None;
            Notify::Restart
        }
        Setting::Mac(mac) => {
            if !mac.is_station() {
                return Err(AdminFault::InvalidMac);
            }
            let others = || vfs.iter().enumerate().filter(|&(other, _)| other != vf);
            if pf.owns(mac) || others().any(|(_, state)| state.admin.mac == Some(mac)) {
                return Err(AdminFault::MacInUse);
            }
            next.admin.mac = Some(mac);
            next.guest.mac = None;
            if !next.admin.trusted {
                confine(&mut next.guest);
            }
            Notify::Restart
        }
        Setting::Vlan { vid, qos, protocol } => {
            if protocol != PROTOCOL_8021Q {
                return Err(AdminFault::VlanProtocol);
            }
            if vid > MAX_VID || qos > 7 {
                return Err(AdminFault::InvalidVlan);
            }
            let port_vlan = (vid != 0 || qos != 0).then_some(PortVlan { vid, qos });
            next.admin.port_vlan = port_vlan;
            next.guest.vlans.clear();
            // A VF that is let out must join its VLANs again; one that is kept
            // in need not know.
            match port_vlan {
                None => Notify::Restart,
                Some(_) => Notify::Nothing,
            }
        }
        Setting::Rate { min, max } => {
            if min != 0 {
                return Err(AdminFault::MinRate);
            }
            if max > MAX_RATE {
                return Err(AdminFault::RateTooHigh);
            }
            next.admin.max_tx_rate = u16::try_from(max).map_err(|_| AdminFault::RateTooHigh)?;
            Notify::Nothing
        }
        Setting::Spoofchk(on) => {
            next.admin.spoofchk = on;
            Notify::Nothing
        }
        Setting::Trust(on) => {
            next.admin.trusted = on;
            if on {
                // What it was refused it may ask for from now on.
                Notify::Nothing
            } else {
                confine(&mut next.guest);
                Notify::Restart
            }
        }
        Setting::Link(link) => {
            next.admin.link = link;
            Notify::Link
        }
    };
    if let Setting::Mac(mac) = setting {
        evict(vfs, vf, mac);
    }
    if let Some(place) = vfs.get_mut(vf) {
        *place = next;
    }
    Ok(if next == before {
        Notify::Nothing
    } else {
        notify
    })
}

/// Whether a VF loses `mac` once that is given to another: it has it, and is not trusted.
pub(crate) fn squats(state: &VfState, mac: Mac) -> bool {
    let guest = &state.guest;
    !state.admin.trusted && (guest.mac == Some(mac) || guest.filters.contains(mac))
}

/// Takes `mac` away from untrusted VFs other than `vf`.
fn evict(vfs: &mut [VfState], vf: usize, mac: Mac) {
    let others = vfs.iter_mut().enumerate().filter(|(other, _)| *other != vf);
    for (_, state) in others.filter(|(_, state)| squats(state, mac)) {
        if state.guest.mac == Some(mac) {
            state.guest.mac = None;
        }
        state.guest.filters.remove(mac);
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_admin))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const OWN: Mac = Mac([2, 0, 0, 0, 0, 1]);
    const OTHER: Mac = Mac([2, 0, 0, 0, 0, 2]);

    fn pf() -> PfState {
        PfState {
            mac: Mac([2, 0, 0, 0, 0, 0xff]),
            ..PfState::new()
        }
    }

    #[test]
    fn an_address_replaces_the_guests() {
        let mut vfs = [VfState::new(); 2];
        vfs[0].guest.mac = Some(OTHER);
        assert_eq!(vfs[0].guest.filters.push(OTHER), Ok(()));
        assert_eq!(
            set(&mut vfs, &pf(), 0, Setting::Mac(OWN)),
            Ok(Notify::Restart)
        );
        assert_eq!(vfs[0].mac(), Some(OWN));
        assert!(vfs[0].guest.filters.is_empty());
        assert_eq!(
            set(&mut vfs, &pf(), 0, Setting::Mac(OWN)),
            Ok(Notify::Nothing)
        );
        assert_eq!(
            set(&mut vfs, &pf(), 1, Setting::Mac(OWN)),
            Err(AdminFault::MacInUse)
        );
        assert_eq!(
            set(&mut vfs, &pf(), 1, Setting::Mac(pf().mac)),
            Err(AdminFault::MacInUse)
        );
        assert_eq!(
            set(&mut vfs, &pf(), 1, Setting::Mac(Mac([0xff; 6]))),
            Err(AdminFault::InvalidMac)
        );
        assert_eq!(
            set(&mut vfs, &pf(), 0, Setting::Mac(Mac::ZERO)),
            Ok(Notify::Restart)
        );
        assert_eq!(vfs[0].mac(), None);
    }

    #[test]
    fn a_squatter_is_evicted() {
        let mut vfs = [VfState::new(); 2];
        vfs[1].guest.mac = Some(OWN);
        assert!(set(&mut vfs, &pf(), 0, Setting::Mac(OWN)).is_ok());
        assert_eq!(vfs[1].mac(), None);
    }

    #[test]
    fn port_vlans_are_checked() {
        let mut vfs = [VfState::new(); 1];
        let vlan = |vid, qos, protocol| Setting::Vlan { vid, qos, protocol };
        assert_eq!(
            set(&mut vfs, &pf(), 0, vlan(5, 0, 0x88a8)),
            Err(AdminFault::VlanProtocol)
        );
        for (vid, qos) in [(4095, 0), (5, 8)] {
            assert_eq!(
                set(&mut vfs, &pf(), 0, vlan(vid, qos, 0x8100)),
                Err(AdminFault::InvalidVlan)
            );
        }
        assert_eq!(vfs[0].guest.vlans.push(7), Ok(()));
        assert_eq!(
            set(&mut vfs, &pf(), 0, vlan(5, 3, 0x8100)),
            Ok(Notify::Nothing)
        );
        assert_eq!(vfs[0].admin.port_vlan, Some(PortVlan { vid: 5, qos: 3 }));
        assert!(vfs[0].guest.vlans.is_empty());
        assert_eq!(
            set(&mut vfs, &pf(), 0, vlan(0, 0, 0x8100)),
            Ok(Notify::Restart)
        );
        assert_eq!(vfs[0].admin.port_vlan, None);
    }

    #[test]
    fn rates_are_those_of_the_link() {
        let mut vfs = [VfState::new(); 1];
        let rate = |min, max| Setting::Rate { min, max };
        assert_eq!(
            set(&mut vfs, &pf(), 0, rate(1, 10)),
            Err(AdminFault::MinRate)
        );
        assert_eq!(
            set(&mut vfs, &pf(), 0, rate(0, 1001)),
            Err(AdminFault::RateTooHigh)
        );
        assert_eq!(set(&mut vfs, &pf(), 0, rate(0, 250)), Ok(Notify::Nothing));
        assert_eq!(vfs[0].admin.max_tx_rate, 250);
    }

    #[test]
    fn lost_trust_takes_back_what_it_gave() {
        let mut vfs = [VfState::new(); 1];
        vfs[0].admin.mac = Some(OWN);
        vfs[0].admin.trusted = true;
        vfs[0].guest.mac = Some(OTHER);
        vfs[0].guest.all_unicast = true;
        assert_eq!(
            set(&mut vfs, &pf(), 0, Setting::Trust(false)),
            Ok(Notify::Restart)
        );
        assert_eq!(vfs[0].mac(), Some(OWN));
        assert!(!vfs[0].guest.all_unicast);
    }

    #[test]
    fn there_are_only_the_vfs_there_are() {
        let mut vfs = [VfState::new(); 1];
        assert_eq!(
            set(&mut vfs, &pf(), 1, Setting::Trust(true)),
            Err(AdminFault::NoSuchVf)
        );
    }
}
