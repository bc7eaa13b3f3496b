// SPDX-License-Identifier: GPL-2.0

//! What a VF's message may change. Pure: nothing but state in memory changes
//! here, and only by a request that is granted.

use super::{
    mac::Mac,
    message::Request,
    share,
    state::{
        GuestState,
        PfState,
        VfState,
        MAX_FRAME,
        MAX_VFS,
        MAX_VLANS,
        MIN_MAX_FRAME,
        RECEIVE_ADDRESSES, //
    }, //
};

/// Why a request is refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Denial {
    /// The VF must start anew first.
    NotReady,
    /// The administrator has set its address.
    AdminMac,
    /// A group address or none.
    InvalidMac,
    /// Another function's address.
    MacTaken,
    /// No receive address is left for it.
    FiltersFull,
    /// The administrator keeps it in a VLAN.
    PortVlan,
    /// No VLAN filter is left for it.
    VlansFull,
    /// No frame is that small.
    FrameTooSmall,
    /// Receiving others' unicast is for trusted VFs.
    Untrusted,
}

/// Receive addresses that VFs and PF share: all but one of each one's own.
pub(crate) fn shared_addresses(num_vfs: usize) -> usize {
    RECEIVE_ADDRESSES.saturating_sub(num_vfs.saturating_add(1))
}

/// VLAN filters that VFs share: all but one of each VF for its administrator.
pub(crate) fn shared_vlans(num_vfs: usize) -> usize {
    MAX_VLANS.saturating_sub(num_vfs)
}

/// Whether `mac` belongs to any function but VF `vf`.
fn taken(vfs: &[VfState], pf: &PfState, vf: usize, mac: Mac) -> bool {
    let other = |(index, state): (usize, &VfState)| index != vf && state.owns(mac);
    pf.owns(mac) || vfs.iter().enumerate().any(other)
}

/// Whether the PF may not take `mac`, for it is a VF's, or set for one.
pub(crate) fn is_vfs(vfs: &[VfState], mac: Mac) -> bool {
    vfs.iter()
        .any(|state| state.owns(mac) || state.admin.mac == Some(mac))
}

/// Whether VF `vf` may receive one more address.
fn address_left(vfs: &[VfState], pf: &PfState, vf: usize) -> bool {
    let mut held = [0; MAX_VFS + 1];
    for (count, state) in held.iter_mut().zip(vfs) {
        *count = state.guest.filters.len();
    }
    let Some((pf_share, _)) = held.get_mut(vfs.len()..).and_then(<[_]>::split_first_mut) else {
        return false;
    };
    *pf_share = pf.filters.len();
    held.get(..=vfs.len())
        .is_some_and(|held| share::admits(shared_addresses(vfs.len()), held, vf))
}

/// Whether VF `vf` may join one more VLAN.
fn vlan_left(vfs: &[VfState], vf: usize) -> bool {
    let mut held = [0; MAX_VFS];
    for (count, state) in held.iter_mut().zip(vfs) {
        *count = state.guest.vlans.len();
    }
    held.get(..vfs.len())
        .is_some_and(|held| share::admits(shared_vlans(vfs.len()), held, vf))
}

/// Carries `request` of VF `vf` out on the state, or says why not; then nothing
/// has changed. `vfs` are the VFs that are enabled, at most [`MAX_VFS`].
pub(crate) fn apply(
    vfs: &mut [VfState],
    pf: &PfState,
    vf: usize,
    request: &Request,
) -> Result<(), Denial> {
    let state = *vfs.get(vf).ok_or(Denial::NotReady)?;
    if !state.guest.cts && *request != Request::Reset {
        return Err(Denial::NotReady);
    }
    let trusted = state.admin.trusted;
    let mut next = state;
    let guest = &mut next.guest;
    match *request {
        Request::Reset => {
            next.driver_reset();
            next.guest.enabled = true;
            next.guest.cts = true;
        }
        // What it has already is granted, whoever set it.
        Request::SetMac(mac) if state.mac() == Some(mac) => {}
        Request::SetMac(mac) => {
            if !mac.is_station() {
                return Err(Denial::InvalidMac);
            }
            if !trusted && state.admin.mac.is_some() {
                return Err(Denial::AdminMac);
            }
            if !trusted && taken(vfs, pf, vf, mac) {
                return Err(Denial::MacTaken);
            }
            guest.mac = Some(mac);
        }
        Request::ClearFilters => guest.filters.clear(),
        Request::AddFilter(mac) => {
            if !mac.is_station() {
                return Err(Denial::InvalidMac);
            }
            if !trusted && state.admin.mac.is_some() {
                return Err(Denial::AdminMac);
            }
            if !trusted && taken(vfs, pf, vf, mac) {
                return Err(Denial::MacTaken);
            }
            if !guest.filters.contains(mac) {
                if !address_left(vfs, pf, vf) {
                    return Err(Denial::FiltersFull);
                }
                guest.filters.push(mac).map_err(|_| Denial::FiltersFull)?;
            }
        }
        Request::Multicast { hashes, overflow } => {
            guest.hashes = hashes;
            guest.hash_overflow = overflow;
        }
        Request::Vlan { vid: 0, add } => {
            // Every VF is in VLAN 0; drivers join and leave it all the same.
            if add && state.admin.port_vlan.is_some() {
                return Err(Denial::PortVlan);
            }
        }
        Request::Vlan { vid, add: false } => {
            guest.vlans.remove(vid);
        }
        Request::Vlan { vid, add: true } => {
            if state.admin.port_vlan.is_some() {
                return Err(Denial::PortVlan);
            }
            if !guest.vlans.contains(vid) {
                if !vlan_left(vfs, vf) {
                    return Err(Denial::VlansFull);
                }
                guest.vlans.push(vid).map_err(|_| Denial::VlansFull)?;
            }
        }
        Request::MaxFrame(bytes) => {
            if bytes < u32::from(MIN_MAX_FRAME) {
                return Err(Denial::FrameTooSmall);
            }
            guest.max_frame = Some(u16::try_from(bytes).map_or(MAX_FRAME, |b| b.min(MAX_FRAME)));
        }
        Request::Promiscuous { unicast, multicast } => {
            if unicast && !trusted {
                return Err(Denial::Untrusted);
            }
            guest.all_unicast = unicast;
            guest.all_multicast = multicast;
        }
    }
    if let Some(place) = vfs.get_mut(vf) {
        *place = next;
    }
    Ok(())
}

/// Takes back what an untrusted VF might not have got: its driver has to ask
/// for its addresses again.
pub(crate) fn confine(guest: &mut GuestState) {
    guest.all_unicast = false;
    guest.mac = None;
    guest.filters.clear();
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_policy))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::{
        message::Hashes,
        state::PortVlan, //
    };
    use super::*;

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    fn pf() -> PfState {
        PfState {
            mac: mac(0xff),
            ..PfState::new()
        }
    }

    /// VFs that have told of their reset.
    fn ready<const N: usize>() -> [VfState; N] {
        let mut vfs = [VfState::new(); N];
        for vf in 0..N {
            assert_eq!(apply(&mut vfs, &pf(), vf, &Request::Reset), Ok(()));
        }
        vfs
    }

    #[test]
    fn nothing_but_reset_before_reset() {
        let mut vfs = [VfState::new(); 1];
        let before = vfs;
        for request in [
            Request::SetMac(mac(1)),
            Request::ClearFilters,
            Request::AddFilter(mac(1)),
            Request::Vlan { vid: 1, add: true },
            Request::MaxFrame(1500),
        ] {
            assert_eq!(apply(&mut vfs, &pf(), 0, &request), Err(Denial::NotReady));
        }
        assert!(vfs == before);
        assert_eq!(
            apply(&mut vfs, &pf(), 1, &Request::Reset),
            Err(Denial::NotReady)
        );
    }

    #[test]
    fn an_untrusted_vf_takes_no_address_of_others() {
        let mut vfs = ready::<3>();
        assert_eq!(apply(&mut vfs, &pf(), 1, &Request::SetMac(mac(1))), Ok(()));
        assert_eq!(
            apply(&mut vfs, &pf(), 1, &Request::AddFilter(mac(2))),
            Ok(())
        );
        vfs[2].admin.mac = Some(mac(3));
        for taken in [mac(1), mac(2), mac(3), mac(0xff)] {
            for request in [Request::SetMac(taken), Request::AddFilter(taken)] {
                assert_eq!(apply(&mut vfs, &pf(), 0, &request), Err(Denial::MacTaken));
            }
        }
        vfs[0].admin.trusted = true;
        assert_eq!(apply(&mut vfs, &pf(), 0, &Request::SetMac(mac(1))), Ok(()));
    }

    #[test]
    fn what_is_a_vfs_is_known() {
        let mut vfs = ready::<2>();
        vfs[0].guest.mac = Some(mac(1));
        vfs[0].admin.mac = Some(mac(2));
        assert_eq!(vfs[1].guest.filters.push(mac(3)), Ok(()));
        for own in [1, 2, 3] {
            assert!(is_vfs(&vfs, mac(own)));
        }
        assert!(!is_vfs(&vfs, mac(4)) && !is_vfs(&[], mac(1)));
    }

    #[test]
    fn groups_and_zero_are_nobodys_address() {
        let mut vfs = ready::<1>();
        vfs[0].admin.trusted = true;
        for bad in [Mac::ZERO, Mac([0xff; 6]), Mac([1, 0, 0, 0, 0, 0])] {
            for request in [Request::SetMac(bad), Request::AddFilter(bad)] {
                assert_eq!(apply(&mut vfs, &pf(), 0, &request), Err(Denial::InvalidMac));
            }
        }
    }

    #[test]
    fn the_administrators_address_stays() {
        let mut vfs = ready::<1>();
        vfs[0].admin.mac = Some(mac(1));
        assert_eq!(
            apply(&mut vfs, &pf(), 0, &Request::SetMac(mac(2))),
            Err(Denial::AdminMac)
        );
        assert_eq!(
            apply(&mut vfs, &pf(), 0, &Request::AddFilter(mac(2))),
            Err(Denial::AdminMac)
        );
        assert_eq!(apply(&mut vfs, &pf(), 0, &Request::SetMac(mac(1))), Ok(()));
        assert_eq!(apply(&mut vfs, &pf(), 0, &Request::ClearFilters), Ok(()));
        vfs[0].admin.trusted = true;
        assert_eq!(apply(&mut vfs, &pf(), 0, &Request::SetMac(mac(2))), Ok(()));
        assert_eq!(vfs[0].mac(), Some(mac(2)));
    }

    #[test]
    fn a_vf_cannot_leave_the_administrators_vlan() {
        let mut vfs = ready::<1>();
        vfs[0].admin.port_vlan = Some(PortVlan { vid: 5, qos: 0 });
        for vid in [0, 5, 6] {
            assert_eq!(
                apply(&mut vfs, &pf(), 0, &Request::Vlan { vid, add: true }),
                Err(Denial::PortVlan)
            );
        }
        assert!(vfs[0].guest.vlans.is_empty());
    }

    #[test]
    fn vlans_are_shared_fairly() {
        let mut vfs = ready::<7>();
        let mut joined = 0;
        for vid in 1..100 {
            if apply(&mut vfs, &pf(), 0, &Request::Vlan { vid, add: true }).is_ok() {
                joined += 1;
            }
        }
        assert_eq!(joined, shared_vlans(7) - 6 * 3);
        for vf in 1..7 {
            for vid in 0..3 {
                let vid = 200 + 3 * vf + vid;
                assert_eq!(
                    apply(
                        &mut vfs,
                        &pf(),
                        vf as usize,
                        &Request::Vlan { vid, add: true }
                    ),
                    Ok(())
                );
            }
        }
        // Again is no further entry; leaving gives it back.
        let join = Request::Vlan { vid: 1, add: true };
        assert_eq!(apply(&mut vfs, &pf(), 0, &join), Ok(()));
        let leave = Request::Vlan { vid: 1, add: false };
        assert_eq!(apply(&mut vfs, &pf(), 0, &leave), Ok(()));
        assert_eq!(vfs[0].guest.vlans.len(), joined - 1);
    }

    #[test]
    fn addresses_are_shared_fairly() {
        let mut vfs = ready::<7>();
        let mut added = 0;
        for last in 0..100 {
            if apply(&mut vfs, &pf(), 0, &Request::AddFilter(mac(last))).is_ok() {
                added += 1;
            }
        }
        // Of 16, two each for six VFs and the PF are promised.
        assert_eq!(added, 2);
        let mut alone = ready::<1>();
        for last in 0..100 {
            let _ = apply(&mut alone, &pf(), 0, &Request::AddFilter(mac(last)));
        }
        assert_eq!(alone[0].guest.filters.len(), 11);
    }

    #[test]
    fn frames_are_kept_to_what_the_hardware_can() {
        let mut vfs = ready::<1>();
        let mut ask = |bytes| {
            let answer = apply(&mut vfs, &pf(), 0, &Request::MaxFrame(bytes));
            (answer, vfs[0].guest.max_frame)
        };
        assert_eq!(ask(0), (Err(Denial::FrameTooSmall), None));
        assert_eq!(ask(1522), (Ok(()), Some(1522)));
        assert_eq!(ask(9729), (Ok(()), Some(MAX_FRAME)));
        assert_eq!(ask(u32::MAX), (Ok(()), Some(MAX_FRAME)));
    }

    #[test]
    fn others_unicast_is_for_trusted_vfs() {
        let mut vfs = ready::<1>();
        let ask = Request::Promiscuous {
            unicast: true,
            multicast: true,
        };
        assert_eq!(apply(&mut vfs, &pf(), 0, &ask), Err(Denial::Untrusted));
        assert!(!vfs[0].guest.all_multicast);
        vfs[0].admin.trusted = true;
        assert_eq!(apply(&mut vfs, &pf(), 0, &ask), Ok(()));
        assert!(vfs[0].guest.all_unicast && vfs[0].guest.all_multicast);
    }

    #[test]
    fn reset_forgets_all_but_the_address() {
        let mut vfs = ready::<1>();
        assert_eq!(apply(&mut vfs, &pf(), 0, &Request::SetMac(mac(1))), Ok(()));
        let join = Request::Vlan { vid: 1, add: true };
        assert_eq!(apply(&mut vfs, &pf(), 0, &join), Ok(()));
        let groups = Request::Multicast {
            hashes: Hashes::filled_with(0),
            overflow: true,
        };
        assert_eq!(apply(&mut vfs, &pf(), 0, &groups), Ok(()));
        assert_eq!(apply(&mut vfs, &pf(), 0, &Request::Reset), Ok(()));
        assert_eq!(vfs[0].mac(), Some(mac(1)));
        assert!(vfs[0].guest.vlans.is_empty() && !vfs[0].guest.hash_overflow);
        assert!(vfs[0].guest.cts && vfs[0].guest.enabled);
    }
}
