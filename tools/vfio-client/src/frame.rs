// SPDX-License-Identifier: GPL-2.0

//! Numbered test packets: UDP over IPv4, filled so that any change is noticed.

/// An Ethernet address.
pub type Mac = [u8; 6];

const ETHERNET: usize = 14;
const HEADERS: usize = ETHERNET + 20 + 8;
const MARK: [u8; 4] = *b"VFMT";
/// After the headers: mark, source, number.
const LEAST: usize = HEADERS + 4 + 4 + 8;
/// Longest packet without tag and frame check sequence.
pub const LONGEST: usize = 1514;
/// Ports of the test.
const PORT: u16 = 40_000;

/// Which packet it is.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Id {
    /// Who sent it.
    pub source: u32,
    /// The how manieth of it.
    pub number: u64,
}

/// Why bytes are no packet of ours.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum NoFrame {
    /// Somebody else's.
    Foreign,
    /// Ours, but changed on its way.
    Damaged,
}

/// Bytes that follow from the packet's number.
fn filling(id: Id) -> impl Iterator<Item = u8> {
    let mut state = id.number ^ u64::from(id.source) << 40 ^ 0x9e37_79b9_7f4a_7c15;
    std::iter::repeat_with(move || {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (state >> 56) as u8
    })
}

/// One's complement sum of big-endian half words.
fn sum(bytes: &[u8], start: u32) -> u32 {
    let halves = bytes
        .chunks(2)
        .map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0)));
    halves.fold(start, |sum, half| sum + half)
}

fn fold(mut sum: u32) -> u16 {
    while sum >> 16 != 0 {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

fn pseudo_header(packet: &[u8]) -> u32 {
    // Addresses, protocol, length of the datagram.
    sum(&packet[26..34], 17) + sum(&packet[38..40], 0)
}

/// A packet of `length` bytes (at least 58, at most [`LONGEST`]). With `offload`
/// its checksums are left to the device, with the pseudo header's in place.
pub fn build(id: Id, from: Mac, to: Mac, length: usize, offload: bool) -> Vec<u8> {
    let length = length.clamp(LEAST, LONGEST);
    let mut packet = Vec::with_capacity(length);
    packet.extend(to);
    packet.extend(from);
    packet.extend(0x0800u16.to_be_bytes());
    let total = (length - ETHERNET) as u16;
    packet.extend([0x45, 0]);
    packet.extend(total.to_be_bytes());
    packet.extend((id.number as u16).to_be_bytes());
    packet.extend([0x40, 0, 64, 17, 0, 0]);
    packet.extend([198, 51, 100, from[5], 198, 51, 100, to[5]]);
    packet.extend(PORT.to_be_bytes());
    packet.extend(PORT.to_be_bytes());
    packet.extend((total - 20).to_be_bytes());
    packet.extend([0, 0]);
    packet.extend(MARK);
    packet.extend(id.source.to_le_bytes());
    packet.extend(id.number.to_le_bytes());
    let rest = length - packet.len();
    packet.extend(filling(id).take(rest));
    let pseudo = pseudo_header(&packet);
    if offload {
        packet[40..42].copy_from_slice(&fold(pseudo).to_be_bytes());
    } else {
        let ip = !fold(sum(&packet[14..34], 0));
        packet[24..26].copy_from_slice(&ip.to_be_bytes());
        let udp = match !fold(sum(&packet[34..], pseudo)) {
            0 => 0xffff,
            value => value,
        };
        packet[40..42].copy_from_slice(&udp.to_be_bytes());
    }
    packet
}

/// Which packet `bytes` are, if every byte of it is right.
pub fn recognise(bytes: &[u8]) -> Result<Id, NoFrame> {
    if bytes.len() < LEAST || bytes[12..14] != [8, 0] || bytes[42..46] != MARK {
        return Err(NoFrame::Foreign);
    }
    // Short frames are padded on their way.
    let total = usize::from(u16::from_be_bytes([bytes[16], bytes[17]])) + ETHERNET;
    let packet = bytes
        .get(..total)
        .filter(|packet| packet.len() >= LEAST)
        .ok_or(NoFrame::Damaged)?;
    let word = |at: usize| {
        u32::from_le_bytes([packet[at], packet[at + 1], packet[at + 2], packet[at + 3]])
    };
    let id = Id {
        source: word(46),
        number: u64::from(word(50)) | u64::from(word(54)) << 32,
    };
    let whole = fold(sum(&packet[14..34], 0)) == 0xffff
        && fold(sum(&packet[34..], pseudo_header(packet))) == 0xffff
        && packet[LEAST..]
            .iter()
            .copied()
            .eq(filling(id).take(total - LEAST));
    whole.then_some(id).ok_or(NoFrame::Damaged)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FROM: Mac = [2, 0, 0, 0, 0, 1];
    const TO: Mac = [2, 0, 0, 0, 0, 2];
    const ID: Id = Id {
        source: 7,
        number: 0x1_2345_6789,
    };

    #[test]
    fn what_is_built_is_recognised() {
        for length in [0, 58, 59, 60, 777, LONGEST, 9000] {
            let packet = build(ID, FROM, TO, length, false);
            assert_eq!(packet.len(), length.clamp(LEAST, LONGEST));
            assert_eq!(recognise(&packet), Ok(ID));
        }
    }

    #[test]
    fn padding_does_not_matter_and_any_change_does() {
        let mut packet = build(ID, FROM, TO, 58, false);
        packet.extend([0; 6]);
        assert_eq!(recognise(&packet), Ok(ID));
        for at in 14..58 {
            packet[at] ^= 0x10;
            assert!(recognise(&packet).is_err());
            packet[at] ^= 0x10;
        }
        assert_eq!(recognise(&packet[..57]), Err(NoFrame::Foreign));
    }

    #[test]
    fn checksums_left_to_the_device_are_not_right() {
        assert_eq!(
            recognise(&build(ID, FROM, TO, 100, true)),
            Err(NoFrame::Damaged)
        );
    }
}
