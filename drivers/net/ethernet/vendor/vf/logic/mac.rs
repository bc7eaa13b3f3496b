// SPDX-License-Identifier: GPL-2.0

//! Ethernet addresses as the mailbox and the receive-address registers hold them. Pure.

/// An Ethernet address, first octet on the wire first.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mac(pub(crate) [u8; 6]);

impl Mac {
    /// No address.
    pub(crate) const ZERO: Self = Self([0; 6]);

    /// From two words, the first octet in the lowest byte of the first; the upper
    /// half of the second is not part of it.
    pub(crate) fn from_words(low: u32, high: u32) -> Self {
        let [a, b, c, d] = low.to_le_bytes();
        let [e, f, _, _] = high.to_le_bytes();
        Self([a, b, c, d, e, f])
    }

    /// The two words that [`Mac::from_words`] takes.
    pub(crate) fn to_words(self) -> (u32, u32) {
        let [a, b, c, d, e, f] = self.0;
        (
            u32::from_le_bytes([a, b, c, d]),
            u32::from_le_bytes([e, f, 0, 0]),
        )
    }

    /// All octets zero.
    pub(crate) fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// May be one station's own: neither a group address (broadcast included)
    /// nor zero.
    pub(crate) fn is_station(self) -> bool {
        let [first, ..] = self.0;
        first & 1 == 0 && !self.is_zero()
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_mac))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn words_hold_the_octets_in_wire_order() {
        let mac = Mac([0x02, 0x11, 0x22, 0x33, 0x44, 0x55]);
        assert_eq!(mac.to_words(), (0x3322_1102, 0x5544));
        assert_eq!(Mac::from_words(0x3322_1102, 0xffff_5544), mac);
    }

    #[test]
    fn only_unicast_addresses_are_stations() {
        assert!(Mac([2, 0, 0, 0, 0, 1]).is_station());
        assert!(!Mac::ZERO.is_station());
        assert!(!Mac([0xff; 6]).is_station());
        assert!(!Mac([1, 0, 0x5e, 0, 0, 1]).is_station());
    }
}
