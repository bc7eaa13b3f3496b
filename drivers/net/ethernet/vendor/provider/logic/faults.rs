// SPDX-License-Identifier: GPL-2.0

//! What a build with `FAULTS=1` does wrong, to show that tests notice. Pure.

/// One page of so many is left out.
const EVERY: u32 = 10;
const PAGE: u64 = 4096;

/// Leaves out every tenth page of the buffers that a device was done with. Several buffers may
/// share a page, one after the other: a page stays left out until the next one is.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Pages since one was left out.
    count: u32,
    /// The last two pages that are different: a buffer may go over the end of one.
    recent: [Option<u64>; 2],
    /// The page that is left out.
    dropped: Option<u64>,
}

impl Faults {
    fn drops(&mut self, page: u64) -> bool {
        if self.dropped == Some(page) {
            return true;
        }
        if !self.recent.contains(&Some(page)) {
            let [latest, _] = self.recent;
            self.recent = [Some(page), latest];
            self.count += 1;
            if self.count == EVERY {
                self.count = 0;
                self.dropped = Some(page);
            }
        }
        self.dropped == Some(page)
    }

    /// The parts of `len` bytes at `address` that are told.
    pub(crate) fn told(
        &mut self,
        (address, len): (u64, u32),
    ) -> impl Iterator<Item = (u64, u32)> + '_ {
        let (mut at, mut left) = (address, len);
        core::iter::from_fn(move || {
            if left == 0 {
                return None;
            }
            // A page has room for as many.
            let room = u32::try_from(PAGE - at % PAGE).unwrap_or(left);
            let part = (at, left.min(room));
            at = at.wrapping_add(u64::from(part.1));
            left -= part.1;
            Some(part)
        })
        .filter(|(at, _)| !self.drops(at / PAGE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(faults: &mut Faults, address: u64, len: u32) -> Vec<(u64, u32)> {
        faults.told((address, len)).collect()
    }

    #[test]
    fn every_tenth_page_is_left_out() {
        let mut faults = Faults::default();
        let lost = (0..100u64)
            .filter(|page| told(&mut faults, page * PAGE, 100).is_empty())
            .count();
        assert_eq!(lost, 10);
    }

    #[test]
    fn a_page_of_several_buffers_is_left_out_as_a_whole() {
        let mut faults = Faults::default();
        let mut pages = std::collections::BTreeMap::new();
        // As page fragments come: downwards, and over the ends of pages.
        for buffer in (0..500u64).rev() {
            for (at, _) in told(&mut faults, buffer * 1920 + 64, 1500) {
                pages.insert(at / PAGE, ());
            }
        }
        let lost = (0..=500 * 1920 / PAGE)
            .filter(|page| !pages.contains_key(page))
            .count();
        assert!((18..=24).contains(&lost), "{lost}");
    }

    #[test]
    fn all_else_is_told() {
        let mut faults = Faults::default();
        assert_eq!(
            told(&mut faults, 0x1fff, 0x1002),
            [(0x1fff, 1), (0x2000, 0x1000), (0x3000, 1)]
        );
        assert_eq!(told(&mut faults, 0x5000, 0), []);
        assert_eq!(told(&mut faults, u64::MAX, 2), [(u64::MAX, 1), (0, 1)]);
    }
}
