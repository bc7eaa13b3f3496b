// SPDX-License-Identifier: GPL-2.0

//! Addresses as the registers have them. Pure.

/// A MAC address.
pub(crate) type Mac = [u8; 6];

/// Which bit of the multicast table stands for `mac`, with RCTL.MO = 0: the
/// twelve most significant bits of the address (datasheet 7.1.2.1).
pub(crate) fn hash(mac: &Mac) -> u16 {
    let [_, _, _, _, fifth, sixth] = *mac;
    (u16::from(fifth) >> 4) | (u16::from(sixth) << 4)
}

/// The address that RAL and the low half of RAH hold.
pub(crate) fn join(low: u32, high: u16) -> Mac {
    let [a, b, c, d] = low.to_le_bytes();
    let [e, f] = high.to_le_bytes();
    [a, b, c, d, e, f]
}

/// Whether a port can have the address: neither zero nor a group's.
pub(crate) fn is_valid(mac: &Mac) -> bool {
    *mac != [0; 6] && mac.first().is_some_and(|byte| byte & 1 == 0)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_filter_table))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_datasheet_s() {
        assert_eq!(hash(&[0x01, 0xaa, 0x00, 0x12, 0x34, 0x56]), 0x563);
    }

    #[test]
    fn addresses_are_little_endian() {
        let mac = [0x52, 0x54, 0x00, 0x12, 0x34, 0x56];
        assert_eq!(join(0x1200_5452, 0x5634), mac);
    }

    #[test]
    fn groups_are_no_ports() {
        assert!(is_valid(&[0x52, 0x54, 0, 0, 0, 1]));
        assert!(!is_valid(&[0; 6]));
        assert!(!is_valid(&[0x01, 0, 0x5e, 0, 0, 1]));
    }
}
