// SPDX-License-Identifier: GPL-2.0

//! What guest and administrator have set, as payloads of records. Pure.

use super::fields::{
    Reader,
    Writer, //
};
use crate::vf::logic::{
    list::List,
    mac::Mac,
    message::{
        MAX_HASH,
        MAX_VID, //
    },
    state::{
        AdminState,
        GuestState,
        LinkPolicy,
        PortVlan,
        MAX_FRAME,
        MIN_MAX_FRAME, //
    }, //
};

fn put_mac(writer: &mut Writer, mac: Option<Mac>) {
    writer.bool(mac.is_some());
    writer.put(mac.unwrap_or(Mac::ZERO).0);
}

/// An address that is a station's, or none.
fn mac(reader: &mut Reader<'_>) -> Option<Option<Mac>> {
    let there = reader.bool()?;
    let mac = Mac(reader.array()?);
    if there {
        mac.is_station().then_some(Some(mac))
    } else {
        mac.is_zero().then_some(None)
    }
}

/// Distinct items that pass `check`, as many as the list holds.
fn list<T: Copy + PartialEq, const N: usize>(
    reader: &mut Reader<'_>,
    filler: T,
    read: impl Fn(&mut Reader<'_>) -> Option<T>,
    check: impl Fn(T) -> bool,
) -> Option<List<T, N>> {
    let mut items = List::filled_with(filler);
    for _ in 0..reader.u8()? {
        let item = read(reader)?;
        if !check(item) || items.contains(item) {
            return None;
        }
        items.push(item).ok()?;
    }
    Some(items)
}

/// Writes what the guest has set.
pub(super) fn put_guest(writer: &mut Writer, guest: &GuestState) {
    put_mac(writer, guest.mac);
    writer
        .bool(guest.hash_overflow)
        .bool(guest.all_multicast)
        .bool(guest.all_unicast)
        .bool(guest.enabled)
        .bool(guest.cts)
        // No frame has a size of 0.
        .u16(guest.max_frame.unwrap_or(0));
    writer.count(guest.filters.len());
    for mac in guest.filters.as_slice() {
        writer.put(mac.0);
    }
    writer.count(guest.vlans.len());
    for &vid in guest.vlans.as_slice() {
        writer.u16(vid);
    }
    writer.count(guest.hashes.len());
    for &hash in guest.hashes.as_slice() {
        writer.u16(hash);
    }
}

/// Reads what the guest has set; [`None`] if no guest can have.
pub(super) fn guest(reader: &mut Reader<'_>) -> Option<GuestState> {
    let mut guest = GuestState {
        mac: mac(reader)?,
        hash_overflow: reader.bool()?,
        all_multicast: reader.bool()?,
        all_unicast: reader.bool()?,
        enabled: reader.bool()?,
        cts: reader.bool()?,
        max_frame: match reader.u16()? {
            0 => None,
            bytes @ MIN_MAX_FRAME..=MAX_FRAME => Some(bytes),
            _ => return None,
        },
        ..GuestState::new()
    };
    guest.filters = list(
        reader,
        Mac::ZERO,
        |reader| reader.array().map(Mac),
        Mac::is_station,
    )?;
    guest.vlans = list(
        reader,
        0,
        |reader| reader.u16(),
        |vid| vid != 0 && vid <= MAX_VID,
    )?;
    // A driver that has two groups of one hash sends it twice.
    for _ in 0..reader.u8()? {
        let hash = reader.u16().filter(|&hash| hash <= MAX_HASH)?;
        guest.hashes.push(hash).ok()?;
    }
    // Before it has told of its reset it has at most an address, which a reset of the PF
    // leaves it.
    (guest.enabled || guest == guest.restarted()).then_some(guest)
}

/// Writes what the administrator has set.
pub(super) fn put_admin(writer: &mut Writer, admin: &AdminState) {
    put_mac(writer, admin.mac);
    let port = admin.port_vlan.unwrap_or(PortVlan { vid: 0, qos: 0 });
    writer
        .bool(admin.port_vlan.is_some())
        .u16(port.vid)
        .u8(port.qos)
        .u16(admin.max_tx_rate)
        .bool(admin.spoofchk)
        .bool(admin.trusted)
        .u8(match admin.link {
            LinkPolicy::Auto => 0,
            LinkPolicy::Enable => 1,
            LinkPolicy::Disable => 2,
        });
}

/// Reads what an administrator has set; [`None`] if none can have.
pub(super) fn admin(reader: &mut Reader<'_>) -> Option<AdminState> {
    Some(AdminState {
        mac: mac(reader)?,
        port_vlan: match (reader.bool()?, reader.u16()?, reader.u8()?) {
            (false, 0, 0) => None,
            (true, vid @ 0..=MAX_VID, qos @ 0..=7) if (vid, qos) != (0, 0) => {
                Some(PortVlan { vid, qos })
            }
            _ => return None,
        },
        max_tx_rate: reader.u16()?,
        spoofchk: reader.bool()?,
        trusted: reader.bool()?,
        link: match reader.u8()? {
            0 => LinkPolicy::Auto,
            1 => LinkPolicy::Enable,
            2 => LinkPolicy::Disable,
            _ => return None,
        },
    })
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_guest))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn round_trip(state: &GuestState) -> Option<GuestState> {
        let mut writer = Writer::new();
        put_guest(&mut writer, state);
        let mut reader = Reader::new(writer.bytes()?);
        let read = guest(&mut reader)?;
        reader.end()?;
        Some(read)
    }

    #[test]
    fn the_largest_guest_fits() {
        let mut state = GuestState {
            mac: Some(Mac([2; 6])),
            enabled: true,
            max_frame: Some(MAX_FRAME),
            ..GuestState::new()
        };
        let mut last = 0;
        while state.filters.push(Mac([2, 0, 0, 0, 1, last])).is_ok() {
            last += 1;
        }
        let mut vid = 0;
        while state.vlans.push(MAX_VID - vid).is_ok() {
            vid += 1;
        }
        while state.hashes.push(MAX_HASH).is_ok() {}
        assert!(round_trip(&state) == Some(state));
        assert!(round_trip(&GuestState::new()) == Some(GuestState::new()));
    }

    #[test]
    fn impossible_guests_are_refused() {
        let with = |f: &dyn Fn(&mut GuestState)| {
            let mut state = GuestState {
                enabled: true,
                ..GuestState::new()
            };
            f(&mut state);
            round_trip(&state).is_none()
        };
        assert!(!with(&|_| ()));
        assert!(with(&|guest| guest.mac = Some(Mac([3; 6]))));
        assert!(with(&|guest| guest.max_frame = Some(MIN_MAX_FRAME - 1)));
        assert!(with(&|guest| guest.max_frame = Some(MAX_FRAME + 1)));
        for vid in [0, 4095] {
            assert!(with(&|guest| assert_eq!(guest.vlans.push(vid), Ok(()))));
        }
        assert!(with(&|guest| assert_eq!(guest.hashes.push(0x1000), Ok(()))));
        assert!(with(&|guest| {
            for _ in 0..2 {
                assert_eq!(guest.vlans.push(5), Ok(()));
            }
        }));
        assert!(with(
            &|guest| (guest.enabled, guest.all_unicast) = (false, true)
        ));
        // As after a reset of the PF, of which the driver has yet to learn.
        assert!(!with(
            &|guest| (guest.enabled, guest.mac) = (false, Some(Mac([2; 6])))
        ));
    }

    #[test]
    fn settings_are_read_as_written() {
        let mut state = AdminState::new();
        for link in [LinkPolicy::Auto, LinkPolicy::Enable, LinkPolicy::Disable] {
            state.link = link;
            let mut writer = Writer::new();
            put_admin(&mut writer, &state);
            let mut reader = Reader::new(writer.bytes().unwrap_or(&[]));
            assert_eq!(admin(&mut reader), Some(state));
            assert_eq!(reader.end(), Some(()));
            state.mac = Some(Mac([2; 6]));
            state.port_vlan = Some(PortVlan { vid: 0, qos: 7 });
            state.trusted = true;
            state.max_tx_rate = 500;
        }
    }
}
