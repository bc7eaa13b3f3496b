// SPDX-License-Identifier: GPL-2.0

//! Properties of a VF's state that hold whoever wrote it.

use crate::{
    fake::hostile,
    provider::logic::{
        codec::{decode, decode_known, encode, encode_known, MAX_SIZE},
        contexts::{find, Context, Descriptor, QueueContexts},
        queues::{Ring, RxQueue, TxQueue, MAX_LENGTH},
        state::{Device, Interrupts, Known, Stopped},
        statistics::Statistics,
    },
    record::{Record, Records, Writer},
    vf::logic::{
        exchange::{Due, Mailbox, Notices},
        list::List,
        mac::Mac,
        message::{Request, MAX_VID},
        policy,
        state::{AdminState, GuestState, LinkPolicy, PfState, PortVlan, VfState, MAX_FRAME},
    },
};
use proptest::prelude::*;

/// Often one of the few that neighbours may have.
fn any_station() -> impl Strategy<Value = Mac> {
    let any = any::<[u8; 6]>().prop_map(|mut mac| {
        mac[0] = mac[0] & 0xfe | 2;
        Mac(mac)
    });
    let near = prop_oneof![0u8..6, Just(0xff)].prop_map(|last| Mac([2, 0, 0, 0, 0, last]));
    prop_oneof![any, near]
}

fn any_ring() -> impl Strategy<Value = Ring> {
    (0..1u64 << 48, 1..=MAX_LENGTH / 128, any::<(u16, u16)>()).prop_map(|(base, units, at)| {
        let descriptors = units * 8;
        let position = |at: u16| (u32::from(at) % descriptors) as u16;
        Ring {
            base: base * 128,
            length: units * 128,
            head: position(at.0),
            tail: position(at.1),
        }
    })
}

fn any_rx() -> impl Strategy<Value = RxQueue> {
    (any_ring(), any::<[u32; 3]>()).prop_map(|(ring, [shape, control, hints])| {
        let queue = RxQueue {
            ring,
            shape,
            control,
            hints,
        };
        queue.sanitized()
    })
}

fn any_tx() -> impl Strategy<Value = TxQueue> {
    (any_ring(), any::<[u32; 2]>(), any::<u64>()).prop_map(
        |(ring, [control, hints], write_back)| {
            let queue = TxQueue {
                ring,
                control,
                hints,
                write_back,
            };
            queue.sanitized()
        },
    )
}

fn any_device() -> impl Strategy<Value = Device> {
    let interrupts = any::<([u8; 8], [u32; 3], u32)>();
    ([any_rx(), any_rx()], [any_tx(), any_tx()], interrupts).prop_map(|(rx, tx, interrupts)| {
        let ([enabled, auto_clear, auto_mask, a, b, c, d, mailbox], throttles, split_types) =
            interrupts;
        let interrupts = Interrupts {
            enabled,
            auto_clear,
            auto_mask,
            queues: [a, b, c, d],
            mailbox,
            throttles,
        };
        Device {
            rx,
            tx,
            split_types,
            interrupts: interrupts.sanitized(),
        }
    })
}

fn any_mailbox() -> impl Strategy<Value = Mailbox> {
    let due = prop::option::of(prop_oneof![Just(Due::Link), Just(Due::Restart)]);
    (any::<[u32; 16]>(), 0u8..64, any::<bool>(), due).prop_map(|(memory, bits, unread, due)| {
        Mailbox {
            memory,
            notices: Notices::from_bits(bits).unwrap(),
            unread,
            due,
        }
    })
}

fn any_stopped() -> impl Strategy<Value = Stopped> {
    let contexts = any::<[[Option<[u64; 2]>; 2]; 2]>();
    (any_device(), any_mailbox(), any::<[u32; 9]>(), contexts).prop_map(
        |(device, mailbox, values, words)| {
            let mut stopped = Stopped {
                device,
                mailbox,
                statistics: Statistics(values),
                ..Stopped::default()
            };
            for (queue, words) in stopped.contexts.0.iter_mut().zip(words) {
                for [first, second] in words.into_iter().flatten() {
                    let context =
                        Context::new([first, second & !(0xf << 20) | 1 << 29 | 2 << 20]).unwrap();
                    queue[context.index()] = Some(context);
                }
            }
            stopped
        },
    )
}

fn any_admin() -> impl Strategy<Value = AdminState> {
    let port = (0..=MAX_VID, 0u8..8).prop_filter("one of both", |&port| port != (0, 0));
    let link = prop_oneof![
        Just(LinkPolicy::Auto),
        Just(LinkPolicy::Enable),
        Just(LinkPolicy::Disable)
    ];
    let flags = any::<(u16, bool, bool)>();
    (
        prop::option::of(any_station()),
        prop::option::of(port),
        flags,
        link,
    )
        .prop_map(|(mac, port, flags, link)| AdminState {
            mac,
            port_vlan: port.map(|(vid, qos)| PortVlan { vid, qos }),
            max_tx_rate: flags.0,
            spoofchk: flags.1,
            trusted: flags.2,
            link,
        })
}

fn list<T: Copy + PartialEq, const N: usize>(filler: T, items: Vec<T>) -> List<T, N> {
    let mut list = List::filled_with(filler);
    for item in items {
        if !list.contains(item) {
            list.push(item).unwrap();
        }
    }
    list
}

fn any_guest() -> impl Strategy<Value = GuestState> {
    let lists = (
        prop::collection::vec(any_station(), 0..10),
        prop::collection::vec(1..=MAX_VID, 0..10),
        prop::collection::vec(0u16..0x1000, 0..30),
    );
    let max_frame = prop::option::of(64..=MAX_FRAME);
    (
        prop::option::of(any_station()),
        lists,
        max_frame,
        any::<[bool; 5]>(),
    )
        .prop_map(
            |(
                mac,
                (filters, vlans, hashes),
                max_frame,
                [overflow, multicast, unicast, enabled, cts],
            )| {
                if !enabled {
                    return GuestState::new();
                }
                GuestState {
                    mac,
                    filters: list(Mac::ZERO, filters),
                    vlans: list(0, vlans),
                    hashes: list(0, hashes),
                    hash_overflow: overflow,
                    all_multicast: multicast,
                    all_unicast: unicast,
                    max_frame,
                    enabled,
                    cts,
                }
            },
        )
}

fn any_known() -> impl Strategy<Value = Known> {
    (any_admin(), any_guest()).prop_map(|(admin, guest)| Known { admin, guest })
}

fn encoded(known: &Known, stopped: &Stopped) -> Vec<u8> {
    let mut bytes = vec![0; MAX_SIZE];
    let len = encode(known, stopped, &mut bytes).unwrap();
    bytes.truncate(len);
    bytes
}

/// The same records in another order; the first stays.
fn shuffled(bytes: &[u8], order: &[usize]) -> Vec<u8> {
    let mut records: Vec<Record<'_>> = Records::new(bytes).map(Result::unwrap).collect();
    let rest = records.len() - 1;
    for (at, other) in order.iter().enumerate() {
        records.swap(1 + at % rest, 1 + other % rest);
    }
    let mut out = vec![0; bytes.len()];
    let mut writer = Writer::new(&mut out);
    for record in &records {
        writer.put(record).unwrap();
    }
    out
}

proptest! {
    /// What is written is read, in whatever order.
    #[test]
    fn states_round_trip(
        known in any_known(),
        stopped in any_stopped(),
        order in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let bytes = encoded(&known, &stopped);
        prop_assert_eq!(decode(&bytes), Ok((known, stopped)));
        prop_assert_eq!(decode(&shuffled(&bytes, &order)), Ok((known, stopped)));
        let mut small = vec![0; MAX_SIZE];
        let len = encode_known(&known, &mut small).unwrap();
        prop_assert_eq!(decode_known(&small[..len]), Ok(known));
    }

    /// Any bytes are read or refused; what is read is written the same.
    #[test]
    fn any_bytes_are_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        if let Ok((known, stopped)) = decode(&bytes) {
            prop_assert_eq!(decode(&encoded(&known, &stopped)), Ok((known, stopped)));
        }
        let _ = decode_known(&bytes);
    }

    /// A state that was changed anywhere is refused, or is one that can be.
    #[test]
    fn changed_states_are_refused_or_sound(
        known in any_known(),
        stopped in any_stopped(),
        changes in prop::collection::vec(any::<(usize, u8)>(), 1..8),
    ) {
        let mut bytes = encoded(&known, &stopped);
        for (at, value) in changes {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Ok((known, stopped)) = decode(&bytes) {
            for queue in &stopped.device.rx {
                prop_assert!(queue.check().is_ok());
            }
            for queue in &stopped.device.tx {
                prop_assert!(queue.check().is_ok());
            }
            prop_assert!(stopped.device.interrupts.is_valid());
            prop_assert_eq!(decode(&encoded(&known, &stopped)), Ok((known, stopped)));
        }
    }

    /// Whatever a state claims, a VF gets no more than by its mailbox: what it has then
    /// was granted, the administrator's part and all neighbours are as before.
    #[test]
    fn forged_states_gain_nothing(
        mut known in any_known(),
        stopped in any_stopped(),
        [trusted, plain] in any::<[bool; 2]>(),
    ) {
        if plain {
            // Nothing that an administrator has set differs, but trust.
            known.admin = AdminState { trusted: known.admin.trusted, ..AdminState::new() };
        }
        let bytes = encoded(&known, &stopped);
        let loaded = hostile::load(&bytes, trusted);
        prop_assert!(loaded.neighbours_unchanged);
        prop_assert_eq!(loaded.admin.trusted, trusted);
        if let Some(guest) = loaded.accepted {
            prop_assert!(!guest.all_unicast || trusted);
            if !trusted {
                for mac in guest.mac.iter().chain(guest.filters.as_slice()) {
                    prop_assert!(!loaded.taken.contains(mac));
                }
            }
        }
    }

    /// Taking over is asking for the same again.
    #[test]
    fn taking_over_is_asking(guest in any_guest(), admin in any_admin()) {
        let pf = PfState { mac: Mac([2, 0, 0, 0, 0, 0xff]), ..PfState::new() };
        let mut taken = vec![VfState { admin, ..VfState::new() }];
        let mut asked = taken.clone();
        let before = taken.clone();
        let took = crate::vf::logic::install::install(&mut taken, &pf, 0, &guest);
        if took.is_err() || !guest.enabled {
            prop_assert!(took.is_ok() || taken == before);
            return Ok(());
        }
        policy::apply(&mut asked, &pf, 0, &Request::Reset).unwrap();
        for &vid in guest.vlans.as_slice() {
            let join = Request::Vlan { vid, add: true };
            prop_assert!(policy::apply(&mut asked, &pf, 0, &join).is_ok());
        }
        for &mac in guest.filters.as_slice() {
            prop_assert!(policy::apply(&mut asked, &pf, 0, &Request::AddFilter(mac)).is_ok());
        }
        prop_assert_eq!(taken[0].guest.filters, asked[0].guest.filters);
        prop_assert_eq!(taken[0].guest.vlans, asked[0].guest.vlans);
        prop_assert_eq!(taken[0].guest.cts, guest.cts);
        prop_assert_eq!(taken[0].admin, admin);
    }

    /// A walk over any ring ends, reads inside it, and finds contexts alone.
    #[test]
    fn any_ring_is_walked(ring in any_ring(), fill in prop::collection::vec(any::<Descriptor>(), 1..50)) {
        let mut fetched = 0u64;
        let found: Result<QueueContexts, _> = find(&ring, |first, room: &mut [Descriptor]| {
            let end = u32::from(first) + room.len() as u32;
            if end > ring.descriptors() {
                return Err(());
            }
            fetched += room.len() as u64;
            for (at, place) in room.iter_mut().enumerate() {
                let [address, second] = fill[(usize::from(first) + at) % fill.len()];
                // Often descriptors as drivers write them.
                *place = [address, second & 0x3f80_01ff_3fff_ffff | 1 << 29];
            }
            Ok(())
        });
        prop_assert!(!matches!(found, Err(crate::provider::logic::contexts::ContextFault::Unreadable(()))));
        prop_assert!(fetched <= 2 * u64::from(ring.descriptors()) + 64);
        if let Ok(found) = found {
            for (index, context) in found.iter().enumerate() {
                prop_assert!(context.is_none_or(|context| context.index() == index));
            }
        }
    }
}
