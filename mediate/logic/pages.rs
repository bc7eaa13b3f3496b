// SPDX-License-Identifier: GPL-2.0

//! Bytes of an address space as pages, a batch at a time. Pure.

use super::span::PAGE_SIZE;

/// Pages next to each other.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Batch {
    /// First byte, a multiple of the page size.
    pub(crate) iova: u64,
    /// How many pages; the last ends at 2^64 at most.
    pub(crate) count: usize,
}

impl Batch {
    /// First byte behind it, but at most 2^64 - 1.
    pub(crate) fn end(&self) -> u64 {
        let count = u64::try_from(self.count).unwrap_or(u64::MAX);
        self.iova.saturating_add(count.saturating_mul(PAGE_SIZE))
    }

    /// Each of its pages.
    pub(crate) fn pages(self) -> impl Iterator<Item = Self> {
        let first = self.iova / PAGE_SIZE;
        (0..self.count).zip(first..).map(|(_, page)| Self {
            iova: page * PAGE_SIZE,
            count: 1,
        })
    }
}

/// The pages that `len` bytes at `iova` touch, at most `most` at a time. Bytes beyond 2^64 are
/// left out.
pub(crate) fn batches(iova: u64, len: u64, most: usize) -> impl Iterator<Item = Batch> {
    let first = iova / PAGE_SIZE;
    let behind = match len.checked_sub(1) {
        None => first,
        Some(more) => iova.saturating_add(more) / PAGE_SIZE + 1,
    };
    let step = most.max(1);
    (first..behind).step_by(step).map(move |page| Batch {
        iova: page * PAGE_SIZE,
        count: usize::try_from(behind - page).map_or(step, |left| left.min(step)),
    })
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_pages))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn pages_of(iova: u64, len: u64, most: usize, expected: &[(u64, usize)]) -> bool {
        batches(iova, len, most)
            .map(|batch| (batch.iova, batch.count))
            .eq(expected.iter().copied())
    }

    #[test]
    fn bytes_touch_the_pages_they_lie_in() {
        assert!(pages_of(0x1000, 0, 8, &[]));
        assert!(pages_of(0x1fff, 1, 8, &[(0x1000, 1)]));
        assert!(pages_of(0x1fff, 2, 8, &[(0x1000, 2)]));
        assert!(pages_of(0x1000, 0x1000, 8, &[(0x1000, 1)]));
    }

    #[test]
    fn batches_have_a_largest_size() {
        assert!(pages_of(0, 0x5000, 2, &[(0, 2), (0x2000, 2), (0x4000, 1)]));
        assert!(pages_of(0, 0x2000, 0, &[(0, 1), (0x1000, 1)]));
    }

    #[test]
    fn the_end_of_the_address_space_ends_it() {
        assert!(pages_of(u64::MAX, 1, 8, &[(u64::MAX - 0xfff, 1)]));
        assert!(pages_of(
            u64::MAX - 1,
            u64::MAX,
            8,
            &[(u64::MAX - 0xfff, 1)]
        ));
    }

    #[test]
    fn a_batch_consists_of_its_pages() {
        let batch = Batch {
            iova: 0x3000,
            count: 2,
        };
        assert_eq!(batch.end(), 0x5000);
        assert!(batch.pages().map(|page| page.iova).eq([0x3000, 0x4000]));
    }
}
