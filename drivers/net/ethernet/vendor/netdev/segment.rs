// SPDX-License-Identifier: GPL-2.0

//! What the headers of a packet must look like before hardware cuts it into pieces
//! (datasheet 7.2.4.4): lengths are zero, and the checksum of layer 4 covers the pseudo
//! header without the length, which hardware fills in for each piece. Pure.

use super::descriptor::Layer4;

/// Where the headers of a packet begin, in bytes from its start.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Offsets {
    /// Layer 3.
    pub(crate) network: usize,
    /// Layer 4.
    pub(crate) transport: usize,
}

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
        put(headers, network.checked_add(IPV4_CHECKSUM)?, 0)?;
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
    let add = |sum: u16, value: u16| {
        let (sum, carry) = sum.overflowing_add(value);
        // Cannot overflow again: a sum with a carry is below the maximum.
        sum.wrapping_add(u16::from(carry))
    };
    let sum = add(sum, !u16::from_be_bytes([a, b]));
    add(sum, !u16::from_be_bytes([c, d]))
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
        headers[50..52].copy_from_slice(&[0x12, 0x34]);
        let done = prepare(&mut headers, offsets, Layer4::Tcp, true, 0x34);
        assert_eq!(done, Some(()));
        assert_eq!(headers[16..18], [0, 0]);
        assert_eq!(headers[24..26], [0, 0]);
        assert_eq!(headers[50..52], [0x12, 0x00]);
        // All else is as it was.
        assert_eq!(headers.iter().filter(|byte| **byte != 0xee).count(), 6);
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
    }
}
