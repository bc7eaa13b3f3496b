// SPDX-License-Identifier: GPL-2.0

//! Taking over what a guest had set elsewhere, as if it asked for all of it again.
//! Pure.

use super::{
    message::Request,
    policy::{
        self,
        Denial, //
    },
    state::{
        GuestState,
        PfState,
        VfState, //
    },
};

/// Gives VF `vf` what `wanted` says, if its mailbox would. If not, nothing has
/// changed.
pub(crate) fn install(
    vfs: &mut [VfState],
    pf: &PfState,
    vf: usize,
    wanted: &GuestState,
) -> Result<(), Denial> {
    let before = vfs.get(vf).ok_or(Denial::NotReady)?.guest;
    let asked = ask(vfs, pf, vf, wanted);
    if let Some(state) = vfs.get_mut(vf) {
        match asked {
            Ok(()) => {
                state.guest.enabled = wanted.enabled;
                state.guest.cts = wanted.cts;
            }
            Err(_) => state.guest = before,
        }
    }
    asked
}

/// Whether [`install`] would succeed; changes nothing.
pub(crate) fn check(
    vfs: &mut [VfState],
    pf: &PfState,
    vf: usize,
    wanted: &GuestState,
) -> Result<(), Denial> {
    let before = vfs.get(vf).ok_or(Denial::NotReady)?.guest;
    let asked = install(vfs, pf, vf, wanted);
    if let Some(state) = vfs.get_mut(vf) {
        state.guest = before;
    }
    asked
}

fn ask(vfs: &mut [VfState], pf: &PfState, vf: usize, wanted: &GuestState) -> Result<(), Denial> {
    if let Some(state) = vfs.get_mut(vf) {
        state.guest = GuestState::new();
    }
    if !wanted.enabled {
        // Its driver has not told of its reset, and so not asked for anything.
        return Ok(());
    }
    let mut ask = |request| policy::apply(vfs, pf, vf, &request);
    ask(Request::Reset)?;
    if let Some(mac) = wanted.mac {
        ask(Request::SetMac(mac))?;
    }
    for &mac in wanted.filters.as_slice() {
        ask(Request::AddFilter(mac))?;
    }
    for &vid in wanted.vlans.as_slice() {
        ask(Request::Vlan { vid, add: true })?;
    }
    ask(Request::Multicast {
        hashes: wanted.hashes,
        overflow: wanted.hash_overflow,
    })?;
    if let Some(bytes) = wanted.max_frame {
        ask(Request::MaxFrame(bytes.into()))?;
    }
    ask(Request::Promiscuous {
        unicast: wanted.all_unicast,
        multicast: wanted.all_multicast,
    })
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_install))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::{
        mac::Mac,
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

    fn guest() -> GuestState {
        let mut guest = GuestState {
            mac: Some(mac(1)),
            max_frame: Some(9018),
            all_multicast: true,
            hash_overflow: true,
            enabled: true,
            cts: true,
            ..GuestState::new()
        };
        assert_eq!(guest.filters.push(mac(2)), Ok(()));
        assert_eq!(guest.vlans.push(100), Ok(()));
        assert_eq!(guest.hashes.push(0xabc), Ok(()));
        guest
    }

    #[test]
    fn what_the_guest_had_is_taken_over() {
        let mut vfs = [VfState::new(); 2];
        assert_eq!(check(&mut vfs, &pf(), 1, &guest()), Ok(()));
        assert!(vfs == [VfState::new(); 2]);
        assert_eq!(install(&mut vfs, &pf(), 1, &guest()), Ok(()));
        assert!(vfs[1].guest == guest());
        // It must start anew there as it must here.
        let told = GuestState {
            cts: false,
            ..guest()
        };
        assert_eq!(install(&mut vfs, &pf(), 1, &told), Ok(()));
        assert!(vfs[1].guest == told);
        assert_eq!(install(&mut vfs, &pf(), 1, &GuestState::new()), Ok(()));
        assert!(vfs[1].guest == GuestState::new());
    }

    #[test]
    fn nothing_is_gained_over_the_mailbox() {
        let mut vfs = [VfState::new(); 2];
        vfs[0].guest.mac = Some(mac(7));
        let before = vfs;
        let refused = |wanted: &GuestState, denial| {
            let mut vfs = before;
            assert_eq!(install(&mut vfs, &pf(), 1, wanted), Err(denial));
            assert!(vfs == before);
        };
        let with = |f: &dyn Fn(&mut GuestState)| {
            let mut guest = guest();
            f(&mut guest);
            guest
        };
        refused(&with(&|guest| guest.mac = Some(mac(7))), Denial::MacTaken);
        refused(
            &with(&|guest| guest.mac = Some(mac(0xff))),
            Denial::MacTaken,
        );
        refused(&with(&|guest| guest.all_unicast = true), Denial::Untrusted);
        let neighbour = with(&|guest| assert_eq!(guest.filters.push(mac(7)), Ok(())));
        refused(&neighbour, Denial::MacTaken);
        let group = with(&|guest| guest.mac = Some(Mac([1; 6])));
        refused(&group, Denial::InvalidMac);
    }

    #[test]
    fn the_destinations_administrator_rules() {
        let mut vfs = [VfState::new()];
        vfs[0].admin.mac = Some(mac(9));
        assert_eq!(install(&mut vfs, &pf(), 0, &guest()), Err(Denial::AdminMac));
        vfs[0].admin.mac = None;
        vfs[0].admin.port_vlan = Some(PortVlan { vid: 5, qos: 0 });
        assert_eq!(install(&mut vfs, &pf(), 0, &guest()), Err(Denial::PortVlan));
        assert!(vfs[0].guest == GuestState::new());
    }
}
