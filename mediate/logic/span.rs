// SPDX-License-Identifier: GPL-2.0

//! Page-aligned byte ranges of a BAR: mmap-able areas and trap windows.
//!
//! Pure: plain values, no kernel types. What a provider hands in is checked
//! here before anything relies on it.

use core::fmt;

/// Granularity of windows and areas, in bytes. Fixed by the page tables that
/// switch a window between pass-through and trapped (x86-64: 4 KiB).
pub(crate) const PAGE_SIZE: u64 = 4096;

/// A half-open byte range of a region.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Span {
    /// First byte.
    pub(crate) offset: u64,
    /// Length in bytes.
    pub(crate) size: u64,
}

impl Span {
    /// First byte behind the span; `None` if that is beyond 2^64.
    pub(crate) fn end(&self) -> Option<u64> {
        self.offset.checked_add(self.size)
    }

    /// Whether the two share a byte. Spans that overflow count as reaching to the end of the
    /// address space.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        let end = |span: &Self| span.end().unwrap_or(u64::MAX);
        self.offset < end(other) && other.offset < end(self)
    }

    /// Checks that the span is whole pages, not empty, and does not overflow.
    pub(crate) fn check_pages(&self) -> Result<(), SpanFault> {
        if self.size == 0 {
            Err(SpanFault::Empty)
        } else if self.offset % PAGE_SIZE != 0 || self.size % PAGE_SIZE != 0 {
            Err(SpanFault::NotPageAligned)
        } else if self.end().is_none() {
            Err(SpanFault::Overflow)
        } else {
            Ok(())
        }
    }
}

/// Why a span cannot be used.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum SpanFault {
    /// The size is zero.
    Empty,
    /// Offset or size is not a multiple of [`PAGE_SIZE`].
    NotPageAligned,
    /// Offset plus size is beyond 2^64.
    Overflow,
}

impl fmt::Display for SpanFault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::NotPageAligned => "is not page-aligned",
            Self::Overflow => "reaches beyond 2^64",
        })
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_span))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn span(offset: u64, size: u64) -> Span {
        Span { offset, size }
    }

    #[test]
    fn whole_pages_pass() {
        assert_eq!(span(0, 4096).check_pages(), Ok(()));
        assert_eq!(span(0x2000, 0x2000).check_pages(), Ok(()));
        assert_eq!(span(u64::MAX - 8191, 4096).check_pages(), Ok(()));
    }

    #[test]
    fn faults_are_told_apart() {
        assert_eq!(span(0, 0).check_pages(), Err(SpanFault::Empty));
        assert_eq!(span(1, 4096).check_pages(), Err(SpanFault::NotPageAligned));
        assert_eq!(span(0, 4095).check_pages(), Err(SpanFault::NotPageAligned));
        assert_eq!(
            span(u64::MAX - 4095, 8192).check_pages(),
            Err(SpanFault::Overflow)
        );
    }
}
