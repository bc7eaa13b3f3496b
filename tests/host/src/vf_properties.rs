// SPDX-License-Identifier: GPL-2.0

//! Properties of VF control that hold whatever VFs send.

use crate::vf::logic::{
    list::List,
    mac::Mac,
    message::{Fault, Hashes, Reply, Request, MAILBOX_WORDS, MAX_HASHES, MAX_VID},
    policy,
    state::{PfLink, PfState, PortVlan, VfState, MAX_FRAME, MAX_VFS},
    tables::Tables,
};
use proptest::prelude::*;

const PF_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xff]);

/// Few addresses, so that VFs meet.
fn any_mac() -> impl Strategy<Value = Mac> {
    prop_oneof![
        8 => (0u8..40).prop_map(|last| Mac([2, 0, 0, 0, 0, last])),
        1 => Just(PF_MAC),
        1 => any::<[u8; 6]>().prop_map(Mac),
    ]
}

fn any_hashes() -> impl Strategy<Value = Hashes> {
    prop::collection::vec(0u16..0x1000, 0..=MAX_HASHES).prop_map(|items| {
        let mut list = List::filled_with(0);
        for item in items {
            list.push(item).unwrap();
        }
        list
    })
}

fn any_request() -> impl Strategy<Value = Request> {
    prop_oneof![
        1 => Just(Request::Reset),
        2 => any_mac().prop_map(Request::SetMac),
        1 => Just(Request::ClearFilters),
        6 => any_mac().prop_map(Request::AddFilter),
        1 => (any_hashes(), any::<bool>())
            .prop_map(|(hashes, overflow)| Request::Multicast { hashes, overflow }),
        6 => (prop_oneof![0u16..40, 0..=MAX_VID], any::<bool>())
            .prop_map(|(vid, add)| Request::Vlan { vid, add }),
        1 => any::<u32>().prop_map(Request::MaxFrame),
        1 => any::<(bool, bool)>()
            .prop_map(|(unicast, multicast)| Request::Promiscuous { unicast, multicast }),
    ]
}

/// Words that often look like a message.
fn any_words() -> impl Strategy<Value = Vec<u32>> {
    let head = prop_oneof![
        any::<u32>(),
        (0u32..8, 0u32..0x100).prop_map(|(kind, info)| kind | info << 16),
    ];
    (
        head,
        prop::collection::vec(prop_oneof![any::<u32>(), 0u32..5000], 0..MAILBOX_WORDS),
    )
        .prop_map(|(head, mut body)| {
            body.insert(0, head);
            body
        })
}

/// VFs as an administrator may have set them.
fn any_vfs() -> impl Strategy<Value = Vec<VfState>> {
    let vf = (
        prop::option::of((100u8..108).prop_map(|last| Mac([2, 0, 0, 0, 0, last]))),
        prop::option::of((0..=MAX_VID, 0u8..8).prop_map(|(vid, qos)| PortVlan { vid, qos })),
    );
    prop::collection::vec(vf, 1..=MAX_VFS).prop_map(|settings| {
        let state = |(mac, port_vlan)| {
            let mut state = VfState::new();
            state.admin.mac = mac;
            state.admin.port_vlan = port_vlan;
            state
        };
        settings.into_iter().map(state).collect()
    })
}

proptest! {
    /// What is asked is what is read.
    #[test]
    fn requests_round_trip(request in any_request()) {
        let words = request.encode();
        prop_assert!(words.len() <= MAILBOX_WORDS);
        prop_assert_eq!(Request::parse(words.as_slice()), Ok(request));
    }

    /// Any words at all are read or refused; what is read is in bounds.
    #[test]
    fn any_words_are_read_or_refused(words in any_words()) {
        match Request::parse(&words) {
            Ok(Request::Vlan { vid, .. }) => prop_assert!(vid <= MAX_VID),
            Ok(Request::Multicast { hashes, .. }) => {
                prop_assert!(hashes.as_slice().iter().all(|&hash| hash < 0x1000));
            }
            Ok(request) => prop_assert_eq!(Request::parse(request.encode().as_slice()), Ok(request)),
            Err(Fault::Answered) => prop_assert!(words[0] >> 30 != 0),
            Err(Fault::Unknown(head) | Fault::Malformed(head)) => prop_assert_eq!(head, words[0]),
        }
    }

    /// An answer is ACK or NACK, never both, and never a request.
    #[test]
    fn answers_are_answers(head in any::<u32>(), granted in any::<bool>(), cts in any::<bool>()) {
        let words = Reply::Answer { head, granted, cts }.encode();
        let word = words.as_slice()[0];
        prop_assert_eq!(word >> 31 == 1, granted);
        prop_assert_eq!(word >> 30 & 1 == 1, !granted);
        prop_assert_eq!(word >> 29 & 1 == 1, cts);
        prop_assert_eq!(Request::parse(words.as_slice()), Err(Fault::Answered));
    }

    /// Whatever untrusted VFs ask for, in any order: nobody gets an address that
    /// is another's, or loses the administrator's; nobody leaves a port VLAN;
    /// every filter fits; and a refused request changes nothing.
    #[test]
    fn untrusted_vfs_stay_in_their_bounds(
        mut vfs in any_vfs(),
        asked in prop::collection::vec((0..MAX_VFS, any_request()), 0..300),
    ) {
        let pf = PfState { mac: PF_MAC, ..PfState::new() };
        let link = PfLink { up: true, mbps: 1000 };
        let admins: Vec<_> = vfs.iter().map(|vf| vf.admin).collect();
        for vf in 0..vfs.len() {
            prop_assert_eq!(policy::apply(&mut vfs, &pf, vf, &Request::Reset), Ok(()));
        }
        let (mut current, mut next) = (Tables::new(), Tables::new());
        for (vf, request) in asked {
            let before = vfs.clone();
            if policy::apply(&mut vfs, &pf, vf, &request).is_err() {
                prop_assert!(vfs == before);
                continue;
            }
            prop_assert!(next.compute(&current, &vfs, &pf, &link).is_ok());
            std::mem::swap(&mut current, &mut next);
        }
        let mut owned = vec![PF_MAC];
        for (vf, admin) in vfs.iter().zip(&admins) {
            prop_assert_eq!(&vf.admin, admin);
            if admin.mac.is_some() {
                prop_assert_eq!(vf.mac(), admin.mac);
                prop_assert!(vf.guest.filters.is_empty());
            }
            if admin.port_vlan.is_some() {
                prop_assert!(vf.guest.vlans.is_empty());
            }
            prop_assert!(!vf.guest.all_unicast);
            prop_assert!(vf.guest.max_frame.is_none_or(|bytes| bytes <= MAX_FRAME));
            // A VF may list its own address again, so count each address once.
            let mut own: Vec<Mac> = vf.guest.filters.as_slice().to_vec();
            own.extend(vf.guest.mac);
            own.sort_by_key(|mac| mac.0);
            own.dedup();
            for mac in own {
                prop_assert!(mac.is_station());
                prop_assert!(!owned.contains(&mac));
                owned.push(mac);
            }
        }
    }
}
