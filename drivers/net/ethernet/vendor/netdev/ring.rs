// SPDX-License-Identifier: GPL-2.0

//! Positions in a ring that one side fills and the other empties. Pure.

/// Positions of a ring of `size` slots, one of which always stays free so that
/// full and empty differ.
///
/// # Invariants
///
/// `next` and `oldest` are below `size`, which is from 2 to 2^15.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    size: u16,
    next: u16,
    oldest: u16,
}

impl Positions {
    /// An empty ring; [`None`] unless `size` is from 2 to 2^15.
    pub(crate) fn new(size: u16) -> Option<Self> {
        // INVARIANT: Checked here.
        (2..=0x8000).contains(&size).then_some(Self {
            size,
            next: 0,
            oldest: 0,
        })
    }

    /// The slot after `slot`, which must be one.
    pub(crate) fn after(&self, slot: u16) -> u16 {
        let next = slot.saturating_add(1);
        if next < self.size {
            next
        } else {
            0
        }
    }

    /// The slot that is filled next.
    pub(crate) fn next(&self) -> u16 {
        self.next
    }

    /// The oldest filled slot; [`None`] if the ring is empty.
    pub(crate) fn oldest(&self) -> Option<u16> {
        (self.oldest != self.next).then_some(self.oldest)
    }

    /// How many slots may still be filled.
    pub(crate) fn free(&self) -> u16 {
        // By the invariant neither subtraction goes below 0, nor the addition beyond 2^16.
        let ahead = if self.oldest > self.next {
            0
        } else {
            self.size
        };
        (ahead + self.oldest)
            .saturating_sub(self.next)
            .saturating_sub(1)
    }

    /// Notes that the next slot is filled, and answers it. [`None`], and nothing happens, on a
    /// full ring.
    pub(crate) fn fill(&mut self) -> Option<u16> {
        let (slot, after) = (self.next, self.after(self.next));
        (after != self.oldest).then(|| {
            // INVARIANT: The slot after a slot is one.
            self.next = after;
            slot
        })
    }

    /// Takes back all that was filled from `slot` on, which must have been the next.
    pub(crate) fn rewind(&mut self, slot: u16) {
        if slot < self.size {
            // INVARIANT: Checked.
            self.next = slot;
        }
    }

    /// Notes that the oldest slot was emptied. Nothing happens on an empty ring.
    pub(crate) fn empty(&mut self) {
        if self.oldest != self.next {
            // INVARIANT: The slot after a slot is one.
            self.oldest = self.after(self.oldest);
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_ring))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn ring(size: u16) -> Positions {
        Positions {
            size,
            next: 0,
            oldest: 0,
        }
    }

    #[test]
    fn sizes_are_checked() {
        assert!(Positions::new(0).is_none());
        assert!(Positions::new(1).is_none());
        assert!(Positions::new(0x8001).is_none());
        assert!(Positions::new(2).is_some());
        assert!(Positions::new(80).is_some());
        assert!(Positions::new(0x8000).is_some());
    }

    #[test]
    fn one_slot_stays_free() {
        let mut ring = ring(4);
        assert_eq!(ring.free(), 3);
        assert_eq!(ring.oldest(), None);
        for slot in 0..3 {
            assert_eq!(ring.fill(), Some(slot));
        }
        for _ in 0..2 {
            assert_eq!(ring.fill(), None);
        }
        assert_eq!(ring.free(), 0);
        assert_eq!(ring.next(), 3);
        assert_eq!(ring.oldest(), Some(0));
    }

    #[test]
    fn what_was_filled_is_taken_back() {
        let mut ring = ring(4);
        ring.fill();
        let first = ring.next();
        ring.fill();
        ring.fill();
        ring.rewind(first);
        assert_eq!(ring.next(), 1);
        assert_eq!(ring.free(), 2);
        ring.rewind(4);
        assert_eq!(ring.next(), 1);
    }

    #[test]
    fn it_wraps() {
        for size in [4, 5, 0x8000] {
            let mut ring = ring(size);
            ring.next = size - 2;
            ring.oldest = size - 2;
            for round in size - 2..=size + 9 {
                assert_eq!(ring.next(), round % size);
                assert_eq!(ring.fill(), Some(round % size));
                assert_eq!(ring.fill(), Some((round + 1) % size));
                assert_eq!(ring.oldest(), Some(round % size));
                assert_eq!(ring.free(), size - 3);
                ring.empty();
                ring.empty();
                assert_eq!(ring.oldest(), None);
                assert_eq!(ring.free(), size - 1);
                ring.oldest = (round + 1) % size;
                ring.next = ring.oldest;
            }
            ring.empty();
            assert_eq!(ring.free(), size - 1);
        }
    }
}
