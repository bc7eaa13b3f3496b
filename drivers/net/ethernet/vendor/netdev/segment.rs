// SPDX-License-Identifier: GPL-2.0

//! What the headers of a packet must look like before hardware cuts it into pieces
//! (datasheet 7.2.4.4): lengths are zero, and the checksum of layer 4 covers the pseudo
//! header without the length, which hardware fills in for each piece. Pure.
//!
//! Of a packet in a tunnel, layer 3 is the outer one and layer 4 the inner one. What is between them
//! goes for options of layer 3, is the same in each piece, and must not count in its checksum.

use super::descriptor::Layer4;

/// Where the headers of a packet begin, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    /// Layer 3.
    pub(crate) network: usize,
    /// Layer 4.
    pub(crate) transport: usize,
}

/// Words of four bytes of an IPv4 header, in its first byte.
const IPV4_WORDS: u8 = 0x0f;
/// Offsets within headers (RFC 791, 8200, 9293, 768).
const IPV4_LENGTH: usize = 2;
const IPV4_CHECKSUM: usize = 10;
const IPV6_LENGTH: usize = 4;
const TCP_CHECKSUM: usize = 16;
const UDP_CHECKSUM: usize = 6;

/// Prepares `headers`, whose checksum of layer 4 is that of the pseudo header with the
/// length `length` of layer 4. [`None`] if they end too early, or cannot be cut.
pub(crate) fn prepare(
    headers: &mut [u8],
    offsets: Offsets,
    layer4: Layer4,
    ipv4: bool,
    length: u32,
) -> Option<()> {
    let Offsets { network, transport } = offsets;
    if ipv4 {
        put(headers, network.checked_add(IPV4_LENGTH)?, 0)?;
        let at = network.checked_add(IPV4_CHECKSUM)?;
        put(headers, at, cancelling(headers, offsets)?)?;
    } else {
        put(headers, network.checked_add(IPV6_LENGTH)?, 0)?;
    }
    let place = transport.checked_add(match layer4 {
        Layer4::Tcp => TCP_CHECKSUM,
        Layer4::Udp => UDP_CHECKSUM,
        Layer4::Sctp => return None,
    })?;
    let sum = get(headers, place)?;
    put(headers, place, without(sum, length))
}

/// What the checksum of IPv4 begins with, so that hardware, which sums up all before layer 4, gets that
/// of the header alone.
fn cancelling(headers: &[u8], offsets: Offsets) -> Option<u16> {
    let words = usize::from(headers.get(offsets.network)? & IPV4_WORDS);
    let end = offsets.network.checked_add(words.checked_mul(4)?)?;
    if end == offsets.transport {
        return Some(0);
    }
    let between = headers.get(end..offsets.transport)?;
    let sum = |sum, pair: &[u8]| match *pair {
        [high, low] => add(sum, u16::from_be_bytes([high, low])),
        [high] => add(sum, u16::from_be_bytes([high, 0])),
        _ => sum,
    };
    Some(!between.chunks(2).fold(0, sum))
}

fn get(bytes: &[u8], at: usize) -> Option<u16> {
    let field: &[u8] = bytes.get(at..at.checked_add(2)?)?;
    <[u8; 2]>::try_from(field).ok().map(u16::from_be_bytes)
}

fn put(bytes: &mut [u8], at: usize, value: u16) -> Option<()> {
    let field = bytes.get_mut(at..at.checked_add(2)?)?;
    field.copy_from_slice(&value.to_be_bytes());
    Some(())
}

/// The one's complement sum `sum` without the addend `addend`.
fn without(sum: u16, addend: u32) -> u16 {
    let [a, b, c, d] = addend.to_be_bytes();
    let sum = add(sum, !u16::from_be_bytes([a, b]));
    add(sum, !u16::from_be_bytes([c, d]))
}

/// The one's complement sum of both.
fn add(sum: u16, value: u16) -> u16 {
    let (sum, carry) = sum.overflowing_add(value);
    // Cannot overflow again: a sum with a carry is below the maximum.
    sum.wrapping_add(u16::from(carry))
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_segment))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    /// One's complement sum of 16-bit words.
    fn sum(words: &[u16]) -> u16 {
        let mut total = 0_u32;
        for word in words {
            total += u32::from(*word);
        }
        while total > 0xffff {
            total = (total & 0xffff) + (total >> 16);
        }
        total as u16
    }

    /// 198.51.100.1 to .2, protocol 6.
    const PSEUDO: [u16; 5] = [0xc633, 0x6401, 0xc633, 0x6402, 6];

    #[test]
    fn a_sum_loses_its_addend() {
        for length in [20_u32, 1480, 65_515, 0x1_0020, 0x2_fffe] {
            let [high, low] = [(length >> 16) as u16, length as u16];
            let mut words = [0; 7];
            words[..5].copy_from_slice(&PSEUDO);
            words[5] = high;
            words[6] = low;
            assert_eq!(without(sum(&words), length), sum(&PSEUDO));
        }
    }

    #[test]
    fn headers_are_prepared() {
        let mut headers = [0xee; 14 + 20 + 20];
        let offsets = Offsets {
            network: 14,
            transport: 34,
        };
        headers[14] = 0x45;
        headers[50..52].copy_from_slice(&[0x12, 0x34]);
        let done = prepare(&mut headers, offsets, Layer4::Tcp, true, 0x34);
        assert_eq!(done, Some(()));
        assert_eq!(headers[16..18], [0, 0]);
        assert_eq!(headers[24..26], [0, 0]);
        assert_eq!(headers[50..52], [0x12, 0x00]);
        // All else is as it was.
        assert_eq!(headers.iter().filter(|byte| **byte != 0xee).count(), 7);
    }

    /// What hardware does with layer 3 of a piece of `length` bytes, from its beginning to layer 4.
    fn finish_ipv4(layer3: &mut [u8], length: u16) {
        assert_eq!(put(layer3, IPV4_LENGTH, length), Some(()));
        let words = |bytes: &[u8]| {
            let mut all = [0; 64];
            for (word, pair) in all.iter_mut().zip(bytes.chunks(2)) {
                *word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
            }
            sum(&all)
        };
        let checksum = !words(layer3);
        assert_eq!(put(layer3, IPV4_CHECKSUM, checksum), Some(()));
        let header = usize::from(layer3[0] & IPV4_WORDS) * 4;
        assert_eq!(words(&layer3[..header]), 0xffff);
    }

    #[test]
    fn what_a_tunnel_adds_is_not_in_its_checksum() {
        // After layer 3 without options and with some: nothing, UDP and VXLAN and another packet's
        // headers, GRE and another packet's.
        for (first, options) in [(0x45, 0), (0x46, 4), (0x4f, 40)] {
            for between in [0, 8 + 8 + 14 + 20, 4 + 20, 8 + 40, 1, 3] {
                let transport = 14 + 20 + options + between;
                let mut headers = [0; 14 + 20 + 40 + 50 + 20];
                for (at, byte) in headers.iter_mut().enumerate() {
                    *byte = (at * 157 + between) as u8;
                }
                headers[14] = first;
                let was = headers;
                let offsets = Offsets {
                    network: 14,
                    transport,
                };
                let done = prepare(&mut headers, offsets, Layer4::Tcp, true, 1448);
                assert_eq!(done, Some(()));
                finish_ipv4(&mut headers[14..transport], 1400);
                // What is in the tunnel is as it was.
                let inside = 14 + 20 + options..transport;
                assert_eq!(headers[inside.clone()], was[inside]);
            }
        }
    }

    #[test]
    fn ipv6_and_udp_have_other_places() {
        let mut headers = [0xee; 14 + 40 + 8];
        let offsets = Offsets {
            network: 14,
            transport: 54,
        };
        headers[60..62].copy_from_slice(&[0x12, 0x34]);
        let done = prepare(&mut headers, offsets, Layer4::Udp, false, 0x34);
        assert_eq!(done, Some(()));
        assert_eq!(headers[18..20], [0, 0]);
        assert_eq!(headers[60..62], [0x12, 0x00]);
        assert_eq!(headers.iter().filter(|byte| **byte != 0xee).count(), 4);
    }

    #[test]
    fn short_headers_and_other_protocols_are_refused() {
        let mut headers = [0; 51];
        let at = |network, transport| Offsets { network, transport };
        assert_eq!(
            prepare(&mut headers, at(14, 34), Layer4::Tcp, true, 1),
            None
        );
        assert_eq!(
            prepare(&mut headers, at(60, 20), Layer4::Tcp, true, 1),
            None
        );
        assert_eq!(
            prepare(&mut headers, at(14, 34), Layer4::Sctp, true, 1),
            None
        );
        let far = at(usize::MAX, usize::MAX);
        assert_eq!(prepare(&mut headers, far, Layer4::Udp, false, 1), None);
        assert_eq!(prepare(&mut headers, far, Layer4::Udp, true, 1), None);
        // A header of layer 3 that ends after layer 4 begins.
        headers[14] = 0x4f;
        assert_eq!(
            prepare(&mut headers, at(14, 34), Layer4::Udp, true, 1),
            None
        );
    }
}
