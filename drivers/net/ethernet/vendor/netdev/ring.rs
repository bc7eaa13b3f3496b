// SPDX-License-Identifier: GPL-2.0

//! Positions in a ring that one side fills and the other empties. Pure.

/// Positions of a ring of `size` slots, one of which always stays free so that
/// full and empty differ.
///
/// # Invariants
///
/// `next` and `oldest` are below `size`, a power of two of at most 2^15.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Positions {
    size: u16,
    next: u16,
    oldest: u16,
}

impl Positions {
    /// An empty ring; [`None`] if `size` is no power of two from 2 to 2^15.
    pub(crate) fn new(size: u16) -> Option<Self> {
        if size < 2 || !size.is_power_of_two() {
            return None;
        }
        // INVARIANT: Checked above; 2^15 is the largest power of two of a u16.
        Some(Self {
            size,
            next: 0,
            oldest: 0,
        })
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
        // Wrapping is harmless: the size divides 2^16.
        self.oldest.wrapping_sub(self.next).wrapping_sub(1) & (self.size - 1)
    }

    /// Notes that the next slot was filled. Nothing happens on a full ring.
    pub(crate) fn fill(&mut self) {
        if self.free() != 0 {
            // INVARIANT: The mask keeps it below the size.
            self.next = self.next.wrapping_add(1) & (self.size - 1);
        }
    }

    /// Notes that the oldest slot was emptied. Nothing happens on an empty ring.
    pub(crate) fn empty(&mut self) {
        if self.oldest != self.next {
            // INVARIANT: The mask keeps it below the size.
            self.oldest = self.oldest.wrapping_add(1) & (self.size - 1);
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
        assert!(Positions::new(24).is_none());
        assert!(Positions::new(2).is_some());
        assert!(Positions::new(0x8000).is_some());
    }

    #[test]
    fn one_slot_stays_free() {
        let mut ring = ring(4);
        assert_eq!(ring.free(), 3);
        assert_eq!(ring.oldest(), None);
        for _ in 0..5 {
            ring.fill();
        }
        assert_eq!(ring.free(), 0);
        assert_eq!(ring.next(), 3);
        assert_eq!(ring.oldest(), Some(0));
    }

    #[test]
    fn it_wraps() {
        let mut ring = ring(4);
        for round in 0..9 {
            assert_eq!(ring.next(), round % 4);
            ring.fill();
            assert_eq!(ring.oldest(), Some(round % 4));
            ring.empty();
            assert_eq!(ring.oldest(), None);
            assert_eq!(ring.free(), 3);
        }
        ring.empty();
        assert_eq!(ring.free(), 3);
    }
}
