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

/// What hardware says of the checksums of a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Checksum {
    /// It has not looked at those that matter.
    Unknown,
    /// That of TCP, UDP or SCTP is right.
    Good,
    /// One is wrong.
    Bad,
}

/// What hardware wrote over a receive descriptor.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RxDone {
    /// Bytes in the buffer.
    pub(crate) length: u16,
    /// The packet ends here.
    pub(crate) end_of_packet: bool,
    /// The frame is damaged. This and what follows is known of the last descriptor of a
    /// packet only.
    pub(crate) error: bool,
    /// Whether the checksums are right.
    pub(crate) checksum: Checksum,
    /// The VLAN tag, if it was taken out of the frame.
    pub(crate) vlan: Option<u16>,
}

const RX_DD: u64 = 1 << 0;
const RX_EOP: u64 = 1 << 1;
/// The tag was taken out (VP).
const RX_VLAN: u64 = 1 << 3;
/// The checksum of UDP or TCP was looked at (UDPCS, L4CS).
const RX_L4_CHECKED: u64 = 1 << 4 | 1 << 5;
/// A checksum of layer 4 or 3 is wrong (L4E, IPE).
const RX_CHECKSUM_ERROR: u64 = 1 << 29 | 1 << 30;
/// Received with an error (RXE).
const RX_RXE: u64 = 1 << 31;

impl RxDone {
    /// Reads the second word; [`None`] if hardware still owns the descriptor.
    pub(crate) fn parse(second: u64) -> Option<Self> {
        if second & RX_DD == 0 {
            return None;
        }
        let [_, _, _, _, low, high, tag_low, tag_high] = second.to_le_bytes();
        let checksum = if second & RX_CHECKSUM_ERROR != 0 {
            Checksum::Bad
        } else if second & RX_L4_CHECKED != 0 {
            Checksum::Good
        } else {
            Checksum::Unknown
        };
        Some(Self {
            length: u16::from_le_bytes([low, high]),
            end_of_packet: second & RX_EOP != 0,
            error: second & RX_RXE != 0,
            checksum,
            vlan: (second & RX_VLAN != 0).then(|| u16::from_le_bytes([tag_low, tag_high])),
        })
    }
}

/// A hash that chose the receive queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct RxHash {
    /// The hash.
    pub(crate) value: u32,
    /// It covers the ports of layer 4, not the addresses alone.
    pub(crate) ports: bool,
}

impl RxHash {
    /// Reads the first word of a descriptor that hardware wrote, where that puts no packet
    /// checksum there; [`None`] if the packet has none.
    pub(crate) fn parse(first: u64) -> Option<Self> {
        let [kind, _, _, _, a, b, c, d] = first.to_le_bytes();
        // 7.1.5.2: the RSS type is the lowest four bits.
        let ports = match kind & 0xf {
            // TCP over IPv4, IPv6 and IPv6 with extensions; UDP over the same.
            1 | 3 | 6 | 7 | 8 | 9 => true,
            // IPv4, IPv6 with extensions, IPv6.
            2 | 4 | 5 => false,
            _ => return None,
        };
        Some(Self {
            value: u32::from_le_bytes([a, b, c, d]),
            ports,
        })
    }
}

/// Longest buffer of one transmit descriptor that this driver uses, in bytes.
pub(crate) const TX_MAX: u16 = 16 * 1024;

const TX_CONTEXT: u64 = 0x2 << 20;
const TX_DATA: u64 = 0x3 << 20;
const TX_EOP: u64 = 1 << 24;
const TX_INSERT_FCS: u64 = 1 << 25;
const TX_REPORT: u64 = 1 << 27;
const TX_ADVANCED: u64 = 1 << 29;
const TX_INSERT_VLAN: u64 = 1 << 30;
const TX_SEGMENT: u64 = 1 << 31;
const TX_DD: u64 = 1 << 32;
const TX_IP_CHECKSUM: u64 = 1 << (32 + 8);
const TX_L4_CHECKSUM: u64 = 1 << (32 + 9);
const TX_PAYLEN_SHIFT: u32 = 32 + 14;

/// The protocol of layer 4 whose checksum hardware fills in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Layer4 {
    /// UDP.
    Udp,
    /// TCP.
    Tcp,
    /// SCTP.
    Sctp,
}

/// What hardware does to a packet before it sends it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TxOffload {
    /// The VLAN tag that it puts in.
    pub(crate) vlan: Option<u16>,
    /// Bytes before the header of layer 3, below 128.
    pub(crate) mac_length: u8,
    /// The checksum that it fills in.
    pub(crate) checksum: Option<TxChecksum>,
}

/// A checksum of layer 4 that hardware fills in.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TxChecksum {
    /// The protocol.
    pub(crate) layer4: Layer4,
    /// Bytes of the header of layer 3 with its extensions, below 512.
    pub(crate) ip_length: u16,
    /// How it cuts the packet, which is longer than the wire allows, into pieces.
    pub(crate) segments: Option<TxSegments>,
}

/// How hardware cuts a packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TxSegments {
    /// Bytes of payload in each piece.
    pub(crate) size: u16,
    /// Bytes of the header of layer 4.
    pub(crate) l4_length: u8,
    /// Layer 3 is IPv4, whose checksum is filled in too.
    pub(crate) ipv4: bool,
}

impl TxOffload {
    /// Nothing but to send.
    pub(crate) const NONE: Self = Self {
        vlan: None,
        mac_length: 0,
        checksum: None,
    };

    /// Whether hardware has anything to do but to send.
    pub(crate) fn is_needed(&self) -> bool {
        self.vlan.is_some() || self.checksum.is_some()
    }

    /// The context descriptor that tells hardware of it.
    // For each packet: a call less.
    #[inline(always)]
    pub(crate) fn context(&self) -> Words {
        let mut first = u64::from(self.mac_length & 0x7f) << 9;
        first |= u64::from(self.vlan.unwrap_or(0)) << 16;
        let mut second = TX_CONTEXT | TX_ADVANCED;
        if let Some(checksum) = &self.checksum {
            first |= u64::from(checksum.ip_length & 0x1ff);
            second |= match checksum.layer4 {
                Layer4::Udp => 0,
                Layer4::Tcp => 1 << 11,
                Layer4::Sctp => 2 << 11,
            };
            if let Some(segments) = &checksum.segments {
                second |= u64::from(segments.ipv4) << 10;
                second |= u64::from(segments.l4_length) << (32 + 8);
                second |= u64::from(segments.size) << (32 + 16);
            }
        }
        [first, second]
    }

    /// What all data descriptors of a packet have in common, whose payload, what is cut if
    /// it is cut, is of `payload` bytes.
    pub(crate) fn flags(&self, payload: u32) -> u64 {
        let mut flags = TX_DATA | TX_INSERT_FCS | TX_ADVANCED;
        flags |= u64::from(payload) << TX_PAYLEN_SHIFT;
        if self.vlan.is_some() {
            flags |= TX_INSERT_VLAN;
        }
        if let Some(checksum) = &self.checksum {
            flags |= TX_L4_CHECKSUM;
            if let Some(segments) = &checksum.segments {
                flags |= TX_SEGMENT;
                if segments.ipv4 {
                    flags |= TX_IP_CHECKSUM;
                }
            }
        }
        flags
    }
}

/// What of a piece one transmit descriptor covers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TxPart {
    /// Where it begins.
    pub(crate) address: u64,
    /// Bytes of it, from 1 to [`TX_MAX`].
    pub(crate) length: u16,
    /// The piece ends with it.
    pub(crate) is_last: bool,
}

/// The parts of a piece of `length` bytes at `address`: as few as descriptors can be.
#[inline(always)]
pub(crate) fn tx_parts(address: u64, length: u32) -> impl Iterator<Item = TxPart> {
    let (mut address, mut rest) = (address, length);
    core::iter::from_fn(move || {
        let length = u16::try_from(rest).unwrap_or(u16::MAX).min(TX_MAX);
        rest -= u32::from(length);
        let part = TxPart {
            address,
            length,
            is_last: rest == 0,
        };
        address = address.wrapping_add(u64::from(length));
        (length != 0).then_some(part)
    })
}

/// A transmit descriptor for `length` bytes of a packet with `flags`; the `last` one is
/// reported when sent.
pub(crate) fn tx_data(address: u64, length: u16, flags: u64, last: bool) -> Words {
    let end = if last { TX_EOP | TX_REPORT } else { 0 };
    [address, u64::from(length) | flags | end]
}

/// Whether the second word of a transmit descriptor says that it was sent.
pub(crate) fn tx_is_done(second: u64) -> bool {
    second & TX_DD != 0
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_descriptor))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const PLAIN: TxOffload = TxOffload {
        vlan: None,
        mac_length: 14,
        checksum: None,
    };

    fn segmented(layer4: Layer4, ipv4: bool) -> TxOffload {
        TxOffload {
            checksum: Some(TxChecksum {
                layer4,
                ip_length: if ipv4 { 20 } else { 40 },
                segments: Some(TxSegments {
                    size: 1448,
                    l4_length: 32,
                    ipv4,
                }),
            }),
            ..PLAIN
        }
    }

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
            checksum: Checksum::Unknown,
            vlan: None,
        };
        assert_eq!(RxDone::parse(second), Some(done));
        assert_eq!(
            RxDone::parse(second | 1 << 3).and_then(|done| done.vlan),
            Some(5)
        );
        assert_eq!(
            RxDone::parse(4096 << 32 | 1),
            Some(RxDone {
                length: 4096,
                end_of_packet: false,
                ..done
            })
        );
        assert_eq!(
            RxDone::parse(second | 1 << 31).map(|done| done.error),
            Some(true)
        );
    }

    #[test]
    fn checksums_are_good_if_looked_at_and_not_wrong() {
        let parse = |bits: u64| RxDone::parse(3 | bits).map(|done| done.checksum);
        // That of the IP header alone says nothing of layer 4.
        assert_eq!(parse(1 << 6), Some(Checksum::Unknown));
        for bit in [4, 5] {
            assert_eq!(parse(1 << 6 | 1 << bit), Some(Checksum::Good));
            assert_eq!(parse(1 << bit | 1 << 29), Some(Checksum::Bad));
            assert_eq!(parse(1 << bit | 1 << 30), Some(Checksum::Bad));
        }
    }

    #[test]
    fn hashes_are_of_ports_or_addresses() {
        let hash = |kind: u64| RxHash::parse(0xdead_beef << 32 | 0x30 | kind);
        assert_eq!(hash(0), None);
        assert_eq!(hash(15), None);
        let value = 0xdead_beef;
        for kind in [1, 3, 6, 7, 8, 9] {
            assert_eq!(hash(kind), Some(RxHash { value, ports: true }));
        }
        for kind in [2, 4, 5] {
            assert_eq!(hash(kind).map(|hash| hash.ports), Some(false));
        }
    }

    #[test]
    fn a_packet_is_described() {
        let flags = PLAIN.flags(60);
        let [address, second] = tx_data(0xfff0_0000, 60, flags, true);
        assert_eq!(address, 0xfff0_0000);
        assert_eq!(second & 0xffff, 60);
        assert_eq!(second >> 46, 60);
        assert_eq!(second & 0xffff_0000, 0x2b30_0000);
        assert!(!tx_is_done(second));
        assert!(tx_is_done(1 << 32));
        // Neither its end nor to be reported.
        let [_, first] = tx_data(0xfff0_0000, 60, flags, false);
        assert_eq!(first & 0xffff_0000, 0x2230_0000);
        assert_eq!(PLAIN.flags(0x3_ffff) >> 46, 0x3_ffff);
    }

    #[test]
    fn long_pieces_are_parted() {
        let parts = |length| tx_parts(0x1_0000, length);
        for (length, count) in [(0, 0), (1, 1), (16384, 1), (16385, 2), (65536, 4)] {
            assert_eq!(parts(length).count(), count);
            assert_eq!(
                parts(length)
                    .map(|part| u32::from(part.length))
                    .sum::<u32>(),
                length
            );
            let mut next = 0x1_0000;
            for (n, part) in parts(length).enumerate() {
                assert_eq!(part.address, next);
                assert_eq!(part.is_last, n + 1 == count);
                next += u64::from(part.length);
            }
        }
        assert_eq!(
            parts(16385).last(),
            Some(TxPart {
                address: 0x1_4000,
                length: 1,
                is_last: true,
            })
        );
    }

    #[test]
    fn a_context_names_lengths_and_protocols() {
        let [first, second] = segmented(Layer4::Tcp, true).context();
        assert_eq!(first, 14 << 9 | 20);
        assert_eq!(second & 0xffff_ffff, 0x2020_0c00);
        assert_eq!(second >> 32, 1448 << 16 | 32 << 8);
        let [first, second] = segmented(Layer4::Udp, false).context();
        assert_eq!(first, 14 << 9 | 40);
        assert_eq!(second & 0xffff_ffff, 0x2020_0000);
        let sctp = TxOffload {
            vlan: Some(0x6005),
            mac_length: 14,
            checksum: Some(TxChecksum {
                layer4: Layer4::Sctp,
                ip_length: 24,
                segments: None,
            }),
        };
        assert_eq!(sctp.context(), [0x6005 << 16 | 14 << 9 | 24, 0x2020_1000]);
    }

    #[test]
    fn what_is_offloaded_is_flagged() {
        assert!(!PLAIN.is_needed());
        assert!(!TxOffload::NONE.is_needed());
        assert_eq!(TxOffload::NONE.flags(60), PLAIN.flags(60));
        let tagged = TxOffload {
            vlan: Some(5),
            ..PLAIN
        };
        assert!(tagged.is_needed());
        assert_eq!(tagged.flags(0), PLAIN.flags(0) | 1 << 30);
        let tcp = segmented(Layer4::Tcp, true);
        assert!(tcp.is_needed());
        assert_eq!(tcp.flags(0), PLAIN.flags(0) | 1 << 31 | 3 << 40);
        let tcp6 = segmented(Layer4::Tcp, false);
        assert_eq!(tcp6.flags(0), PLAIN.flags(0) | 1 << 31 | 2 << 40);
    }
}
