// SPDX-License-Identifier: GPL-2.0

//! Sharing a finite table among VFs that do not trust one another. Pure.

/// Whether `who` may take one more of `capacity` entries, given how many each
/// holds.
///
/// Each has an equal share that nobody else can take away. Beyond it entries are
/// given as they come, as long as everybody's share stays available.
pub(crate) fn admits(capacity: usize, held: &[usize], who: usize) -> bool {
    let Some(&own) = held.get(who) else {
        return false;
    };
    let share = capacity / held.len();
    if own < share {
        return true;
    }
    // Taken, or promised to those below their share.
    let spoken_for = held
        .iter()
        .enumerate()
        .map(|(other, &count)| {
            if other == who {
                count
            } else {
                count.max(share)
            }
        })
        .fold(0, usize::saturating_add);
    spoken_for < capacity
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_share))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn the_greedy_cannot_starve_the_others() {
        let mut held = [0usize; 7];
        for _ in 0..100 {
            if admits(24, &held, 0) {
                held[0] += 1;
            }
        }
        assert_eq!(held[0], 6);
        for who in 1..7 {
            for _ in 0..3 {
                assert!(admits(24, &held, who));
                held[who] += 1;
            }
        }
        assert_eq!(held.iter().sum::<usize>(), 24);
        for who in 0..7 {
            assert!(!admits(24, &held, who));
        }
    }

    #[test]
    fn alone_it_takes_all() {
        let mut held = [0usize];
        while admits(30, &held, 0) {
            held[0] += 1;
        }
        assert_eq!(held[0], 30);
        assert!(!admits(30, &held, 1));
        assert!(!admits(0, &[0, 0], 0));
    }
}
