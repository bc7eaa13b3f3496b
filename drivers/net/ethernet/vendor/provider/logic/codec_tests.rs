// SPDX-License-Identifier: GPL-2.0

//! Tests of the codec: states as large as can be, and states that lie.

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_codec))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::{
        codec::{
            decode,
            decode_known,
            encode,
            encode_known,
            Malformed,
            MAX_SIZE, //
        },
        contexts::Context,
        queues::{
            Ring,
            ENABLE, //
        },
        state::{
            Known,
            Stopped, //
        }, //
    };
    use crate::{
        record::{
            Record,
            RecordFault,
            Writer, //
        },
        vf::logic::{
            exchange::{
                Due,
                Notices, //
            },
            mac::Mac,
            state::{
                AdminState,
                GuestState,
                PortVlan, //
            }, //
        },
    };

    /// As large as a state gets.
    fn full() -> (Known, Stopped) {
        let mut known = Known {
            admin: AdminState::new(),
            guest: GuestState::new(),
        };
        known.admin.port_vlan = Some(PortVlan { vid: 7, qos: 2 });
        known.admin.mac = Some(Mac([2; 6]));
        let guest = &mut known.guest;
        guest.enabled = true;
        let mut item = 0;
        while guest.filters.push(Mac([2, 0, 0, 0, 1, item])).is_ok() {
            item += 1;
        }
        while guest.vlans.push(u16::from(item) + 1).is_ok() {
            item += 1;
        }
        while guest.hashes.push(0xfff).is_ok() {}
        let mut stopped = Stopped::default();
        let device = &mut stopped.device;
        for (index, queue) in (1..).zip(&mut device.rx) {
            queue.ring = Ring {
                base: 0x1000 * index,
                length: 0x1000,
                head: 20,
                tail: 50,
            };
            queue.shape = 0x0200_0002;
            queue.control = ENABLE | 0x0001_0101;
        }
        for (index, queue) in (1..).zip(&mut device.tx) {
            queue.ring = Ring {
                base: 0x10_0000_0000 * index,
                length: 0x800,
                head: 30,
                tail: 3,
            };
            queue.write_back = 0x1_2345_6001;
            queue.control = ENABLE;
        }
        device.interrupts.enabled = 7;
        device.interrupts.queues = [0x81, 0x80, 0, 0x82];
        device.interrupts.throttles = [488, 0, 4];
        let mailbox = &mut stopped.mailbox;
        mailbox.notices = Notices {
            message: true,
            request: true,
            ..Notices::default()
        };
        mailbox.due = Some(Due::Restart);
        mailbox.memory = core::array::from_fn(|word| word as u32 * 0x0101_0101);
        stopped.statistics.0 = core::array::from_fn(|index| index as u32 * 1000);
        for contexts in &mut stopped.contexts.0 {
            for (index, context) in (0u64..).zip(contexts) {
                *context = Context::new([5 << 16, 1 << 29 | 2 << 20 | index << 36]);
                assert!(context.is_some());
            }
        }
        (known, stopped)
    }

    fn encoded(bytes: &mut [u8; MAX_SIZE]) -> &mut [u8] {
        let (known, stopped) = full();
        let len = encode(&known, &stopped, bytes);
        assert!(len.is_ok());
        &mut bytes[..len.unwrap_or(0)]
    }

    #[test]
    fn the_largest_state_fits_and_comes_back() {
        let mut bytes = [0; MAX_SIZE];
        let bytes = encoded(&mut bytes);
        assert!(decode(bytes) == Ok(full()));
        // What is compared with is part of the whole, and not more.
        assert_eq!(decode_known(bytes).err(), Some(Malformed::Unknown(4)));
        let mut small = [0; MAX_SIZE];
        let len = encode_known(&full().0, &mut small).unwrap_or(0);
        assert!(decode_known(&small[..len]) == Ok(full().0));
        assert_eq!(decode(&small[..len]).err(), Some(Malformed::Missing(4)));
    }

    #[test]
    fn every_cut_is_refused() {
        let mut bytes = [0; MAX_SIZE];
        let bytes = encoded(&mut bytes);
        // A state without its contexts, each a record at the end, is another state.
        let contexts = 4 * (8 + 17);
        for len in 0..bytes.len() - contexts {
            assert!(decode(&bytes[..len]).is_err());
        }
        for len in bytes.len() - contexts + 1..bytes.len() {
            let whole = (bytes.len() - len) % (8 + 17) == 0;
            assert_eq!(decode(&bytes[..len]).is_ok(), whole);
        }
    }

    #[test]
    fn what_is_not_there_twice_cannot_be() {
        let mut bytes = [0; MAX_SIZE];
        let bytes = encoded(&mut bytes);
        let mut twice = [0; MAX_SIZE + 64];
        for tag in [1, 8, 9] {
            // Find the record and append it again.
            let mut at = 0;
            while u16::from_le_bytes([bytes[at], bytes[at + 1]]) != tag {
                at += 8 + usize::from(bytes[at + 4]) + 256 * usize::from(bytes[at + 5]);
            }
            let size = 8 + usize::from(bytes[at + 4]);
            twice[..bytes.len()].copy_from_slice(bytes);
            twice[bytes.len()..bytes.len() + size].copy_from_slice(&bytes[at..at + size]);
            let all = &twice[..bytes.len() + size];
            assert_eq!(decode(all).err(), Some(Malformed::Twice(tag)));
        }
    }

    #[test]
    fn only_what_may_be_skipped_is() {
        let mut bytes = [0; MAX_SIZE];
        let bytes = encoded(&mut bytes);
        let mut more = [0; MAX_SIZE + 64];
        more[..bytes.len()].copy_from_slice(bytes);
        for (optional, expected) in [(true, None), (false, Some(Malformed::Unknown(0x777)))] {
            let mut writer = Writer::new(&mut more[bytes.len()..]);
            let record = Record {
                tag: 0x777,
                optional,
                payload: &[1, 2, 3],
            };
            assert_eq!(writer.put(&record), Ok(()));
            let len = bytes.len() + writer.len();
            assert_eq!(decode(&more[..len]).err(), expected);
        }
    }

    #[test]
    fn other_versions_and_devices_are_told_apart() {
        let mut bytes = [0; MAX_SIZE];
        let bytes = encoded(&mut bytes);
        for (at, fault) in [
            (8, Malformed::Version(0xfe)),
            (10, Malformed::OtherDevice),
            (12, Malformed::OtherDevice),
            (14, Malformed::OtherDevice),
            (15, Malformed::OtherDevice),
            (0, Malformed::NoCompatibility),
        ] {
            let before = bytes[at];
            bytes[at] ^= 0xff;
            assert_eq!(decode(bytes).err(), Some(fault));
            bytes[at] = before;
        }
        bytes[2] = 2;
        assert_eq!(
            decode(bytes).err(),
            Some(Malformed::Records(RecordFault::UnknownFlags(2)))
        );
    }

    #[test]
    fn any_changed_byte_is_refused_or_a_state_that_can_be() {
        let mut bytes = [0; MAX_SIZE];
        let bytes = encoded(&mut bytes);
        for at in 0..bytes.len() {
            for flip in [1, 0x10, 0x80, 0xff] {
                bytes[at] ^= flip;
                if let Ok((_, stopped)) = decode(bytes) {
                    let device = &stopped.device;
                    assert!(device.rx.iter().all(|queue| queue.check().is_ok()));
                    assert!(device.tx.iter().all(|queue| queue.check().is_ok()));
                    assert!(device.interrupts.is_valid());
                }
                bytes[at] ^= flip;
            }
        }
        assert!(decode(bytes).is_ok());
    }
}
