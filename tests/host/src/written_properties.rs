// SPDX-License-Identifier: GPL-2.0

//! The log of written pages against sets of numbers.

use crate::{
    bit_tree::{words_for, BitTree},
    written::{arrange, Extent, Granule, LogFault, Place, Written},
};
use proptest::prelude::*;
use std::collections::BTreeSet;

const PAGE: u64 = 4096;

/// Ranges that ascend, of whole pages of `1 << shift` bytes.
fn ranges(shift: u32) -> impl Strategy<Value = Vec<Extent>> {
    prop::collection::vec((0u64..40, 1u64..200), 1..6).prop_map(move |gaps| {
        let mut at = 0;
        gaps.into_iter()
            .map(|(gap, pages)| {
                let first = at + (gap << shift);
                at = first + (pages << shift);
                Extent {
                    first,
                    last: at - 1,
                }
            })
            .collect()
    })
}

fn log(ranges: &[Extent], page: u64) -> Result<Written<Vec<Place>, Vec<u64>>, LogFault> {
    let granule = Granule::new(page)?;
    let mut places = Vec::new();
    let bits = arrange(ranges.iter().copied(), granule, |place| {
        places.push(place);
        Ok::<_, LogFault>(())
    })?;
    let words = vec![0; words_for(bits).unwrap()];
    Ok(Written::new(granule, places, words).unwrap())
}

/// All that `take` gives of `extent`, so many runs at a time.
fn all(written: &mut Written<Vec<Place>, Vec<u64>>, extent: Extent, at_once: usize) -> Vec<Extent> {
    let mut found = Vec::new();
    let mut rest = Some(extent);
    while let Some(extent) = rest {
        let mut runs = vec![Extent::default(); at_once];
        let count = written.take(extent, &mut runs);
        found.extend_from_slice(&runs[..count]);
        rest = (count == at_once)
            .then(|| runs[count - 1].last + 1)
            .filter(|&first| first <= extent.last)
            .map(|first| Extent { first, ..extent });
    }
    found
}

fn pages(extent: &Extent, page: u64) -> std::ops::RangeInclusive<u64> {
    extent.first / page..=extent.last / page
}

proptest! {
    /// A tree of bits is a set of numbers.
    #[test]
    fn a_bit_tree_is_a_set(
        bits in 1u64..300_000,
        steps in prop::collection::vec((any::<bool>(), 0u64..300_000), 1..200),
        asked in prop::collection::vec(0u64..300_000, 20),
    ) {
        let mut words = vec![0; words_for(bits).unwrap()];
        let mut tree = BitTree::new(&mut words[..], bits).unwrap();
        let mut set = BTreeSet::new();
        for (add, bit) in steps {
            let bit = bit % bits;
            if add {
                prop_assert_eq!(tree.set(bit), set.insert(bit));
            } else {
                tree.clear(bit);
                set.remove(&bit);
            }
        }
        for from in asked {
            prop_assert_eq!(tree.next(from), set.range(from..).next().copied());
        }
        for bit in set {
            tree.clear(bit);
        }
        prop_assert!(words.iter().all(|&word| word == 0));
    }

    /// Numbers that there are not neither disturb nor panic.
    #[test]
    fn a_bit_tree_stands_any_number(bits in 1u64..5000, bit in any::<u64>()) {
        let mut words = vec![0; words_for(bits).unwrap()];
        let mut tree = BitTree::new(&mut words[..], bits).unwrap();
        let there = bit < bits.next_multiple_of(64);
        prop_assert_eq!(tree.set(bit), there);
        prop_assert_eq!(tree.next(bit), there.then_some(bit));
        tree.clear(bit);
        prop_assert_eq!(tree.next(0), None);
    }

    /// Each page that was written is told once, in order, and no other.
    #[test]
    fn a_log_tells_what_was_written_once(
        (shift, ranges) in (12u32..22).prop_flat_map(|shift| (Just(shift), ranges(shift))),
        writes in prop::collection::vec((any::<prop::sample::Index>(), 0u64..1 << 24, 1u64..70_000), 0..60),
        at_once in 1usize..9,
    ) {
        let page = 1 << shift;
        let mut written = log(&ranges, page).unwrap();
        let logged: BTreeSet<_> = ranges.iter().flat_map(|range| pages(range, page)).collect();
        let mut expected = BTreeSet::new();
        for (range, offset, len) in writes {
            let Extent { first, last } = *range.get(&ranges);
            // Mostly inside, also over both ends.
            let start = (first + offset % (2 * (last - first + 1))).saturating_sub(page);
            let extent = Extent::of(start, len).unwrap();
            let before = expected.len();
            expected.extend(pages(&extent, page).filter(|page| logged.contains(page)));
            prop_assert_eq!(written.insert(extent), (expected.len() - before) as u64);
        }
        let mut told = BTreeSet::new();
        for range in &ranges {
            prop_assert!(written.covers(*range));
            let mut end = None;
            for run in all(&mut written, *range, at_once) {
                prop_assert!(run.first >= range.first && run.last <= range.last);
                prop_assert!(run.first % page == 0 && (run.last + 1) % page == 0);
                prop_assert!(end.is_none_or(|end| run.first > end));
                end = Some(run.last);
                for number in pages(&run, page) {
                    prop_assert!(told.insert(number));
                }
            }
            prop_assert!(all(&mut written, *range, at_once).is_empty());
        }
        prop_assert_eq!(told, expected);
    }

    /// However a range is cut up when it is asked for, nothing of it is lost.
    #[test]
    fn nothing_is_lost_between_reports(
        shift in 12u32..18,
        writes in prop::collection::vec(0u64..64, 1..20),
        cuts in prop::collection::btree_set(1u64..64 << 5, 0..10),
    ) {
        let page = 1 << shift;
        let range = Extent { first: 0, last: 64 * page - 1 };
        let mut written = log(&[range], page).unwrap();
        for &number in &writes {
            written.insert(Extent { first: number * page, last: number * page });
        }
        let mut told = BTreeSet::new();
        let mut first = 0;
        for cut in cuts.into_iter().map(|cut| cut * (page >> 5)).chain([64 * page]) {
            for run in all(&mut written, Extent { first, last: cut - 1 }, 3) {
                prop_assert!(run.first >= first && run.last < cut);
                told.extend(run.first / (page >> 5)..=run.last / (page >> 5));
            }
            first = cut;
        }
        let expected: BTreeSet<_> =
            writes.iter().flat_map(|number| number << 5..(number + 1) << 5).collect();
        prop_assert_eq!(told, expected);
    }

    /// Any ranges are refused or logged, without overflow, in the memory they need.
    #[test]
    fn any_ranges_are_refused_or_arranged(
        ends in prop::collection::vec((any::<u64>(), any::<u64>()), 0..8),
        tidy in any::<bool>(),
        shift in 0u32..64,
    ) {
        let mut ranges: Vec<_> = ends
            .iter()
            .map(|&(a, b)| Extent { first: a.min(b), last: a.max(b) })
            .collect();
        if tidy {
            ranges.sort_by_key(|range| range.first);
        }
        let granule = Granule::new(1 << shift).unwrap();
        prop_assert_eq!(granule.bytes(), (1 << shift).max(PAGE));
        let mut pieces = 0;
        let answer = arrange(ranges.iter().copied(), granule, |_| {
            pieces += 1;
            Ok::<_, LogFault>(())
        });
        let ordered = ranges.is_sorted_by(|a, b| a.last < b.first);
        match answer {
            Ok(bits) => {
                prop_assert!(ordered && pieces <= ranges.len());
                let most: u128 = ranges
                    .iter()
                    .map(|range| u128::from(range.last / granule.bytes() - range.first / granule.bytes()) + 1)
                    .sum();
                prop_assert!(u128::from(bits) <= most);
            }
            Err(fault) => prop_assert!(!ordered && fault == LogFault::Order),
        }
    }
}
