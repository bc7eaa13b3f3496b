// SPDX-License-Identifier: GPL-2.0

//! What of a packet's needs hardware fulfils. Pure.

use super::{
    descriptor::{
        Layer4,
        TxChecksum,
        TxOffload,
        TxSegments, //
    },
    segment::Offsets, //
};

/// Shortest frame, in bytes without CRC. The device pads by itself, but QEMU's model does not, and
/// counts what it receives as undersized; and of a frame that software has padded it takes the
/// padding for data that a checksum covers.
pub(crate) const MIN_FRAME: u32 = 60;

/// A packet as the stack wants it sent; offsets are from its start, in bytes.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Packet {
    /// Bytes of the packet.
    pub(crate) length: u32,
    /// Bytes that are in its head; the rest is in pages.
    pub(crate) head: u32,
    /// Number of those pages.
    pub(crate) pages: u16,
    /// The VLAN tag to be put in.
    pub(crate) vlan: Option<u16>,
    /// Where layer 3 begins.
    pub(crate) network: u32,
    /// The checksum to be filled in.
    pub(crate) checksum: Option<Partial>,
    /// How the packet is to be cut.
    pub(crate) segments: Option<Segments>,
}

/// A checksum to be filled in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partial {
    /// Where the bytes that it covers begin.
    pub(crate) start: u32,
    /// Where it is to be put, from there.
    pub(crate) offset: u32,
    /// It is the CRC of SCTP.
    pub(crate) is_crc: bool,
}

/// How a packet is to be cut.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segments {
    /// Bytes of payload in each piece.
    pub(crate) size: u16,
    /// Number of pieces.
    pub(crate) count: u16,
    /// Layer 4 is TCP, else UDP.
    pub(crate) tcp: bool,
    /// Layer 3 is IPv4, else IPv6.
    pub(crate) ipv4: bool,
    /// Bytes of the header of layer 4.
    pub(crate) l4_length: u32,
}

/// How a packet is sent.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Plan {
    /// By hardware alone.
    Hardware(TxOffload),
    /// The same, after software has filled in the checksum.
    Checksummed(TxOffload),
    /// Not at all: no hardware can do that.
    Refused,
}

/// Most bytes before layer 3, and of layer 3.
pub(crate) const MAX_MAC_LENGTH: u32 = 127;
/// Most bytes of the header of layer 3.
pub(crate) const MAX_IP_LENGTH: u32 = 511;

const TCP_CHECKSUM: u32 = 16;
const UDP_CHECKSUM: u32 = 6;
const SCTP_CHECKSUM: u32 = 8;

impl Packet {
    /// Bytes of the headers, where the packet is to be cut.
    pub(crate) fn headers(&self) -> u32 {
        match (&self.checksum, &self.segments) {
            (Some(checksum), Some(segments)) => checksum.start.saturating_add(segments.l4_length),
            _ => 0,
        }
    }

    /// Where the headers begin.
    pub(crate) fn offsets(&self) -> Offsets {
        let of = |offset: u32| usize::try_from(offset).unwrap_or(usize::MAX);
        Offsets {
            network: of(self.network),
            transport: of(self.checksum.map_or(0, |checksum| checksum.start)),
        }
    }

    /// Bytes on the wire but for checksums, with the headers of each piece.
    pub(crate) fn wire_bytes(&self) -> u32 {
        let more = self.segments.map_or(0, |segments| {
            u32::from(segments.count.saturating_sub(1)).saturating_mul(self.headers())
        });
        self.length.saturating_add(more)
    }

    /// Packets on the wire.
    pub(crate) fn wire_packets(&self) -> u32 {
        self.segments
            .map_or(1, |segments| u32::from(segments.count.max(1)))
    }

    /// Whether it must be padded.
    pub(crate) fn is_short(&self) -> bool {
        self.length < MIN_FRAME
    }

    /// How it is sent.
    pub(crate) fn plan(&self) -> Plan {
        let Ok(mac_length) = u8::try_from(self.network.min(MAX_MAC_LENGTH)) else {
            return Plan::Refused;
        };
        let plain = TxOffload {
            vlan: self.vlan,
            mac_length,
            checksum: None,
        };
        let Some(partial) = &self.checksum else {
            // What is cut has checksums to be filled in.
            return if self.segments.is_none() {
                Plan::Hardware(plain)
            } else {
                Plan::Refused
            };
        };
        let ip_length = partial.start.checked_sub(self.network);
        let within = |length: &u32| *length <= MAX_IP_LENGTH && self.network <= MAX_MAC_LENGTH;
        let ip_length = ip_length
            .filter(within)
            .and_then(|length| u16::try_from(length).ok());
        let layer4 = match (partial.offset, partial.is_crc) {
            _ if self.is_short() => None,
            (TCP_CHECKSUM, false) => Some(Layer4::Tcp),
            (UDP_CHECKSUM, false) => Some(Layer4::Udp),
            (SCTP_CHECKSUM, true) => Some(Layer4::Sctp),
            _ => None,
        };
        let (Some(layer4), Some(ip_length)) = (layer4, ip_length) else {
            return if self.segments.is_none() {
                Plan::Checksummed(plain)
            } else {
                Plan::Refused
            };
        };
        let segments = match &self.segments {
            None => None,
            Some(segments) => {
                let expected = if segments.tcp {
                    Layer4::Tcp
                } else {
                    Layer4::Udp
                };
                let Ok(l4_length) = u8::try_from(segments.l4_length) else {
                    return Plan::Refused;
                };
                // The headers are rewritten, so they must be in one piece.
                if expected != layer4 || segments.size == 0 || self.headers() > self.head {
                    return Plan::Refused;
                }
                Some(TxSegments {
                    size: segments.size,
                    l4_length,
                    ipv4: segments.ipv4,
                })
            }
        };
        Plan::Hardware(TxOffload {
            checksum: Some(TxChecksum {
                layer4,
                ip_length,
                segments,
            }),
            ..plain
        })
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_offload))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const PLAIN: Packet = Packet {
        length: 1514,
        head: 1514,
        pages: 0,
        vlan: None,
        network: 14,
        checksum: None,
        segments: None,
    };

    const TCP: Partial = Partial {
        start: 34,
        offset: 16,
        is_crc: false,
    };

    fn cut(tcp: bool) -> Packet {
        Packet {
            length: 66 + 3 * 1448,
            head: 66,
            pages: 2,
            checksum: Some(Partial {
                offset: if tcp { 16 } else { 6 },
                ..TCP
            }),
            segments: Some(Segments {
                size: 1448,
                count: 3,
                tcp,
                ipv4: true,
                l4_length: 32,
            }),
            ..PLAIN
        }
    }

    fn checksum(packet: &Packet) -> Option<TxChecksum> {
        match packet.plan() {
            Plan::Hardware(offload) => offload.checksum,
            _ => None,
        }
    }

    #[test]
    fn plain_packets_need_nothing() {
        let plan = Plan::Hardware(TxOffload {
            vlan: None,
            mac_length: 14,
            checksum: None,
        });
        assert_eq!(PLAIN.plan(), plan);
        assert_eq!(PLAIN.wire_bytes(), 1514);
        assert_eq!(PLAIN.wire_packets(), 1);
        assert_eq!(PLAIN.headers(), 0);
    }

    #[test]
    fn known_checksums_are_hardwares() {
        for (offset, is_crc, layer4) in [
            (16, false, Layer4::Tcp),
            (6, false, Layer4::Udp),
            (8, true, Layer4::Sctp),
        ] {
            let packet = Packet {
                checksum: Some(Partial {
                    offset,
                    is_crc,
                    ..TCP
                }),
                ..PLAIN
            };
            let expected = TxChecksum {
                layer4,
                ip_length: 20,
                segments: None,
            };
            assert_eq!(checksum(&packet), Some(expected));
        }
    }

    #[test]
    fn other_checksums_are_softwares() {
        let software = |partial, network| {
            let packet = Packet {
                checksum: Some(partial),
                network,
                ..PLAIN
            };
            assert!(matches!(packet.plan(), Plan::Checksummed(_)));
        };
        let short = Packet {
            length: 59,
            checksum: Some(TCP),
            ..PLAIN
        };
        assert!(matches!(short.plan(), Plan::Checksummed(_)));
        // DCCP, a CRC of something else, headers too long, a start before layer 3.
        software(Partial { offset: 10, ..TCP }, 14);
        software(
            Partial {
                is_crc: true,
                ..TCP
            },
            14,
        );
        software(
            Partial {
                start: 14 + 512,
                ..TCP
            },
            14,
        );
        software(Partial { start: 160, ..TCP }, 140);
        software(Partial { start: 10, ..TCP }, 14);
    }

    #[test]
    fn what_is_cut_counts_its_headers() {
        let packet = cut(true);
        assert_eq!(packet.headers(), 66);
        assert_eq!(packet.wire_bytes(), 3 * 1514);
        assert_eq!(packet.wire_packets(), 3);
        let segments = checksum(&packet).and_then(|checksum| checksum.segments);
        let expected = TxSegments {
            size: 1448,
            l4_length: 32,
            ipv4: true,
        };
        assert_eq!(segments, Some(expected));
        assert!(checksum(&cut(false)).is_some_and(|sum| sum.layer4 == Layer4::Udp));
    }

    #[test]
    fn what_cannot_be_cut_is_refused() {
        let refused = |packet: Packet| assert_eq!(packet.plan(), Plan::Refused);
        let segments = |f: &dyn Fn(&mut Segments)| {
            let mut packet = cut(true);
            if let Some(segments) = &mut packet.segments {
                f(segments);
            }
            packet
        };
        refused(Packet {
            checksum: None,
            ..cut(true)
        });
        refused(Packet {
            head: 65,
            ..cut(true)
        });
        refused(segments(&|segments| segments.size = 0));
        refused(segments(&|segments| segments.tcp = false));
        refused(segments(&|segments| segments.l4_length = 256));
        refused(Packet {
            network: 40,
            ..cut(true)
        });
    }
}
