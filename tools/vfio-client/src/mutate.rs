// SPDX-License-Identifier: GPL-2.0

//! Forged streams: random changes at every level of the format, and particular
//! ones that claim what the stream's owner does not have.

use crate::frame::Mac;
use rand::{rngs::SmallRng, seq::IndexedRandom, Rng};
use vfstate::layout::{self, Place};

/// Tags of the igb provider's records (Documentation/igb-vf-state.rst).
const ADMIN: u16 = 2;
const GUEST: u16 = 3;
const RX_QUEUE: u16 = 4;

/// Offsets in the payload of an ADMIN record.
const ADMIN_MAC: usize = 0;
const ADMIN_PORT_VLAN: usize = 7;
const ADMIN_SPOOFCHK: usize = 13;
const ADMIN_TRUSTED: usize = 14;

/// Offsets in the payload of a GUEST record.
const GUEST_MAC: usize = 0;
const GUEST_ALL_UNICAST: usize = 9;

/// Offset of the ring's address in the payload of a queue's record.
const QUEUE_BASE: usize = 1;

/// A claim that gains nothing: each must be refused.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Claim {
    /// Promiscuity, for being trusted.
    Trust,
    /// Promiscuity, without.
    Promiscuity,
    /// Foreign source addresses.
    NoSpoofCheck,
    /// The administrator's VLAN is another.
    OtherVlan,
    /// The neighbour's address, as the guest's choice.
    NeighbourMac,
    /// The neighbour's address, as the administrator's.
    AdminMac,
}

/// All of them.
pub const CLAIMS: [Claim; 6] = [
    Claim::Trust,
    Claim::Promiscuity,
    Claim::NoSpoofCheck,
    Claim::OtherVlan,
    Claim::NeighbourMac,
    Claim::AdminMac,
];

/// The provider's records of a tag, in all states of a stream.
fn nested(bytes: &[u8], tag: u16) -> Vec<Place> {
    let (outer, _) = layout::of_stream(bytes);
    let states = outer
        .iter()
        .filter(|place| matches!(place.tag, layout::PRECOPY | layout::STATE));
    states
        .flat_map(|place| layout::records(bytes, place.payload, place.end).0)
        .filter(|place| place.tag == tag)
        .collect()
}

/// The stream with a value in each of the provider's records of a tag; its checksum is
/// wrong afterwards.
fn put(bytes: &mut [u8], tag: u16, at: usize, value: &[u8]) {
    for place in nested(bytes, tag) {
        let range = place.payload + at..place.payload + at + value.len();
        if let Some(room) = bytes
            .get_mut(range)
            .filter(|_| at + value.len() <= place.end - place.payload)
        {
            room.copy_from_slice(value);
        }
    }
}

/// The stream with a claim in it, as a well-formed stream.
pub fn claim(stream: &[u8], claim: Claim, neighbour: Mac) -> Vec<u8> {
    let mut bytes = stream.to_vec();
    let mut put = |tag, at, value: &[u8]| put(&mut bytes, tag, at, value);
    let mut mac = vec![1];
    mac.extend(neighbour);
    match claim {
        Claim::Trust => {
            put(ADMIN, ADMIN_TRUSTED, &[1]);
            put(GUEST, GUEST_ALL_UNICAST, &[1]);
        }
        Claim::Promiscuity => put(GUEST, GUEST_ALL_UNICAST, &[1]),
        Claim::NoSpoofCheck => put(ADMIN, ADMIN_SPOOFCHK, &[0]),
        Claim::OtherVlan => put(ADMIN, ADMIN_PORT_VLAN, &[1, 77, 0]),
        Claim::NeighbourMac => put(GUEST, GUEST_MAC, &mac),
        Claim::AdminMac => put(ADMIN, ADMIN_MAC, &mac),
    }
    layout::seal(&mut bytes);
    bytes
}

/// The stream with the receive rings at another address, as a well-formed stream.
pub fn receive_rings_at(stream: &[u8], base: u64) -> Vec<u8> {
    let mut bytes = stream.to_vec();
    put(&mut bytes, RX_QUEUE, QUEUE_BASE, &base.to_le_bytes());
    layout::seal(&mut bytes);
    bytes
}

/// Values at which something may go wrong.
fn interesting(rng: &mut SmallRng) -> u64 {
    let bits = rng.random_range(0..64);
    let edge = 1u64 << bits;
    match rng.random_range(0..6) {
        0 => 0,
        1 => u64::MAX,
        2 => edge,
        3 => edge.wrapping_sub(1),
        4 => edge.wrapping_add(1),
        _ => rng.random(),
    }
}

/// Changes some bytes between two places.
fn scribble(bytes: &mut [u8], rng: &mut SmallRng) {
    if bytes.is_empty() {
        return;
    }
    let at = rng.random_range(0..bytes.len());
    match rng.random_range(0..3) {
        0 => bytes[at] ^= 1 << rng.random_range(0..8),
        1 => bytes[at] = rng.random(),
        _ => {
            let value = interesting(rng).to_le_bytes();
            let width = [1, 2, 4, 8][rng.random_range(0..4)];
            for (place, byte) in bytes[at..].iter_mut().zip(value).take(width) {
                *place = byte;
            }
        }
    }
}

/// Replaces a record by what `change` makes of it, and keeps the sizes of those
/// around it (`outer`) right.
fn splice(bytes: &mut Vec<u8>, outer: Option<Place>, place: Place, with: &[u8]) {
    let old = place.end - place.start;
    bytes.splice(place.start..place.end, with.iter().copied());
    if let Some(outer) = outer {
        let size = (outer.end - outer.payload + with.len() - old) as u32;
        bytes[outer.start + 4..outer.start + 8].copy_from_slice(&size.to_le_bytes());
    }
}

/// One random change; the checksum is wrong afterwards.
fn change(bytes: &mut Vec<u8>, rng: &mut SmallRng) {
    let (outer, _) = layout::of_stream(bytes);
    let Some(&record) = outer.choose(rng) else {
        return scribble(bytes, rng);
    };
    let inner = layout::records(bytes, record.payload, record.end).0;
    let nested = inner
        .choose(rng)
        .copied()
        .filter(|_| matches!(record.tag, layout::PRECOPY | layout::STATE));
    match (rng.random_range(0..10), nested) {
        // Fields of the provider's records: most of the time.
        (0..=4, Some(place)) => scribble(&mut bytes[place.payload..place.end], rng),
        (5, Some(place)) => splice(bytes, Some(record), place, &[]),
        (6, Some(place)) => {
            let twice = bytes[place.start..place.end].repeat(2);
            splice(bytes, Some(record), place, &twice);
        }
        (7, Some(place)) => {
            // Longer or shorter, its size with it.
            let mut with = bytes[place.start..place.end].to_vec();
            let size = rng.random_range(0..=2 * (place.end - place.payload) + 4);
            with.resize(8 + size, rng.random());
            with[4..8].copy_from_slice(&(size as u32).to_le_bytes());
            splice(bytes, Some(record), place, &with);
        }
        (0..=5, _) => scribble(&mut bytes[record.start..record.payload], rng),
        (6, _) => splice(bytes, None, record, &[]),
        (7, _) => {
            let twice = bytes[record.start..record.end].repeat(2);
            splice(bytes, None, record, &twice);
        }
        (8, _) => {
            let len = rng.random_range(0..=bytes.len());
            bytes.truncate(len);
        }
        _ => scribble(bytes, rng),
    }
}

/// The stream with one to four random changes; most of the time its checksum is
/// right, or little of it would be looked at.
pub fn random(stream: &[u8], rng: &mut SmallRng) -> Vec<u8> {
    let mut bytes = stream.to_vec();
    for _ in 0..rng.random_range(1..=4) {
        change(&mut bytes, rng);
    }
    if rng.random_bool(0.9) {
        layout::seal(&mut bytes);
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;
    use std::collections::HashSet;

    const STREAM: &[u8] = include_bytes!("../../vfstate/tests/data/igb.vfstate");

    #[test]
    fn claims_are_in_a_stream_that_is_well_formed() {
        for kind in CLAIMS {
            let bytes = claim(STREAM, kind, [2, 0, 0, 0, 0, 9]);
            let shown = vfstate::show::stream(&bytes);
            assert!(vfstate::show::is_whole(&shown), "{kind:?}: {shown:#}");
            for record in [&shown["records"][1], &shown["records"][2]] {
                let (admin, guest) = (&record["administrator"], &record["guest"]);
                let there = match kind {
                    Claim::Trust => admin["trusted"] == true && guest["all_unicast"] == true,
                    Claim::Promiscuity => guest["all_unicast"] == true,
                    Claim::NoSpoofCheck => admin["spoofchk"] == false,
                    Claim::OtherVlan => admin["port_vlan"]["vid"] == 77,
                    Claim::NeighbourMac => guest["mac"] == "02:00:00:00:00:09",
                    Claim::AdminMac => admin["mac"] == "02:00:00:00:00:09",
                };
                assert!(there, "{kind:?}: {record:#}");
            }
        }
    }

    #[test]
    fn rings_are_elsewhere_in_a_stream_that_is_well_formed() {
        let shown = vfstate::show::stream(&receive_rings_at(STREAM, 0x40_0000_0000));
        assert!(vfstate::show::is_whole(&shown), "{shown:#}");
        let text = shown.to_string();
        assert_eq!(text.matches("0x4000000000").count(), 2, "{shown:#}");
    }

    #[test]
    fn random_changes_reach_every_level() {
        let mut rng = SmallRng::seed_from_u64(1);
        let mut faults = HashSet::new();
        let mut whole = 0;
        for _ in 0..3000 {
            let shown = vfstate::show::stream(&random(STREAM, &mut rng));
            whole += usize::from(vfstate::show::is_whole(&shown));
            faults.insert(shown["fault"].to_string());
            for record in shown["records"].as_array().into_iter().flatten() {
                faults.insert(record["fault"].to_string());
            }
        }
        // Some are still valid, and refusals come from all places.
        assert!(whole > 100, "{whole}");
        assert!(faults.len() > 30, "{}", faults.len());
    }
}
