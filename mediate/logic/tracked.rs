// SPDX-License-Identifier: GPL-2.0

//! The guest's pages that KVM tracks for a trap, and which of them are suspect. Pure.
//!
//! `trap/kvm.rs` says why a page is suspect at first, and what is done about it.

/// Most pages that are tracked at once. There is one for each page of a window, unless the
/// guest sees its device at several addresses.
const MOST: usize = 32;

/// After so many milliseconds it is looked what was stored to a suspect page past us. A look
/// that comes before KVM has mapped the page makes KVM begin anew, so each that finds nothing
/// is followed by a longer pause, up to `MOST_PAUSE_MS`.
const PAUSE_MS: u32 = 2;
const MOST_PAUSE_MS: u32 = 64;

/// So many looks must find that KVM has told us of stores before a page is not suspect any
/// more. One is not enough: an emulation that began when the page was nobody's may end when it
/// is ours, and be told of while KVM's note is still there.
const LOOKS: u32 = 3;

/// Where a page of the guest's is in the windows.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct At {
    /// Number of the window.
    pub(crate) window: usize,
    /// Its first byte in there.
    pub(crate) offset: u64,
}

/// A page of the guest's that is tracked.
#[derive(Clone, Copy)]
struct Page {
    gfn: u64,
    at: At,
    /// Whether KVM still tracks it.
    armed: bool,
    /// How many looks are left to see whether KVM has made it writable; none when it is known
    /// that it has not.
    looks: u32,
    /// Whether KVM has told us of a store since the last look.
    told: bool,
}

impl Page {
    fn is_suspect(&self) -> bool {
        self.looks > 0
    }
}

/// The pages of one trap.
pub(crate) struct Tracked {
    pages: [Option<Page>; MOST],
    pause_ms: u32,
}

impl Tracked {
    /// No pages.
    pub(crate) const fn new() -> Self {
        Self {
            pages: [None; MOST],
            pause_ms: PAUSE_MS,
        }
    }

    fn pages(&self) -> impl Iterator<Item = &Page> {
        self.pages.iter().flatten()
    }

    fn pages_mut(&mut self) -> impl Iterator<Item = &mut Page> {
        self.pages.iter_mut().flatten()
    }

    /// Whether the guest's page `gfn` is suspect; [`None`] if it is not among them.
    pub(crate) fn is_suspect(&self, gfn: u64) -> Option<bool> {
        let mut pages = self.pages();
        pages.find(|page| page.gfn == gfn).map(Page::is_suspect)
    }

    /// Whether any is.
    pub(crate) fn any_suspect(&self) -> bool {
        self.pages().any(Page::is_suspect)
    }

    /// Whether one that is at `at` is.
    pub(crate) fn is_suspect_at(&self, at: At) -> bool {
        self.pages().any(|page| page.is_suspect() && page.at == at)
    }

    /// Whether one more can be added.
    pub(crate) fn has_room(&self) -> bool {
        self.pages.iter().any(Option::is_none)
    }

    /// Adds `gfn`, which KVM tracks now, and which is suspect; `false` if there is no room.
    pub(crate) fn add(&mut self, gfn: u64, at: At) -> bool {
        let Some(place) = self.pages.iter_mut().find(|place| place.is_none()) else {
            return false;
        };
        *place = Some(Page {
            gfn,
            at,
            armed: true,
            looks: LOOKS,
            told: false,
        });
        true
    }

    /// Notes that KVM has told us of a store to `gfn`, and answers where that is.
    pub(crate) fn note(&mut self, gfn: u64) -> Option<At> {
        let page = self.pages_mut().find(|page| page.gfn == gfn)?;
        page.told = true;
        Some(page.at)
    }

    /// In how many milliseconds to look at suspect pages.
    pub(crate) fn pause_ms(&self) -> u32 {
        self.pause_ms
    }

    /// A look at suspect pages has ended; `found` says whether there was a store past us.
    pub(crate) fn end_look(&mut self, found: bool) {
        let mut is_mapped = found;
        for page in self.pages_mut().filter(|page| page.told) {
            page.looks = page.looks.saturating_sub(1);
            page.told = false;
            is_mapped = true;
        }
        self.pause_ms = if is_mapped {
            PAUSE_MS
        } else {
            self.pause_ms.saturating_mul(2).min(MOST_PAUSE_MS)
        };
    }

    /// The `count` pages of the guest's from `gfn` on are gone; whether any of them was here.
    pub(crate) fn remove(&mut self, gfn: u64, count: u64) -> bool {
        let mut removed = false;
        for place in &mut self.pages {
            let is_gone = |page: &mut Page| {
                let at = page.gfn.checked_sub(gfn);
                at.is_some_and(|at| at < count)
            };
            removed |= place.take_if(is_gone).is_some();
        }
        removed
    }

    /// Each page that KVM still tracks, which it shall do no longer.
    pub(crate) fn disarm(&mut self) -> impl Iterator<Item = u64> + '_ {
        self.pages_mut()
            .filter_map(|page| core::mem::take(&mut page.armed).then_some(page.gfn))
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_tracked))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const fn at(window: usize, offset: u64) -> At {
        At { window, offset }
    }

    #[test]
    fn a_page_is_suspect_until_stores_were_told_in_three_looks() {
        let mut tracked = Tracked::new();
        assert_eq!(tracked.is_suspect(7), None);
        assert!(!tracked.any_suspect());
        assert!(tracked.add(7, at(1, 0x1000)));
        for _ in 0..3 {
            assert_eq!(tracked.is_suspect(7), Some(true));
            assert!(tracked.is_suspect_at(at(1, 0x1000)));
            // Looks without a store decide nothing.
            tracked.end_look(false);
            assert_eq!(tracked.note(7), Some(at(1, 0x1000)));
            tracked.note(7);
            tracked.end_look(false);
        }
        assert_eq!(tracked.is_suspect(7), Some(false));
        assert!(!tracked.any_suspect());
        assert!(!tracked.is_suspect_at(at(1, 0x1000)));
        // And never again.
        tracked.note(7);
        tracked.end_look(true);
        assert_eq!(tracked.is_suspect(7), Some(false));
    }

    #[test]
    fn pauses_grow_while_looks_find_nothing() {
        let mut tracked = Tracked::new();
        assert!(tracked.add(7, at(0, 0)));
        for pause in [2, 4, 8, 16, 32, 64, 64] {
            assert_eq!(tracked.pause_ms(), pause);
            tracked.end_look(false);
        }
        tracked.end_look(true);
        assert_eq!(tracked.pause_ms(), 2);
        tracked.end_look(false);
        tracked.note(7);
        tracked.end_look(false);
        assert_eq!(tracked.pause_ms(), 2);
    }

    #[test]
    fn there_is_room_for_32_pages() {
        let mut tracked = Tracked::new();
        for gfn in 0..32 {
            assert!(tracked.has_room());
            assert!(tracked.add(gfn, at(0, 0)));
        }
        assert!(!tracked.has_room());
        assert!(!tracked.add(32, at(0, 0)));
        assert!(tracked.remove(5, 1));
        assert!(tracked.add(32, at(0, 0)));
    }

    #[test]
    fn pages_of_a_slot_that_goes_away_are_forgotten() {
        let mut tracked = Tracked::new();
        for gfn in [9, 10, 19, 20, u64::MAX] {
            assert!(tracked.add(gfn, at(0, gfn)));
        }
        assert!(!tracked.remove(0, 9));
        assert!(!tracked.remove(10, 0));
        assert!(tracked.remove(10, 10));
        let left = [9, 10, 19, 20, u64::MAX].map(|gfn| tracked.note(gfn).is_some());
        assert_eq!(left, [true, false, false, true, true]);
        assert!(tracked.remove(0, u64::MAX));
        assert_eq!(tracked.note(u64::MAX), Some(at(0, u64::MAX)));
    }

    #[test]
    fn each_page_is_disarmed_once_and_still_found() {
        let mut tracked = Tracked::new();
        assert!(tracked.add(3, at(0, 0)));
        assert!(tracked.add(4, at(0, 0x1000)));
        let sum: u64 = tracked.disarm().sum();
        assert_eq!(sum, 7);
        assert_eq!(tracked.disarm().count(), 0);
        assert_eq!(tracked.note(4), Some(at(0, 0x1000)));
    }
}
