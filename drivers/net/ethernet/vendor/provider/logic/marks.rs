// SPDX-License-Identifier: GPL-2.0

//! What a look at a ring has to tell, put together before it is told. Pure.
//!
//! Telling takes a while for each page, and the 4096 descriptors of a ring may all name the
//! same memory, 127 KiB each. What they tell in one look was written before it, so it makes
//! no difference that it is told at its end, and once.

use super::{
    contexts::Descriptor,
    scan::Guest, //
};

/// Most ranges that are kept before all are told.
const MOST: usize = 32;

/// The first and the last byte of a range.
type Range = (u64, u64);

/// A guest with the ranges that it has not been told, none of which touches another.
pub(crate) struct Together<'g, G> {
    guest: &'g mut G,
    ranges: [Range; MOST],
    count: usize,
}

/// Whether two ranges have a byte in common, or are side by side.
fn touch(one: Range, other: Range) -> bool {
    one.0 <= other.1.saturating_add(1) && other.0 <= one.1.saturating_add(1)
}

impl<'g, G: Guest> Together<'g, G> {
    /// Nothing is to be told yet.
    pub(crate) fn new(guest: &'g mut G) -> Self {
        Self {
            guest,
            ranges: [(0, 0); MOST],
            count: 0,
        }
    }

    /// Tells all of them.
    pub(crate) fn tell(&mut self) {
        for &(first, last) in self.ranges.iter().take(self.count) {
            self.guest.mark(first, (last - first).saturating_add(1));
        }
        self.count = 0;
    }
}

impl<G: Guest> Guest for Together<'_, G> {
    type Error = G::Error;

    fn read(&mut self, iova: u64, room: &mut [Descriptor]) -> Result<bool, G::Error> {
        self.guest.read(iova, room)
    }

    /// If there is no room all others are told first.
    fn mark(&mut self, iova: u64, len: u64) {
        let Some(rest) = len.checked_sub(1) else {
            return;
        };
        let mut range = (iova, iova.saturating_add(rest));
        let mut index = 0;
        while let Some(&other) = self.ranges.get(index).filter(|_| index < self.count) {
            if touch(range, other) {
                range = (range.0.min(other.0), range.1.max(other.1));
                self.count -= 1;
                self.ranges.swap(index, self.count);
                // It may touch one now that it did not before.
                index = 0;
            } else {
                index += 1;
            }
        }
        if self.count == MOST {
            self.tell();
        }
        if let Some(place) = self.ranges.get_mut(self.count) {
            *place = range;
            self.count += 1;
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_marks))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const BYTES: usize = 512;

    /// Counts for each of the first addresses how often it was told, and all telling.
    struct Told {
        bytes: [u8; BYTES],
        count: usize,
    }

    impl Told {
        fn new() -> Self {
            Self {
                bytes: [0; BYTES],
                count: 0,
            }
        }
    }

    impl Guest for Told {
        type Error = ();

        fn read(&mut self, _: u64, _: &mut [Descriptor]) -> Result<bool, ()> {
            Ok(false)
        }

        fn mark(&mut self, iova: u64, len: u64) {
            self.count += 1;
            for byte in &mut self.bytes[iova as usize..(iova + len) as usize] {
                *byte += 1;
            }
        }
    }

    #[test]
    fn what_touches_is_told_at_once() {
        let mut told = Told::new();
        let mut marks = Together::new(&mut told);
        for address in [0, 8, 40, 4, 16, 24] {
            marks.mark(address, 8);
        }
        assert_eq!(marks.guest.count, 0);
        marks.tell();
        assert_eq!(marks.guest.count, 2);
        for (address, &times) in marks.guest.bytes.iter().enumerate() {
            let is_in = address < 32 || (40..48).contains(&address);
            assert_eq!(times, u8::from(is_in));
        }
        marks.tell();
        assert_eq!(marks.guest.count, 2);
    }

    #[test]
    fn a_range_that_closes_a_gap_joins_both_sides() {
        let mut told = Told::new();
        let mut marks = Together::new(&mut told);
        for (address, len) in [(0, 4), (100, 4), (8, 4), (20, 4), (4, 16)] {
            marks.mark(address, len);
        }
        marks.tell();
        assert_eq!(marks.guest.count, 2);
    }

    #[test]
    fn what_there_is_no_room_for_is_told_before() {
        let mut told = Told::new();
        let mut marks = Together::new(&mut told);
        for index in 0..MOST as u64 {
            marks.mark(2 * index, 1);
        }
        assert_eq!(marks.guest.count, 0);
        marks.mark(300, 1);
        assert_eq!(marks.guest.count, MOST);
        marks.tell();
        assert_eq!(marks.guest.count, MOST + 1);
        assert_eq!(
            marks
                .guest
                .bytes
                .iter()
                .filter(|&&times| times == 1)
                .count(),
            MOST + 1
        );
    }

    #[test]
    fn nothing_is_left_out_and_nothing_added() {
        let mut state = 1u32;
        let mut random = |below: u32| {
            state ^= state << 13;
            state ^= state >> 17;
            state ^= state << 5;
            state % below
        };
        for _ in 0..50 {
            let mut told = Told::new();
            let mut marks = Together::new(&mut told);
            let mut wanted = [false; BYTES];
            for _ in 0..random(100) {
                let (address, len) = (random(400), random(1 + 100) + 1);
                marks.mark(address.into(), len.into());
                wanted[address as usize..(address + len) as usize].fill(true);
            }
            marks.tell();
            for (times, wanted) in marks.guest.bytes.iter().zip(wanted) {
                let is_told = *times != 0;
                assert_eq!(is_told, wanted);
            }
        }
    }

    #[test]
    fn the_last_addresses_are_no_trap() {
        struct Last(u64);
        impl Guest for Last {
            type Error = ();
            fn read(&mut self, _: u64, _: &mut [Descriptor]) -> Result<bool, ()> {
                Ok(false)
            }
            fn mark(&mut self, iova: u64, len: u64) {
                self.0 = iova + len;
            }
        }
        let mut last = Last(0);
        let mut marks = Together::new(&mut last);
        marks.mark(u64::MAX - 8, 8);
        marks.mark(u64::MAX - 16, 4);
        marks.mark(0, 0);
        marks.tell();
        assert_eq!(marks.guest.0, u64::MAX - 12);
    }
}
