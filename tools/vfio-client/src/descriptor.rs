// SPDX-License-Identifier: GPL-2.0

//! Advanced descriptors of the 82576, as two quad words.

/// Bytes of a descriptor.
pub const SIZE: u32 = 16;

const DTYP_CONTEXT: u32 = 2 << 20;
const DTYP_DATA: u32 = 3 << 20;
const EOP: u32 = 1 << 24;
const IFCS: u32 = 1 << 25;
const RS: u32 = 1 << 27;
const DEXT: u32 = 1 << 29;
const VLE: u32 = 1 << 30;
/// Insert the IP checksum, the L4 checksum.
const POPTS: u32 = 3 << 8;
const DD: u64 = 1;

const TUCMD_IPV4: u32 = 1 << 10;
const IP_HEADER: u32 = 20;
const ETHERNET_HEADER: u32 = 14;
const UDP_HEADER: u32 = 8;

/// What a TX context holds: which offload the packets that use it get.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Offload {
    /// Tag to insert, for packets that say so.
    pub vlan: u16,
    /// Their headers are those of UDP over IPv4, for checksums.
    pub udp: bool,
}

fn words(low: u64, third: u32, fourth: u32) -> [u64; 2] {
    [low, u64::from(third) | u64::from(fourth) << 32]
}

/// A context descriptor for slot `index` (0 or 1) of the queue.
pub fn context(offload: Offload, index: u8) -> [u64; 2] {
    let (lengths, kind, l4) = if offload.udp {
        (
            ETHERNET_HEADER << 9 | IP_HEADER,
            TUCMD_IPV4,
            UDP_HEADER << 8,
        )
    } else {
        (ETHERNET_HEADER << 9, 0, 0)
    };
    let low = u64::from(u32::from(offload.vlan) << 16 | lengths);
    words(low, kind | DTYP_CONTEXT | DEXT, l4 | u32::from(index) << 4)
}

/// How a packet uses a context.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Use {
    /// Which.
    pub index: u8,
    /// Insert its tag.
    pub tag: bool,
    /// Insert checksums.
    pub checksums: bool,
}

/// A data descriptor for a whole packet in one buffer.
pub fn data(address: u64, length: u16, context: Option<Use>) -> [u64; 2] {
    let length = u32::from(length);
    let mut command = length | DTYP_DATA | EOP | IFCS | RS | DEXT;
    let mut status = length << 14;
    if let Some(context) = context {
        status |= u32::from(context.index) << 4;
        if context.tag {
            command |= VLE;
        }
        if context.checksums {
            status |= POPTS;
        }
    }
    words(address, command, status)
}

/// Whether the device is done with a descriptor that it writes back.
pub fn transmitted(words: [u64; 2]) -> bool {
    words[1] >> 32 & DD != 0
}

/// An empty buffer to receive into.
pub fn receive(address: u64) -> [u64; 2] {
    [address, 0]
}

/// What the device says of a received packet.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Received {
    /// Bytes in this buffer.
    pub length: u16,
    /// The packet ends here.
    pub last: bool,
    /// The tag that was taken out.
    pub vlan: Option<u16>,
}

/// Reads a receive descriptor; None if the device is not done with it.
pub fn received(words: [u64; 2]) -> Option<Received> {
    let [length, vlan] = [(words[1] >> 32) as u16, (words[1] >> 48) as u16];
    let status = words[1] as u32;
    if status & 1 == 0 {
        return None;
    }
    Some(Received {
        length,
        last: status & 2 != 0,
        vlan: (status & 8 != 0).then_some(vlan & 0xfff),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn data_descriptors_are_those_of_the_data_sheet() {
        let [low, high] = data(0x1_2345_6780, 60, None);
        assert_eq!(low, 0x1_2345_6780);
        assert_eq!(high as u32, 0x2b30_003c);
        assert_eq!(high >> 32, 60 << 14);
        assert!(!transmitted([low, high]));
        assert!(transmitted([low, high | 1 << 32]));
        let used = Use {
            index: 1,
            tag: true,
            checksums: true,
        };
        let [_, high] = data(0, 60, Some(used));
        assert_eq!(high as u32, 0x6b30_003c);
        assert_eq!(high >> 32, 60 << 14 | 0x300 | 0x10);
    }

    #[test]
    fn contexts_name_their_slot_and_lengths() {
        let offload = Offload {
            vlan: 100,
            udp: true,
        };
        let [low, high] = context(offload, 1);
        assert_eq!(low, 100 << 16 | 14 << 9 | 20);
        assert_eq!(high as u32, 0x2020_0400);
        assert_eq!(high >> 32, 8 << 8 | 1 << 4);
    }

    #[test]
    fn written_back_descriptors_are_read() {
        assert_eq!(received(receive(0x1000)), None);
        let high = 100u64 << 48 | 1514 << 32 | 0xb;
        let packet = received([0, high]).unwrap();
        assert_eq!(
            (packet.length, packet.last, packet.vlan),
            (1514, true, Some(100))
        );
        assert_eq!(received([0, 60 << 32 | 1]).unwrap().vlan, None);
        assert!(!received([0, 60 << 32 | 1]).unwrap().last);
    }
}
