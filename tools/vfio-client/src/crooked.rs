// SPDX-License-Identifier: GPL-2.0

//! Receive rings that no driver would make.

use crate::memory::Memory;
use rand::{rngs::SmallRng, Rng};

const MIB: u64 = 1 << 20;
/// Bytes of a descriptor.
pub const DESCRIPTOR: u64 = 16;
/// Rings are in the first part of memory, buffers in the rest.
const BUFFERS: u64 = MIB;
/// Where no memory of the guest's is.
const NOWHERE: u64 = 0x7_0000_0000;
/// Longest ring that there is, in descriptors.
const LONGEST: u32 = 4096;
/// Longest that RDLEN can say.
const MOST_BYTES: u32 = 0xf_fff0;
/// SRRCTL's largest packet buffer, of 127 KiB.
const LARGEST_BUFFER: u32 = 0x7f;

/// What is wrong with a ring.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Case {
    /// No memory where it is to be.
    Unmapped,
    /// Memory ends within it.
    HalfMapped,
    /// Its base is not aligned.
    Misaligned,
    /// It goes over the end of all addresses.
    Wrapping,
    /// It has no descriptors.
    Empty,
    /// It is as long as RDLEN can say.
    TooLong,
    /// The tail is beyond its end.
    TailBeyond,
    /// The head is beyond its end.
    HeadBeyond,
    /// Its buffers are the ring itself.
    OnItself,
    /// Buffers are anywhere.
    Anywhere,
    /// A thread changes it all the time.
    Changing,
    /// The longest ring with the largest buffers, all used and then refilled between two
    /// doorbells: the most that a doorbell can make to do.
    Largest,
}

/// All of them.
pub const CASES: [Case; 12] = [
    Case::Unmapped,
    Case::HalfMapped,
    Case::Misaligned,
    Case::Wrapping,
    Case::Empty,
    Case::TooLong,
    Case::TailBeyond,
    Case::HeadBeyond,
    Case::OnItself,
    Case::Anywhere,
    Case::Changing,
    Case::Largest,
];

/// A ring as registers have it.
#[derive(Clone, Copy, Debug)]
pub struct Ring {
    /// RDBAH and RDBAL.
    pub base: u64,
    /// RDLEN.
    pub bytes: u32,
    /// RDH.
    pub head: u32,
    /// RDT.
    pub tail: u32,
    /// SRRCTL.
    pub srrctl: u32,
}

impl Case {
    /// A ring of this kind.
    pub fn ring(self, memory: &Memory, rng: &mut SmallRng) -> Ring {
        let count = 8 * rng.random_range(8..=64u32);
        let bytes = count * DESCRIPTOR as u32;
        let (iova, size) = (memory.iova(), memory.size());
        let sound = Ring {
            base: iova,
            bytes,
            head: 0,
            tail: count - 1,
            // One buffer or a header split off, of any sizes, DROP_EN or not.
            srrctl: rng.random::<u32>() & 0x8000_0f07
                | [0, 1 << 25, 5 << 25][rng.random_range(0..3)]
                | 1,
        };
        match self {
            Self::Unmapped => Ring {
                base: NOWHERE,
                ..sound
            },
            Self::HalfMapped => Ring {
                base: iova + size - u64::from(bytes / 2),
                ..sound
            },
            Self::Misaligned => Ring {
                base: iova + rng.random_range(1..128),
                ..sound
            },
            Self::Wrapping => Ring {
                base: u64::MAX - u64::from(bytes / 2) + 1,
                ..sound
            },
            Self::Empty => Ring { bytes: 0, ..sound },
            Self::TooLong => Ring {
                bytes: MOST_BYTES,
                tail: 0xffff,
                ..sound
            },
            Self::TailBeyond => Ring {
                tail: [count, count + 1, 0xffff][rng.random_range(0..3)],
                ..sound
            },
            Self::HeadBeyond => Ring {
                head: [count, count + 1, 0xffff][rng.random_range(0..3)],
                ..sound
            },
            Self::OnItself | Self::Anywhere | Self::Changing => sound,
            Self::Largest => Ring {
                bytes: LONGEST * DESCRIPTOR as u32,
                tail: LONGEST - 1,
                srrctl: LARGEST_BUFFER | 1 << 25,
                ..sound
            },
        }
    }

    /// What a descriptor of such a ring says.
    pub fn descriptor(self, ring: Ring, memory: &Memory, rng: &mut SmallRng) -> [u64; 2] {
        let within = |rng: &mut SmallRng| {
            memory.iova() + BUFFERS + rng.random_range(0..memory.size() - BUFFERS - 256 * 1024)
        };
        match self {
            Self::OnItself => {
                [0, 1].map(|_| ring.base + rng.random_range(0..u64::from(ring.bytes)))
            }
            Self::Anywhere => [0, 1].map(|_| match rng.random_range(0..4) {
                0 => 0,
                1 => NOWHERE + rng.random_range(0..MIB),
                2 => u64::MAX - rng.random_range(0..4096),
                _ => within(rng),
            }),
            Self::Changing => match rng.random_range(0..3) {
                0 => [rng.random(), rng.random()],
                1 => [0, 0],
                _ => [within(rng), within(rng)],
            },
            _ => [within(rng), 0],
        }
    }
}
