// SPDX-License-Identifier: GPL-2.0

//! The rings of a driver that uses its buffers at random.

use crate::{
    descriptor::{self, SIZE},
    dirty::Pages,
    error::{Error, Result},
    memory::Piece,
    ring::Ring,
    truth::{
        shape::{Arena, Buffer, Shape, SPARE},
        watched::Watched,
    },
};
use rand::{rngs::SmallRng, Rng};

fn descriptor_at(ring: Piece, index: u32) -> u64 {
    ring.part(index, SIZE.into()).iova
}

fn insert(pages: &mut Pages, watched: &Watched, piece: Piece) {
    pages.insert_bytes(watched.offset(piece.iova), piece.size);
}

/// A descriptor that the device has.
#[derive(Clone, Copy, Debug)]
struct Posted {
    buffer: Buffer,
    /// It was noted that the device is done with it.
    noted: bool,
}

/// A receive ring.
#[derive(Debug)]
pub struct Receive {
    /// What it is like.
    pub shape: Shape,
    /// Its descriptors.
    pub descriptors: Piece,
    ring: Ring,
    posted: Vec<Option<Posted>>,
    spare: Vec<Buffer>,
    clean: u32,
    fill: u32,
}

impl Receive {
    /// Descriptors and buffers, which begins in its middle if it is to.
    pub fn new(shape: Shape, start: u32, arena: &mut Arena, rng: &mut SmallRng) -> Result<Self> {
        let descriptors = arena.ring(shape.ring, shape.wide, rng)?;
        let count = shape.ring + shape.ring / SPARE;
        let spare = (0..count)
            .map(|_| arena.buffer(shape, rng))
            .collect::<Result<_>>()?;
        Ok(Self {
            shape,
            descriptors,
            ring: Ring(shape.ring),
            posted: vec![None; shape.ring as usize],
            spare,
            clean: start % shape.ring,
            fill: start % shape.ring,
        })
    }

    /// Next to be written by the device when it starts.
    pub fn head(&self) -> u32 {
        self.clean
    }

    /// First that the device does not have.
    pub fn tail(&self) -> u32 {
        self.fill
    }

    fn slot(&mut self, index: u32) -> Result<&mut Option<Posted>> {
        self.posted
            .get_mut(index as usize)
            .ok_or_else(|| Error::Wrong(format!("no descriptor {index}")))
    }

    /// Descriptors that can be filled.
    pub fn room(&self) -> u32 {
        self.ring.room(self.clean, self.fill)
    }

    /// Fills as many descriptors as fit, with buffers of any, up to `most`; the
    /// device is told afterwards.
    pub fn refill(&mut self, watched: &Watched, most: u32, rng: &mut SmallRng) -> Result<u32> {
        let count = self.room().min(most);
        for _ in 0..count {
            let any = rng.random_range(0..self.spare.len());
            let buffer = self.spare.swap_remove(any);
            let header = buffer.header.map_or(0, |header| header.iova);
            let at = descriptor_at(self.descriptors, self.fill);
            watched.write_descriptor(at, [buffer.packet.iova, header])?;
            *self.slot(self.fill)? = Some(Posted {
                buffer,
                noted: false,
            });
            self.fill = self.ring.advance(self.fill, 1);
        }
        Ok(count)
    }

    /// Notes what the device is done with, from the first that it had on:
    /// adds the buffers' pages to `reasons`. Those done before do not count.
    pub fn note(&mut self, watched: &Watched, reasons: &mut Pages) -> Result<u32> {
        let (mut at, mut noted) = (self.clean, 0);
        while at != self.fill {
            let words = watched.read_descriptor(descriptor_at(self.descriptors, at))?;
            if descriptor::received(words).is_none() {
                break;
            }
            if let Some(posted) = self.slot(at)?.as_mut().filter(|posted| !posted.noted) {
                posted.noted = true;
                noted += 1;
                insert(reasons, watched, posted.buffer.packet);
                if let Some(header) = posted.buffer.header {
                    insert(reasons, watched, header);
                }
            }
            at = self.ring.advance(at, 1);
        }
        Ok(noted)
    }

    /// What the ring uses a page for, as `touches` tells, if it does.
    pub fn use_of(&self, watched: &Watched, touches: impl Fn(Piece) -> bool) -> Option<String> {
        let uses = |buffer: &Buffer| touches(buffer.packet) || buffer.header.is_some_and(&touches);
        let show = |piece: Piece| format!("{:#x}+{:#x}", watched.offset(piece.iova), piece.size);
        let shown = |buffer: &Buffer| {
            let header = buffer.header.map_or("none".into(), show);
            format!("packet {}, header {header}", show(buffer.packet))
        };
        let posted = (0..).zip(&self.posted).find_map(|(index, posted)| {
            let buffer = posted.as_ref().map(|posted| posted.buffer).filter(uses)?;
            let words = watched.read_descriptor(descriptor_at(self.descriptors, index));
            let words = words.unwrap_or_default();
            Some(format!("{} in {index}, {words:x?}", shown(&buffer)))
        });
        let spare = || self.spare.iter().find(|buffer| uses(buffer));
        posted.or_else(|| spare().map(|buffer| format!("{}, given back", shown(buffer))))
    }

    /// Takes back at most `most` descriptors that were noted: what the device is done with
    /// since would never be.
    pub fn take(&mut self, most: u32) -> Result<u32> {
        let mut taken = 0;
        while taken < most && self.clean != self.fill {
            let Some(posted) = self.slot(self.clean)?.take_if(|posted| posted.noted) else {
                break;
            };
            self.spare.push(posted.buffer);
            self.clean = self.ring.advance(self.clean, 1);
            taken += 1;
        }
        Ok(taken)
    }
}

/// Packets that are being sent at a time, and their longest.
const SENDING: u32 = 12;
const BUFFER: u64 = 9216;

/// A transmit ring.
#[derive(Debug)]
pub struct Transmit {
    /// Its descriptors.
    pub descriptors: Piece,
    /// Where the head is written to, if it is.
    pub head_page: Option<Piece>,
    /// Its size.
    pub ring: Ring,
    buffers: Piece,
    clean: u32,
    fill: u32,
    number: u32,
}

impl Transmit {
    /// A ring of `size` descriptors.
    pub fn new(
        size: u32,
        wide: bool,
        write_back: bool,
        arena: &mut Arena,
        rng: &mut SmallRng,
    ) -> Result<Self> {
        let descriptors = arena.ring(size, wide, rng)?;
        let head_page = write_back.then(|| arena.anywhere(4, 4, rng)).transpose()?;
        let buffers = arena.anywhere(u64::from(SENDING) * BUFFER, 1, rng)?;
        Ok(Self {
            descriptors,
            head_page,
            ring: Ring(size),
            buffers,
            clean: 0,
            fill: 0,
            number: 0,
        })
    }

    /// First that the device does not have.
    pub fn tail(&self) -> u32 {
        self.fill
    }

    /// Packets that can be posted.
    pub fn room(&self) -> u32 {
        let sending = self.ring.distance(self.clean, self.fill);
        let room = self.ring.room(self.clean, self.fill);
        room.min(SENDING.saturating_sub(sending))
    }

    /// Fills a descriptor; there must be room.
    pub fn post(&mut self, watched: &Watched, packet: &[u8]) -> Result<()> {
        let buffer = self.buffers.part(self.number % SENDING, BUFFER).iova;
        self.number += 1;
        watched.write(buffer, packet)?;
        let words = descriptor::data(buffer, packet.len() as u16, None);
        watched.write_descriptor(descriptor_at(self.descriptors, self.fill), words)?;
        self.fill = self.ring.advance(self.fill, 1);
        Ok(())
    }

    /// Takes back what the device has sent.
    pub fn reclaim(&mut self, watched: &Watched) -> Result<()> {
        if let Some(page) = self.head_page {
            let mut head = [0; 4];
            watched.memory().read(page.iova, &mut head)?;
            self.clean = u32::from_le_bytes(head) % self.ring.0;
            return Ok(());
        }
        while self.clean != self.fill {
            let at = descriptor_at(self.descriptors, self.clean);
            if !descriptor::transmitted(watched.read_descriptor(at)?) {
                break;
            }
            self.clean = self.ring.advance(self.clean, 1);
        }
        Ok(())
    }

    /// Adds the pages that the device may write to for this ring.
    pub fn reasons(&self, watched: &Watched, reasons: &mut Pages) {
        insert(reasons, watched, self.descriptors);
        if let Some(page) = self.head_page {
            insert(reasons, watched, page);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memory::Memory;
    use rand::SeedableRng;

    const IOVA: u64 = 0x1000_0000;

    fn setup() -> (Watched, Receive, SmallRng) {
        let watched = Watched::new(Memory::new(1 << 20, IOVA).unwrap()).unwrap();
        let mut arena = Arena::new(Piece {
            iova: IOVA,
            size: 1 << 20,
        });
        let mut rng = SmallRng::seed_from_u64(1);
        let shape = Shape {
            ring: 8,
            kib: 2,
            split: None,
            wide: false,
        };
        let mut ring = Receive::new(shape, 5, &mut arena, &mut rng).unwrap();
        assert_eq!(ring.refill(&watched, 99, &mut rng).unwrap(), 7);
        (watched, ring, rng)
    }

    /// As a device that is done with a descriptor.
    fn complete(watched: &Watched, ring: &Receive, index: u32) {
        let at = descriptor_at(ring.descriptors, index);
        let done = 60 << 32 | 3;
        watched.memory().write_descriptor(at, [0, done]).unwrap();
    }

    #[test]
    fn buffers_come_back_and_go_out_again() {
        let (watched, mut ring, mut rng) = setup();
        let mut reasons = Pages::none_of(watched.memory());
        assert_eq!((ring.head(), ring.tail(), ring.room()), (5, 4, 0));
        assert_eq!(ring.take(9).unwrap(), 0);
        for index in [5, 6, 7, 0] {
            complete(&watched, &ring, index);
        }
        assert_eq!(ring.note(&watched, &mut reasons).unwrap(), 4);
        assert_eq!(ring.take(3).unwrap(), 3);
        assert_eq!((ring.head(), ring.room()), (0, 3));
        assert_eq!(ring.refill(&watched, 2, &mut rng).unwrap(), 2);
        assert_eq!((ring.tail(), ring.room()), (6, 1));
        assert_eq!(ring.take(9).unwrap(), 1);
        assert_eq!(ring.refill(&watched, 9, &mut rng).unwrap(), 2);
        assert!(ring.spare.len() == 3 && ring.take(9).unwrap() == 0);
    }

    #[test]
    fn each_use_of_a_buffer_is_noted_once() {
        let (watched, mut ring, mut rng) = setup();
        let mut reasons = Pages::none_of(watched.memory());
        assert_eq!(ring.note(&watched, &mut reasons).unwrap(), 0);
        for index in [5, 6] {
            complete(&watched, &ring, index);
        }
        assert_eq!(ring.note(&watched, &mut reasons).unwrap(), 2);
        assert_eq!(ring.note(&watched, &mut reasons).unwrap(), 0);
        assert_eq!(reasons.len(), 2);
        // What the device is done with since then stays to be noted.
        complete(&watched, &ring, 7);
        assert_eq!(ring.take(9).unwrap(), 2);
        ring.refill(&watched, 9, &mut rng).unwrap();
        assert_eq!(ring.note(&watched, &mut reasons).unwrap(), 1);
    }

    #[test]
    fn no_more_is_sent_at_a_time_than_there_are_buffers() {
        let (watched, ..) = setup();
        let mut arena = Arena::new(Piece {
            iova: IOVA,
            size: 1 << 20,
        });
        let mut rng = SmallRng::seed_from_u64(2);
        let mut ring = Transmit::new(64, true, false, &mut arena, &mut rng).unwrap();
        for _ in 0..SENDING {
            assert!(ring.room() > 0);
            ring.post(&watched, &[7; 9000]).unwrap();
        }
        assert_eq!(ring.room(), 0);
        let at = descriptor_at(ring.descriptors, 0);
        let [low, high] = watched.read_descriptor(at).unwrap();
        let done = [low, high | 1 << 32];
        watched.memory().write_descriptor(at, done).unwrap();
        ring.reclaim(&watched).unwrap();
        assert_eq!(ring.room(), 1);
    }
}
