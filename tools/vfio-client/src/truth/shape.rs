// SPDX-License-Identifier: GPL-2.0

//! Random rings and buffers: sizes, and where they are.

use crate::{
    descriptor,
    error::{Error, Result},
    memory::{Piece, PAGE},
    truth::packet,
};
use rand::{rngs::SmallRng, Rng};

/// How a receive ring splits headers from packets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Split {
    /// Also packets without headers that are understood.
    pub always: bool,
    /// Bytes of a buffer for headers, in units of 64.
    pub units: u32,
}

impl Split {
    const UNIT: u64 = 64;

    /// Bytes of a buffer for headers.
    pub fn bytes(self) -> u64 {
        u64::from(self.units) * Self::UNIT
    }
}

/// What all rings of a seed have in common.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Plan {
    /// Buffers cross pages, and rings do.
    pub wide: bool,
    /// Packets are up to 9000 bytes large.
    pub jumbo: bool,
    /// The rings are moved from time to time.
    pub resets: bool,
    /// Two queues each way, as DPDK; else one, as igbvf.
    pub queues: u32,
}

impl Plan {
    /// A random one.
    pub fn draw(rng: &mut SmallRng) -> Self {
        Self {
            wide: rng.random_bool(0.4),
            jumbo: rng.random_bool(0.4),
            resets: rng.random_bool(0.5),
            queues: rng.random_range(1..=2),
        }
    }

    /// The longest packet.
    pub fn longest(self) -> usize {
        if self.jumbo {
            packet::LONGEST
        } else {
            packet::STANDARD
        }
    }
}

/// A receive ring.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    /// Descriptors.
    pub ring: u32,
    /// KiB of a packet buffer.
    pub kib: u32,
    /// Whether headers go elsewhere.
    pub split: Option<Split>,
    /// Buffers and rings cross pages.
    pub wide: bool,
}

/// Descriptors of a ring come in this many.
const RING_UNIT: u32 = 8;
/// Most buffers that a ring takes, in KiB.
const MOST_KIB: u32 = 2048;
/// Further buffers, so that they do not stay with their descriptors: one in so many.
pub const SPARE: u32 = 4;

impl Shape {
    /// A random one; `small`: for a queue that gets nothing.
    pub fn draw(plan: Plan, small: bool, rng: &mut SmallRng) -> Self {
        let kib = match plan.wide {
            true => rng.random_range(1..=10),
            false => rng.random_range(1..=2),
        };
        let split = rng.random_bool(0.4).then(|| Split {
            always: rng.random(),
            units: rng.random_range(1..=15),
        });
        let units = match rng.random_range(0..10) {
            _ if small => rng.random_range(1..=3),
            0..5 => rng.random_range(1..=8),
            5..8 => rng.random_range(9..=40),
            // Twice what one byte of the tail can say.
            _ => 64,
        };
        // A buffer within a page has it for itself.
        let each = if plan.wide { kib + 2 } else { 4 };
        let most = MOST_KIB / each / RING_UNIT * RING_UNIT;
        Self {
            ring: (RING_UNIT * units).min(most),
            kib,
            split,
            wide: plan.wide,
        }
    }

    /// Bytes of a packet buffer.
    pub fn bytes(self) -> u64 {
        u64::from(self.kib) * 1024
    }

    /// SRRCTL: sizes, kind of descriptors, and that packets are dropped if there
    /// is no room.
    pub fn srrctl(self) -> u32 {
        const DROP: u32 = 1 << 31;
        const ONE_BUFFER: u32 = 1 << 25;
        const SPLIT: u32 = 2 << 25;
        const SPLIT_ALWAYS: u32 = 5 << 25;
        let kind = match self.split {
            None => ONE_BUFFER,
            Some(Split { always, units }) => units << 8 | if always { SPLIT_ALWAYS } else { SPLIT },
        };
        self.kib | kind | DROP
    }
}

/// Where its address is the device puts, in the first bit, that it is done.
const HEADER_ALIGN: u64 = 2;

/// Where a packet and its header go.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Buffer {
    /// The packet, or what is behind its header.
    pub packet: Piece,
    /// The header.
    pub header: Option<Piece>,
}

/// Memory that is handed out from its start, with random gaps.
#[derive(Clone, Copy, Debug)]
pub struct Arena {
    next: u64,
    end: u64,
}

impl Arena {
    /// All of `piece`.
    pub fn new(piece: Piece) -> Self {
        Self {
            next: piece.iova,
            end: piece.iova + piece.size,
        }
    }

    fn take(&mut self, at: u64, size: u64) -> Result<Piece> {
        if at + size > self.end {
            return Err(Error::Wrong("an arena is used up".into()));
        }
        self.next = at + size;
        Ok(Piece { iova: at, size })
    }

    /// Anywhere.
    pub fn anywhere(&mut self, size: u64, align: u64, rng: &mut SmallRng) -> Result<Piece> {
        let gap = rng.random_range(0..=PAGE / 8);
        self.take((self.next + gap).next_multiple_of(align), size)
    }

    /// Somewhere within one page that nothing else is in.
    pub fn own_page(&mut self, size: u64, align: u64, rng: &mut SmallRng) -> Result<Piece> {
        let page = self.next.next_multiple_of(PAGE);
        let places = (PAGE - size.min(PAGE)) / align;
        let piece = self.take(page + align * rng.random_range(0..=places), size)?;
        self.next = page + size.next_multiple_of(PAGE);
        Ok(piece)
    }

    /// Descriptors of a ring, which the device wants aligned.
    pub fn ring(&mut self, size: u32, wide: bool, rng: &mut SmallRng) -> Result<Piece> {
        const ALIGN: u64 = 128;
        let bytes = u64::from(size * descriptor::SIZE);
        match wide {
            true => self.anywhere(bytes, ALIGN, rng),
            false => self.own_page(bytes, ALIGN, rng),
        }
    }

    /// A buffer of a receive ring.
    pub fn buffer(&mut self, shape: Shape, rng: &mut SmallRng) -> Result<Buffer> {
        let header = shape.split.map(Split::bytes);
        let size = shape.bytes();
        if shape.wide {
            return Ok(Buffer {
                header: header
                    .map(|bytes| self.anywhere(bytes, HEADER_ALIGN, rng))
                    .transpose()?,
                packet: self.anywhere(size, 1, rng)?,
            });
        }
        // Both in one page, or it could not be known which page is written.
        let Some(bytes) = header else {
            let packet = self.own_page(size, 1, rng)?;
            return Ok(Buffer {
                packet,
                header: None,
            });
        };
        let gap = rng.random_range(0..HEADER_ALIGN);
        let both = self.own_page(bytes + gap + size, HEADER_ALIGN, rng)?;
        Ok(Buffer {
            header: Some(Piece {
                size: bytes,
                ..both
            }),
            packet: Piece {
                iova: both.iova + bytes + gap,
                size,
            },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng;

    const ALL: Piece = Piece {
        iova: 0x1000_0000,
        size: 3 << 20,
    };

    fn crosses(piece: Piece) -> bool {
        piece.iova / PAGE != (piece.iova + piece.size - 1) / PAGE
    }

    #[test]
    fn every_shape_fits_and_keeps_to_pages_if_it_is_to() {
        for seed in 0..300 {
            let mut rng = SmallRng::seed_from_u64(seed);
            let plan = Plan::draw(&mut rng);
            let mut arena = Arena::new(ALL);
            let mut crossing = 0;
            for small in [false, true] {
                let shape = Shape::draw(plan, small, &mut rng);
                assert!(shape.ring >= 8 && shape.ring % 8 == 0);
                let ring = arena.ring(shape.ring, plan.wide, &mut rng).unwrap();
                assert_eq!(ring.iova % 128, 0);
                let mut last = ring.iova + ring.size;
                for _ in 0..shape.ring + shape.ring / SPARE {
                    let buffer = arena.buffer(shape, &mut rng).unwrap();
                    let first = buffer.header.unwrap_or(buffer.packet).iova;
                    assert!(buffer.header.is_none() || first % HEADER_ALIGN == 0);
                    assert!(first >= last);
                    last = buffer.packet.iova + buffer.packet.size;
                    crossing += u32::from(crosses(buffer.packet));
                    if !plan.wide {
                        let whole = Piece {
                            iova: first,
                            size: last - first,
                        };
                        assert!(!crosses(whole));
                    }
                }
            }
            assert_eq!(crossing > 0, plan.wide);
        }
    }

    #[test]
    fn srrctl_is_that_of_the_data_sheet() {
        let mut shape = Shape {
            ring: 8,
            kib: 2,
            split: None,
            wide: false,
        };
        assert_eq!(shape.srrctl(), 0x8200_0002);
        shape.split = Some(Split {
            always: false,
            units: 2,
        });
        assert_eq!(shape.srrctl(), 0x8400_0202);
        shape.split = Some(Split {
            always: true,
            units: 15,
        });
        assert_eq!(shape.srrctl(), 0x8a00_0f02);
    }
}
