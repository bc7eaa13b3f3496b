// SPDX-License-Identifier: GPL-2.0

//! How one read or write of a region's file is cut into register accesses. Pure.

/// Widest single access, in bytes.
pub(crate) const MAX_WIDTH: usize = 8;

/// One register access.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Access {
    /// First byte, a multiple of `width`.
    pub(crate) offset: u64,
    /// 1, 2, 4 or 8 bytes.
    pub(crate) width: usize,
}

/// Cuts `count` bytes from `offset` as vfio-pci's core does: each access as wide
/// as its alignment and what is left allow, at most [`MAX_WIDTH`] bytes. Stops
/// before an offset beyond 2^64.
pub(crate) fn accesses(offset: u64, count: usize) -> impl Iterator<Item = Access> {
    let mut at = offset;
    let mut left = count;
    core::iter::from_fn(move || {
        if left == 0 {
            return None;
        }
        let mut width = MAX_WIDTH;
        while width > left || at & mask(width) != 0 {
            width /= 2;
        }
        let access = Access { offset: at, width };
        at = at.checked_add(u64::try_from(width).ok()?)?;
        left -= width;
        Some(access)
    })
}

/// Low bits that are zero in a multiple of `width`, a power of two.
fn mask(width: usize) -> u64 {
    u64::try_from(width).map_or(0, |w| w - 1)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_access))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn widths(offset: u64, count: usize, expected: &[usize]) -> bool {
        let mut at = offset;
        let mut n = 0;
        for access in accesses(offset, count) {
            if n == expected.len() || access.offset != at || access.width != expected[n] {
                return false;
            }
            at += expected[n] as u64;
            n += 1;
        }
        n == expected.len()
    }

    #[test]
    fn aligned_accesses_stay_whole() {
        assert!(widths(0, 0, &[]));
        assert!(widths(0x1000, 1, &[1]));
        assert!(widths(0x1002, 2, &[2]));
        assert!(widths(0x2818, 4, &[4]));
        assert!(widths(0x1000, 8, &[8]));
        assert!(widths(0x1000, 24, &[8, 8, 8]));
    }

    #[test]
    fn unaligned_accesses_are_cut_at_natural_boundaries() {
        assert!(widths(1, 3, &[1, 2]));
        assert!(widths(3, 4, &[1, 2, 1]));
        assert!(widths(4, 8, &[4, 4]));
        assert!(widths(7, 10, &[1, 8, 1]));
        assert!(widths(0, 7, &[4, 2, 1]));
    }

    #[test]
    fn the_end_of_the_address_space_stops_it() {
        assert!(widths(u64::MAX, 1, &[]));
        assert!(widths(u64::MAX - 3, 2, &[2]));
    }
}
