// SPDX-License-Identifier: GPL-2.0

//! A VF's counters as its guest sees them. Pure.
//!
//! Nobody can write the registers, and drivers take a counter that goes backwards for
//! one that has wrapped: so what a guest has seen elsewhere is added here.

/// Counters of a VF.
pub(crate) const COUNTERS: usize = 9;

/// Where the VF finds each of them in its first page, in the order of [`Statistics`].
pub(crate) const OFFSETS: [u64; COUNTERS] = [
    0xf10, 0xf14, 0xf18, 0xf34, 0xf3c, 0xf40, 0xf44, 0xf48, 0xf50,
];

/// A value for each counter: packets received and sent, bytes received and sent,
/// multicast packets received; then those of the switch alone, packets received and
/// sent, bytes received and sent.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Statistics(pub(crate) [u32; COUNTERS]);

impl Statistics {
    fn with(self, other: Self, f: impl Fn(u32, u32) -> u32) -> Self {
        let mut values = self.0;
        for (value, other) in values.iter_mut().zip(other.0) {
            *value = f(*value, other);
        }
        Self(values)
    }

    /// What a guest sees that has seen `self` more than the registers hold.
    pub(crate) fn seen(self, registers: Self) -> Self {
        self.with(registers, u32::wrapping_add)
    }

    /// How much more than the registers hold a guest has seen that has seen `seen`.
    pub(crate) fn ahead(seen: Self, registers: Self) -> Self {
        seen.with(registers, u32::wrapping_sub)
    }

    /// That of the counter at `offset` of the VF's BAR, if there is one.
    pub(crate) fn at(&self, offset: u64) -> Option<u32> {
        let index = OFFSETS.iter().position(|&at| at == offset)?;
        self.0.get(index).copied()
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_statistics))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn counters_go_on_where_they_were_seen() {
        let seen = Statistics([5, 6, u32::MAX, 8, 9, 0, 0, 0, 0]);
        let there = Statistics([100, 0, 1, 8, 9, 0, 0, 0, 1]);
        let ahead = Statistics::ahead(seen, there);
        assert_eq!(ahead.seen(there), seen);
        let later = Statistics([101, 0, 2, 8, 9, 0, 0, 0, 1]);
        assert_eq!(ahead.seen(later).0[..3], [6, 6, 0]);
        assert_eq!(ahead.at(0xf10), Some(5u32.wrapping_sub(100)));
        assert_eq!(ahead.at(0xf1c), None);
    }
}
