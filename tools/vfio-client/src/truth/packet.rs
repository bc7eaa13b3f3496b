// SPDX-License-Identifier: GPL-2.0

//! Packets that are never the same twice, so that each changes where it goes.

use crate::frame::Mac;

/// Shortest and longest packet.
pub const SHORTEST: usize = 60;
/// With jumbo frames.
pub const LONGEST: usize = 9000;
/// Without.
pub const STANDARD: usize = 1514;

const ETHERNET: usize = 14;
const IP: usize = 20;
const UDP: usize = 8;
/// A type of frame for experiments, which nobody parses.
const EXPERIMENTAL: u16 = 0x88b5;
const IPV4: u16 = 0x0800;

/// One's complement of the one's complement sum of big-endian half words.
fn checksum(bytes: &[u8]) -> u16 {
    let halves = bytes.chunks_exact(2);
    let mut sum: u32 = halves
        .map(|pair| u32::from(u16::from_be_bytes([pair[0], pair[1]])))
        .sum();
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

/// A packet of `length` bytes, UDP over IPv4 or of a type without headers.
pub fn build(nonce: u64, from: Mac, to: Mac, length: usize, headers: bool) -> Vec<u8> {
    let length = length.clamp(SHORTEST, LONGEST);
    let mut packet = Vec::with_capacity(length + 8);
    packet.extend(to);
    packet.extend(from);
    if headers {
        let total = (length - ETHERNET) as u16;
        packet.extend(IPV4.to_be_bytes());
        packet.extend([0x45, 0]);
        packet.extend(total.to_be_bytes());
        packet.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
        packet.extend([198, 51, 100, from[5], 198, 51, 100, to[5]]);
        let sum = checksum(&packet[ETHERNET..ETHERNET + IP]);
        packet[24..26].copy_from_slice(&sum.to_be_bytes());
        packet.extend([0x9c, 0x40, 0x9c, 0x40]);
        packet.extend((total - IP as u16).to_be_bytes());
        // No checksum.
        packet.extend([0, 0]);
        debug_assert_eq!(packet.len(), ETHERNET + IP + UDP);
    } else {
        packet.extend(EXPERIMENTAL.to_be_bytes());
    }
    let mut state = nonce.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    while packet.len() < length {
        // xorshift: every piece of a packet differs from the last packet's.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        packet.extend(state.to_le_bytes());
    }
    packet.truncate(length);
    packet
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Mac = [2, 0, 0, 0, 0, 1];
    const TO: Mac = [2, 0, 0, 0, 0, 2];

    #[test]
    fn packets_have_their_length_and_right_headers() {
        for length in [SHORTEST, 61, STANDARD, LONGEST] {
            for headers in [false, true] {
                assert_eq!(build(1, FROM, TO, length, headers).len(), length);
            }
        }
        let packet = build(1, FROM, TO, 100, true);
        assert_eq!(checksum(&packet[14..34]), 0);
        assert_eq!(packet[16..18], [0, 86]);
        assert_eq!(packet[38..40], [0, 66]);
    }

    #[test]
    fn every_piece_differs_from_packet_to_packet() {
        let packets: Vec<_> = (1..20)
            .map(|nonce| build(nonce, FROM, TO, LONGEST, true))
            .collect();
        for pair in packets.windows(2) {
            let pieces = pair[0][42..].chunks(32).zip(pair[1][42..].chunks(32));
            assert!(pieces.filter(|(a, _)| a.len() == 32).all(|(a, b)| a != b));
        }
    }
}
