// SPDX-License-Identifier: GPL-2.0

//! How much of the PF's time one VF may take. Pure: the time is handed in.

/// Requests that may come at once: more than any VF driver sends when it starts.
const BURST: u64 = 128;

/// Nanoseconds after which one further request is allowed.
pub(crate) const REFILL_NS: u64 = 1_000_000;

/// A token bucket of [`BURST`] requests, refilled at one per [`REFILL_NS`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Bucket {
    /// The time at which the bucket is full, in nanoseconds: each request puts
    /// it off by [`REFILL_NS`].
    full_at: u64,
}

impl Bucket {
    /// A full bucket.
    pub(crate) const fn full() -> Self {
        Self { full_at: 0 }
    }

    /// Takes one request at `now` nanoseconds of a monotonic clock, or answers
    /// how many nanoseconds to wait.
    pub(crate) fn take(&mut self, now: u64) -> Result<(), u64> {
        let after = self.full_at.max(now).saturating_add(REFILL_NS);
        let limit = now.saturating_add(BURST * REFILL_NS);
        if after > limit {
            return Err(after - limit);
        }
        self.full_at = after;
        Ok(())
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_bucket))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_then_one_per_interval() {
        let mut bucket = Bucket::full();
        let mut now = 5_000_000_000;
        for _ in 0..BURST {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert_eq!(bucket.take(now), Err(REFILL_NS));
        now += REFILL_NS / 2;
        assert_eq!(bucket.take(now), Err(REFILL_NS - REFILL_NS / 2));
        now += REFILL_NS / 2;
        assert_eq!(bucket.take(now), Ok(()));
        assert_eq!(bucket.take(now), Err(REFILL_NS));
    }

    #[test]
    fn a_pause_fills_it_no_higher_than_full() {
        let mut bucket = Bucket::full();
        assert_eq!(bucket.take(0), Ok(()));
        let now = 1_000 * BURST * REFILL_NS;
        for _ in 0..BURST {
            assert_eq!(bucket.take(now), Ok(()));
        }
        assert!(bucket.take(now).is_err());
    }

    #[test]
    fn any_clock_value_is_fine() {
        let mut bucket = Bucket::full();
        assert_eq!(bucket.take(u64::MAX), Ok(()));
        let _ = bucket.take(0);
        assert_eq!(bucket.take(u64::MAX), Ok(()));
    }
}
