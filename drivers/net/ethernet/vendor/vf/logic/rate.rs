// SPDX-License-Identifier: GPL-2.0

//! The transmit rate limiter's factor (RTTBCNRC). Pure.

/// How many times slower than the link a queue sends: a number of 14 bits and a
/// fraction of 14 bits.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct RateFactor {
    /// Whole part, below 2^14.
    pub(crate) whole: u32,
    /// Fraction in units of 2^-14.
    pub(crate) fraction: u32,
}

impl RateFactor {
    /// For `limit` of `link`, both in Mbit/s. `None` if there is nothing to
    /// limit: no limit is set, the link is down, or it is not faster.
    pub(crate) fn new(limit: u16, link: u16) -> Option<Self> {
        let (limit, link) = (u32::from(limit), u32::from(link));
        if link <= limit {
            return None;
        }
        let rest = link.checked_rem(limit)?;
        let whole = link.checked_div(limit)?;
        (whole < 1 << 14).then_some(Self {
            whole,
            fraction: (rest << 14).checked_div(limit)?,
        })
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_rate))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn factors_are_link_over_limit() {
        let factor = |whole, fraction| Some(RateFactor { whole, fraction });
        assert_eq!(RateFactor::new(1, 1000), factor(1000, 0));
        assert_eq!(RateFactor::new(500, 1000), factor(2, 0));
        assert_eq!(RateFactor::new(400, 1000), factor(2, 1 << 13));
        assert_eq!(RateFactor::new(999, 1000), factor(1, 16));
        assert_eq!(RateFactor::new(3, 10), factor(3, 5461));
    }

    #[test]
    fn nothing_to_limit() {
        assert_eq!(RateFactor::new(0, 1000), None);
        assert_eq!(RateFactor::new(0, 0), None);
        assert_eq!(RateFactor::new(100, 0), None);
        assert_eq!(RateFactor::new(1000, 1000), None);
        assert_eq!(RateFactor::new(1000, 100), None);
        assert_eq!(RateFactor::new(1, u16::MAX), None);
    }
}
