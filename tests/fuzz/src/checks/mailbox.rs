// SPDX-License-Identifier: GPL-2.0

//! The mailbox: VFs send any words while the administrator sets what he likes.
//! What an untrusted VF can get is in its bounds at every step, in the state and
//! in the registers that follow from it.

use crate::{
    input::Input,
    vf::logic::{
        admin::{self, Setting},
        mac::Mac,
        message::{Request, MAILBOX_WORDS},
        policy,
        state::{LinkPolicy, PfLink, PfState, VfState, MAX_FRAME, MAX_VFS},
        tables::Tables,
    },
};

const PF_MAC: Mac = Mac([2, 0, 0, 0, 0, 0xff]);

/// Few addresses, so that VFs meet; some are the PF's, a group's or zero.
fn mac(input: &mut Input<'_>) -> Mac {
    match input.byte() {
        0xf0 => Mac::ZERO,
        0xf1 => Mac([0xff; 6]),
        0xf2 => Mac::from_words(input.word(), input.word()),
        last => Mac([2, 0, 0, 0, 0, last]),
    }
}

/// Mostly near a message, sometimes any words.
fn words(input: &mut Input<'_>) -> Vec<u32> {
    let head = input.byte();
    if head >= 0xc0 {
        let count = usize::from(head & 0x3f) % MAILBOX_WORDS + 1;
        return (0..count).map(|_| input.word()).collect();
    }
    let mut words = vec![u32::from(head & 7) | u32::from(input.byte()) << 16];
    if head & 8 != 0 {
        let (low, high) = mac(input).to_words();
        words.extend([low, high]);
    }
    for _ in 0..head >> 4 {
        words.push(u32::from(input.half()));
    }
    words
}

fn setting(input: &mut Input<'_>) -> Setting {
    let on = |input: &mut Input<'_>| input.byte() & 1 != 0;
    match input.byte() % 6 {
        0 => Setting::Mac(mac(input)),
        1 => Setting::Vlan {
            vid: input.half(),
            qos: input.byte(),
            protocol: if on(input) { 0x8100 } else { input.half() },
        },
        2 => Setting::Rate {
            min: u32::from(input.byte()),
            max: u32::from(input.half()),
        },
        3 => Setting::Spoofchk(on(input)),
        4 => Setting::Trust(on(input)),
        _ => Setting::Link(match input.byte() % 3 {
            0 => LinkPolicy::Auto,
            1 => LinkPolicy::Enable,
            _ => LinkPolicy::Disable,
        }),
    }
}

/// All addresses that `vf` receives as its own.
fn addresses(vf: &VfState) -> impl Iterator<Item = Mac> + '_ {
    vf.mac()
        .into_iter()
        .chain(vf.guest.filters.as_slice().iter().copied())
}

/// VF `vf`, whose message has just been granted, was within its rights.
pub(super) fn judge_message(before: &[VfState], after: &[VfState], pf: &PfState, vf: usize) {
    for (index, (old, new)) in before.iter().zip(after).enumerate() {
        assert_eq!(
            old.admin, new.admin,
            "a message changed what the administrator set"
        );
        assert!(index == vf || old == new, "a message changed another VF");
    }
    let (old, new) = (&before[vf], &after[vf]);
    if new.admin.trusted {
        return;
    }
    for gained in addresses(new).filter(|&mac| !old.owns(mac)) {
        assert!(gained.is_station() && !pf.owns(gained));
        let others = before.iter().enumerate().filter(|(index, _)| *index != vf);
        assert!(
            others.clone().all(|(_, other)| !other.owns(gained)),
            "another's address"
        );
        assert_eq!(new.admin.mac, None, "an address beside the administrator's");
    }
    assert!(!new.guest.all_unicast);
}

/// The state as a whole, and the registers that follow from it.
pub(super) fn judge_state(vfs: &[VfState], tables: &Tables) {
    for (vf, state) in vfs.iter().enumerate() {
        let (admin, guest) = (&state.admin, &state.guest);
        assert!(guest.max_frame.is_none_or(|bytes| bytes <= MAX_FRAME));
        let pool = 1u8 << vf;
        assert_eq!(tables.spoofchk & pool != 0, admin.spoofchk);
        assert!(tables.enabled & pool == 0 || state.runs());
        assert_eq!(tables.pools[vf].insert, admin.port_vlan);
        if !admin.trusted {
            assert!(!tables.pools[vf].unicast_table);
            if let Some(mac) = admin.mac {
                assert_eq!(state.mac(), Some(mac));
            }
        }
        let Some(port) = admin.port_vlan else {
            continue;
        };
        assert!(guest.vlans.is_empty(), "a VLAN beside the port VLAN");
        if port.vid != 0 {
            assert!(!tables.pools[vf].untagged);
            let entries = tables
                .pool_vlans
                .0
                .iter()
                .filter(|slot| slot.pools & pool != 0);
            for slot in entries {
                assert_eq!(slot.key, port.vid, "out of the port VLAN");
            }
        }
    }
}

/// Any number of messages and settings.
pub fn mailbox(data: &[u8]) {
    let mut input = Input(data);
    let count = usize::from(input.byte()) % MAX_VFS + 1;
    let mut vfs = vec![VfState::new(); count];
    let pf = PfState {
        mac: PF_MAC,
        ..PfState::new()
    };
    let link = PfLink {
        up: true,
        mbps: 1000,
    };
    let (mut current, mut next) = (Tables::new(), Tables::new());
    while !input.is_empty() {
        let what = input.byte();
        let vf = usize::from(what & 7) % count;
        let before = vfs.clone();
        match what >> 4 {
            0 => {
                let _ = admin::set(&mut vfs, &pf, vf, setting(&mut input));
            }
            1 => vfs[vf].function_reset(),
            _ => {
                let granted = Request::parse(&words(&mut input))
                    .is_ok_and(|request| policy::apply(&mut vfs, &pf, vf, &request).is_ok());
                if granted {
                    judge_message(&before, &vfs, &pf, vf);
                } else {
                    assert!(vfs == before, "a refused message changed something");
                }
            }
        }
        if vfs != before {
            assert!(
                next.compute(&current, &vfs, &pf, &link).is_ok(),
                "a filter does not fit"
            );
            std::mem::swap(&mut current, &mut next);
            judge_state(&vfs, &current);
        }
    }
}
