// SPDX-License-Identifier: GPL-2.0

//! Holds reports against what was found in memory around them.
//!
//! Memory is looked at before and after each report. What is found before it was
//! written since the last report had ended, and must be in this one. What is found
//! after it may have been written before it or since, and must be in this one or in
//! the next.

use crate::dirty::Pages;

/// Counts over reports.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct Tally {
    /// Pages found changed, once for each time that memory was looked at.
    pub changed: u64,
    /// Pages reported, once for each report.
    pub reported: u64,
    /// Pages changed and not reported.
    pub missed: u64,
    /// Pages reported that the device had no reason to write to.
    pub stray: u64,
    /// Pages reported that did not change, strays among them.
    pub unwritten: u64,
}

impl Tally {
    /// Adds another's counts.
    pub fn add(&mut self, other: Self) {
        self.changed += other.changed;
        self.reported += other.reported;
        self.missed += other.missed;
        self.stray += other.stray;
        self.unwritten += other.unwritten;
    }

    /// The part of changed pages that was reported.
    pub fn recall(&self) -> f64 {
        part(self.missed, self.changed)
    }

    /// The part of reported pages that had changed.
    pub fn precision(&self) -> f64 {
        part(self.unwritten, self.reported)
    }
}

/// All but `bad` of `all`.
fn part(bad: u64, all: u64) -> f64 {
    if all == 0 {
        return 1.0;
    }
    1.0 - bad as f64 / all as f64
}

/// What is wrong with a report.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Verdict {
    /// Pages that should have been in it, or in the one before.
    pub missed: Pages,
    /// Pages that it should not have.
    pub stray: Pages,
    /// Pages in it that did not change.
    pub unwritten: Pages,
}

/// The reports of one log.
#[derive(Clone, Debug)]
pub struct Comparer {
    /// Found after the last report and not in it.
    owed: Pages,
    /// Found after the last report.
    recent: Pages,
    /// So far.
    pub tally: Tally,
}

impl Comparer {
    /// A log has started, and these changed meanwhile: they may be reported.
    pub fn new(during_start: Pages) -> Self {
        Self {
            owed: during_start.without(&during_start),
            recent: during_start,
            tally: Tally::default(),
        }
    }

    /// Takes a report, what was found before and after it, and which pages the
    /// device has had any reason to write to.
    pub fn report(
        &mut self,
        before: &Pages,
        reported: &Pages,
        after: &Pages,
        reasons: &Pages,
    ) -> Verdict {
        let written = self.recent.or(before).or(after);
        let verdict = Verdict {
            missed: self.owed.or(before).without(reported),
            stray: reported.without(reasons),
            unwritten: reported.without(&written),
        };
        self.owed = after.without(reported);
        self.recent = after.clone();
        self.tally.add(Tally {
            changed: before.len() + after.len(),
            reported: reported.len(),
            missed: verdict.missed.len(),
            stray: verdict.stray.len(),
            unwritten: verdict.unwritten.len(),
        });
        verdict
    }

    /// The log has ended; what is still owed is missed.
    pub fn finish(mut self) -> (Tally, Pages) {
        self.tally.missed += self.owed.len();
        (self.tally, self.owed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pages(numbers: &[u64]) -> Pages {
        let mut pages = Pages::none(100);
        numbers.iter().for_each(|&page| pages.insert(page));
        pages
    }

    fn all() -> Pages {
        pages(&(0..100).collect::<Vec<_>>())
    }

    fn fresh() -> Comparer {
        Comparer::new(pages(&[]))
    }

    #[test]
    fn a_right_report_is_right() {
        let mut comparer = fresh();
        let verdict = comparer.report(&pages(&[1, 2]), &pages(&[1, 2]), &pages(&[]), &all());
        assert!(verdict.missed.is_empty() && verdict.stray.is_empty());
        assert!(verdict.unwritten.is_empty());
        let (tally, owed) = comparer.finish();
        assert_eq!((tally.changed, tally.reported, tally.missed), (2, 2, 0));
        assert_eq!((tally.recall(), tally.precision()), (1.0, 1.0));
        assert!(owed.is_empty());
    }

    #[test]
    fn a_missed_page_is_found() {
        let mut comparer = fresh();
        let verdict = comparer.report(&pages(&[1, 2]), &pages(&[1]), &pages(&[]), &all());
        assert_eq!(verdict.missed, pages(&[2]));
        // The next report does not make it good.
        let verdict = comparer.report(&pages(&[]), &pages(&[2]), &pages(&[]), &all());
        assert!(verdict.missed.is_empty());
        let (tally, _) = comparer.finish();
        assert_eq!((tally.missed, tally.recall()), (1, 0.5));
        assert_eq!(tally.unwritten, 1);
    }

    #[test]
    fn a_page_written_around_a_report_may_be_in_this_one_or_the_next() {
        for (first, second) in [(&[5][..], &[][..]), (&[], &[5]), (&[5], &[5])] {
            let mut comparer = fresh();
            for (reported, after) in [(first, &[5][..]), (second, &[])] {
                let verdict = comparer.report(&pages(&[]), &pages(reported), &pages(after), &all());
                assert!(verdict.missed.is_empty() && verdict.unwritten.is_empty());
            }
            assert_eq!(comparer.finish().0.missed, 0);
        }
        let mut comparer = fresh();
        comparer.report(&pages(&[]), &pages(&[]), &pages(&[5]), &all());
        let verdict = comparer.report(&pages(&[]), &pages(&[]), &pages(&[]), &all());
        assert_eq!(verdict.missed, pages(&[5]));
        assert_eq!(comparer.finish().0.missed, 1);
    }

    #[test]
    fn what_is_owed_at_the_end_is_missed() {
        let mut comparer = fresh();
        comparer.report(&pages(&[]), &pages(&[]), &pages(&[7]), &all());
        let (tally, owed) = comparer.finish();
        assert_eq!((tally.missed, owed), (1, pages(&[7])));
    }

    #[test]
    fn a_stray_page_is_found() {
        let mut comparer = fresh();
        let verdict = comparer.report(
            &pages(&[1]),
            &pages(&[1, 8, 9]),
            &pages(&[]),
            &pages(&[1, 8]),
        );
        assert_eq!(verdict.stray, pages(&[9]));
        assert_eq!(verdict.unwritten, pages(&[8, 9]));
        let (tally, _) = comparer.finish();
        assert_eq!((tally.stray, tally.unwritten), (1, 2));
        assert!(tally.precision() < 0.34);
    }

    #[test]
    fn what_changes_while_a_log_starts_may_be_reported_and_need_not() {
        for reported in [&[3][..], &[]] {
            let mut comparer = Comparer::new(pages(&[3]));
            let verdict = comparer.report(&pages(&[]), &pages(reported), &pages(&[]), &all());
            assert!(verdict.missed.is_empty() && verdict.unwritten.is_empty());
            assert_eq!(comparer.finish().0.missed, 0);
        }
    }
}
