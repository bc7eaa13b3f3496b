// SPDX-License-Identifier: GPL-2.0

//! Advanced descriptors (datasheet 7.1.5 and 7.2.2): what 16 bytes of a ring
//! mean, as two little-endian words. Pure.

/// A descriptor as it is in memory: two words in the CPU's byte order.
pub(crate) type Words = [u64; 2];

/// Bytes of a descriptor.
pub(crate) const SIZE: usize = 16;

/// A receive descriptor that offers the buffer at `address` to hardware.
pub(crate) fn rx_offer(address: u64) -> Words {
    // The second word becomes the status; DD must be clear in it.
    [address, 0]
}

/// What hardware wrote over a receive descriptor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RxDone {
    /// Bytes in the buffer.
    pub(crate) length: u16,
    /// The packet ends here.
    pub(crate) end_of_packet: bool,
    /// The frame is damaged. Known of the last descriptor of a packet only.
    pub(crate) error: bool,
}

const RX_DD: u64 = 1 << 0;
const RX_EOP: u64 = 1 << 1;
/// Received with an error (RXE).
const RX_RXE: u64 = 1 << 31;

impl RxDone {
    /// Reads the second word; [`None`] if hardware still owns the descriptor.
    pub(crate) fn parse(second: u64) -> Option<Self> {
        if second & RX_DD == 0 {
            return None;
        }
        let [_, _, _, _, low, high, _, _] = second.to_le_bytes();
        Some(Self {
            length: u16::from_le_bytes([low, high]),
            end_of_packet: second & RX_EOP != 0,
            error: second & RX_RXE != 0,
        })
    }
}

/// Longest buffer of one transmit descriptor that this driver uses, in bytes: a
/// frame of the largest MTU fits.
pub(crate) const TX_MAX: u16 = 16 * 1024 - 1;

const TX_DATA: u64 = 0x3 << 20;
const TX_EOP: u64 = 1 << 24;
const TX_INSERT_FCS: u64 = 1 << 25;
const TX_REPORT: u64 = 1 << 27;
const TX_ADVANCED: u64 = 1 << 29;
const TX_DD: u64 = 1 << 32;
const TX_PAYLEN_SHIFT: u32 = 32 + 14;

/// A transmit descriptor for a packet that is one buffer of `length` bytes,
/// reported when sent.
pub(crate) fn tx_packet(address: u64, length: u16) -> Words {
    let length = u64::from(length);
    [
        address,
        length
            | TX_DATA
            | TX_EOP
            | TX_INSERT_FCS
            | TX_REPORT
            | TX_ADVANCED
            | (length << TX_PAYLEN_SHIFT),
    ]
}

/// Whether the second word of a transmit descriptor says that it was sent.
pub(crate) fn tx_is_done(second: u64) -> bool {
    second & TX_DD != 0
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_descriptor))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn an_offered_buffer_is_not_done() {
        let [address, second] = rx_offer(0x1234_5678_9abc_d000);
        assert_eq!(address, 0x1234_5678_9abc_d000);
        assert_eq!(RxDone::parse(second), None);
    }

    #[test]
    fn a_written_descriptor_is_read() {
        // VLAN 5, length 1514, EOP and DD.
        let second = 5 << 48 | 1514 << 32 | 3;
        let done = RxDone {
            length: 1514,
            end_of_packet: true,
            error: false,
        };
        assert_eq!(RxDone::parse(second), Some(done));
        assert_eq!(
            RxDone::parse(4096 << 32 | 1),
            Some(RxDone {
                length: 4096,
                end_of_packet: false,
                error: false,
            })
        );
        assert_eq!(
            RxDone::parse(second | 1 << 31).map(|done| done.error),
            Some(true)
        );
    }

    #[test]
    fn a_packet_is_described() {
        let [address, second] = tx_packet(0xfff0_0000, 60);
        assert_eq!(address, 0xfff0_0000);
        assert_eq!(second & 0xffff, 60);
        assert_eq!(second >> 46, 60);
        assert_eq!(second & 0xffff_0000, 0x2b30_0000);
        assert!(!tx_is_done(second));
        assert!(tx_is_done(1 << 32));
        assert_eq!(tx_packet(0, TX_MAX)[1] >> 46, u64::from(TX_MAX));
    }
}
