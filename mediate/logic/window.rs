// SPDX-License-Identifier: GPL-2.0

//! Trap windows: ranges of a BAR that a provider wants to be able to trap. Pure.

use super::span::Span;

/// Number of BARs of a PCI function; only these can hold windows.
pub(crate) const NR_BARS: u32 = 6;

/// One window.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Window {
    /// BAR index, below [`NR_BARS`].
    pub(crate) region: u32,
    /// Bytes of that BAR.
    pub(crate) span: Span,
    /// Whether what is written is known without trapping it, if less exactly.
    pub(crate) optional: bool,
}

impl Window {
    /// Whether the two share a byte.
    pub(crate) fn overlaps(&self, other: &Self) -> bool {
        self.region == other.region && self.span.overlaps(&other.span)
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_window))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    fn window(offset: u64, size: u64) -> Window {
        Window {
            region: 0,
            span: Span { offset, size },
            optional: false,
        }
    }

    #[test]
    fn neighbours_do_not_overlap() {
        assert!(!window(0, 4096).overlaps(&window(4096, 4096)));
        assert!(window(0, 8192).overlaps(&window(4096, 4096)));
        assert!(window(4096, 1).overlaps(&window(0, 8192)));
        assert!(window(8192, u64::MAX).overlaps(&window(u64::MAX - 1, 1)));
    }

    #[test]
    fn windows_of_two_bars_do_not_overlap() {
        let mut other = window(0, 4096);
        other.region = 1;
        assert!(!window(0, 4096).overlaps(&other));
    }
}
