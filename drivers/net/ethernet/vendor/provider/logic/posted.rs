// SPDX-License-Identifier: GPL-2.0

//! Which memory the device needs for what was posted to a queue, and what of that is not
//! there yet. Pure.
//!
//! All that a driver posts may be nonsense. Each descriptor is read once, and each page that
//! it names looked at once: at most 65528 descriptors with 33 pages each.

use super::{
    contexts::{
        Context,
        Descriptor,
        CHUNK, //
    },
    queues::{
        Ring,
        DESCRIPTOR, //
    },
    shape::Shape, //
};

/// Bytes of a page.
const PAGE: u64 = 4096;

/// Transmit descriptor, second word: bytes of its buffer.
const LENGTH: u64 = 0xffff;

/// TDWBAL: the head is written to memory; and the bits that are no address.
const WRITE_BACK: u64 = 1;
const WRITE_BACK_FLAGS: u64 = 0b11;

/// Bytes of a head that is written to memory.
const HEAD: u64 = 4;

/// Memory that is missing: whole pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Gap {
    /// First byte.
    pub(crate) iova: u64,
    /// Bytes; the last may be the last of all addresses.
    pub(crate) len: u64,
}

impl Gap {
    /// The page of one byte.
    pub(crate) fn of_page(iova: u64) -> Self {
        Self {
            iova: iova / PAGE * PAGE,
            len: PAGE,
        }
    }
}

/// The memory of the guest, as the VF sees it.
pub(crate) trait Memory {
    /// Why it cannot be looked at.
    type Error;

    /// Whether there is a byte.
    fn has(&mut self, iova: u64) -> Result<bool, Self::Error>;

    /// Reads descriptors; `false` where the VF sees no memory.
    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, Self::Error>;
}

/// What descriptors are like.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// They offer buffers of this shape.
    Receive(Shape),
    /// They name data; TDWBAL and TDWBAH say where the head is written to.
    Transmit(u64),
}

/// Descriptors of a ring that the device gets.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Posted {
    /// The ring; its own head and tail do not count.
    pub(crate) ring: Ring,
    /// The first of them.
    pub(crate) from: u16,
    /// The first that is not.
    pub(crate) to: u16,
    /// What they are like.
    pub(crate) kind: Kind,
}

/// Looks for pages, of which the last that was found is remembered.
struct Search<'m, M> {
    memory: &'m mut M,
    known: Option<u64>,
}

impl<M: Memory> Search<'_, M> {
    fn has(&mut self, page: u64) -> Result<bool, M::Error> {
        if self.known == Some(page) {
            return Ok(true);
        }
        let there = self.memory.has(page * PAGE)?;
        if there {
            self.known = Some(page);
        }
        Ok(there)
    }

    /// The first pages of `len` bytes at `iova` that are missing. Bytes beyond 2^64 do not
    /// count.
    fn gap(&mut self, iova: u64, len: u64) -> Result<Option<Gap>, M::Error> {
        let Some(more) = len.checked_sub(1) else {
            return Ok(None);
        };
        let last = iova.saturating_add(more) / PAGE;
        let mut page = iova / PAGE;
        while self.has(page)? {
            if page == last {
                return Ok(None);
            }
            page += 1;
        }
        let first = page;
        while page < last && !self.has(page + 1)? {
            page += 1;
        }
        Ok(Some(Gap {
            iova: first * PAGE,
            len: (page - first + 1) * PAGE,
        }))
    }
}

impl Posted {
    /// The memory that `descriptor` names.
    fn buffers(&self, descriptor: Descriptor) -> [Option<(u64, u64)>; 2] {
        match self.kind {
            Kind::Receive(shape) => shape
                .buffers(descriptor)
                .map(|buffer| buffer.map(|(address, len)| (address, len.into()))),
            Kind::Transmit(_) => {
                let [address, second] = descriptor;
                let is_data = Context::new(descriptor).is_none();
                [is_data.then_some((address, second & LENGTH)), None]
            }
        }
    }

    /// The first memory that the device would need and does not find. Positions beyond the
    /// end of the ring are those of a device that does nothing. Errors: it is not known.
    pub(crate) fn gap<M: Memory>(&self, memory: &mut M) -> Result<Option<Gap>, M::Error> {
        let count = self.ring.descriptors();
        let (mut at, to) = (u32::from(self.from), u32::from(self.to));
        if at >= count || to >= count || at == to {
            return Ok(None);
        }
        let search = &mut Search {
            memory,
            known: None,
        };
        if let Kind::Transmit(place) = self.kind {
            if place & WRITE_BACK != 0 {
                if let Some(gap) = search.gap(place & !WRITE_BACK_FLAGS, HEAD)? {
                    return Ok(Some(gap));
                }
            }
        }
        // A chunk is a few.
        let most = u32::try_from(CHUNK).unwrap_or(1);
        while at != to {
            let end = if to > at { to } else { count };
            let run = (end - at).min(most);
            let bytes = u64::from(run) * u64::from(DESCRIPTOR);
            let Some(iova) = self
                .ring
                .base
                .checked_add(u64::from(at) * u64::from(DESCRIPTOR))
            else {
                return Ok(None);
            };
            if let Some(gap) = search.gap(iova, bytes)? {
                return Ok(Some(gap));
            }
            let mut chunk = [[0; 2]; CHUNK];
            let Some(room) = usize::try_from(run).ok().and_then(|n| chunk.get_mut(..n)) else {
                return Ok(None);
            };
            if !search.memory.read(iova, room)? {
                // It has just gone.
                search.known = None;
                return search.gap(iova, bytes);
            }
            for &descriptor in &*room {
                for (address, len) in self.buffers(descriptor).into_iter().flatten() {
                    if let Some(gap) = search.gap(address, len)? {
                        return Ok(Some(gap));
                    }
                }
            }
            at += run;
            if at == count {
                at = 0;
            }
        }
        Ok(None)
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_posted))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    /// Memory of which only some pages are there, all descriptors the same but one.
    struct Sparse {
        /// A bit for each of the first 64 pages.
        pages: u64,
        descriptor: Descriptor,
        odd: (u64, Descriptor),
        looks: u32,
    }

    impl Memory for Sparse {
        type Error = ();

        fn has(&mut self, iova: u64) -> Result<bool, ()> {
            self.looks += 1;
            Ok(iova / PAGE < 64 && self.pages >> (iova / PAGE) & 1 != 0)
        }

        fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, ()> {
            for (n, place) in (0..).zip(&mut *room) {
                let at = iova + 16 * n;
                *place = if at == self.odd.0 {
                    self.odd.1
                } else {
                    self.descriptor
                };
            }
            let last = iova + 16 * room.len() as u64 - 1;
            Ok(self.has(iova)? && self.has(last)?)
        }
    }

    /// 512 descriptors in pages 1 and 2.
    const RING: Ring = Ring {
        base: 0x1000,
        length: 0x2000,
        head: 0,
        tail: 0,
    };

    fn memory(pages: u64, descriptor: Descriptor) -> Sparse {
        Sparse {
            pages,
            descriptor,
            odd: (u64::MAX, [0; 2]),
            looks: 0,
        }
    }

    fn receive(from: u16, to: u16) -> Posted {
        Posted {
            ring: RING,
            from,
            to,
            // 2 KiB, and headers of 128 bytes, always.
            kind: Kind::Receive(Shape::new(0x0a00_0202, 0)),
        }
    }

    fn transmit(from: u16, to: u16, write_back: u64) -> Posted {
        Posted {
            kind: Kind::Transmit(write_back),
            ..receive(from, to)
        }
    }

    fn gap(page: u64, pages: u64) -> Result<Option<Gap>, ()> {
        Ok(Some(Gap {
            iova: page * PAGE,
            len: pages * PAGE,
        }))
    }

    #[test]
    fn each_page_that_is_needed_is_looked_for() {
        // A packet's buffer over pages 4 and 5, a header's in page 6.
        let descriptor = [0x4fff, 0x6000];
        let posted = receive(0, 300);
        for missing in [1, 2, 4, 5, 6] {
            let pages = 0b111_0110 & !(1 << missing);
            assert_eq!(posted.gap(&mut memory(pages, descriptor)), gap(missing, 1));
        }
        assert_eq!(posted.gap(&mut memory(0b111_0110, descriptor)), Ok(None));
        assert_eq!(posted.gap(&mut memory(0b100_0110, descriptor)), gap(4, 2));
        // The second page of the ring only if it is used.
        let first = receive(0, 256);
        assert_eq!(first.gap(&mut memory(0b111_0010, descriptor)), Ok(None));
    }

    #[test]
    fn what_is_posted_may_go_around() {
        let posted = receive(500, 3);
        let mut guest = memory(0b1_0110, [0x4000, 0x4800]);
        assert_eq!(posted.gap(&mut guest), Ok(None));
        for at in [500, 511, 0, 2] {
            guest.odd = (0x1000 + 16 * at, [0x9000, 0x4800]);
            assert_eq!(posted.gap(&mut guest), gap(9, 1));
        }
        for at in [499, 3] {
            guest.odd = (0x1000 + 16 * at, [0x9000, 0x4800]);
            assert_eq!(posted.gap(&mut guest), Ok(None));
        }
    }

    #[test]
    fn what_transmit_descriptors_name_is_looked_for() {
        let data = 0x2b30_0000_u64;
        let posted = transmit(0, 9, 0);
        let guest = |length: u64| memory(0b1_0110, [0x4ff0, data | length]);
        assert_eq!(posted.gap(&mut guest(0x10)), Ok(None));
        assert_eq!(posted.gap(&mut guest(0x11)), gap(5, 1));
        assert_eq!(posted.gap(&mut guest(0x3011)), gap(5, 4));
        assert_eq!(posted.gap(&mut guest(0)), Ok(None));
        // A context names nothing.
        let context = [0x9_0000, 0x2020_0400];
        assert_eq!(posted.gap(&mut memory(0b110, context)), Ok(None));
        // Where the head is written to.
        assert_eq!(transmit(0, 9, 0x7001).gap(&mut guest(1)), gap(7, 1));
        assert_eq!(transmit(0, 9, 0x7000).gap(&mut guest(1)), Ok(None));
    }

    #[test]
    fn nonsense_needs_nothing() {
        let nothing = |posted: Posted| posted.gap(&mut memory(0, [0; 2])) == Ok(None);
        assert!(nothing(receive(5, 5)));
        assert!(nothing(receive(0, 512)));
        assert!(nothing(receive(512, 0)));
        assert!(nothing(Posted {
            ring: Ring::default(),
            ..receive(0, 1)
        }));
        // Null addresses are never written to.
        assert_eq!(receive(0, 9).gap(&mut memory(0b10, [0; 2])), Ok(None));
        let beyond = Ring {
            base: u64::MAX - 0x7f,
            ..RING
        };
        let posted = Posted {
            ring: beyond,
            ..receive(0, 20)
        };
        assert!(posted.gap(&mut memory(0, [0; 2])) != Ok(None));
    }

    #[test]
    fn the_end_of_all_addresses_ends_it() {
        let mut guest = memory(0b110, [u64::MAX - 1, 0]);
        let last = u64::MAX / PAGE;
        assert_eq!(receive(0, 1).gap(&mut guest), gap(last, 1));
    }

    #[test]
    fn pages_are_not_looked_at_again_and_again() {
        let mut guest = memory(0b1_0110, [0x4000, 0x4800]);
        assert_eq!(receive(0, 511).gap(&mut guest), Ok(None));
        assert!(guest.looks < 100);
    }
}
