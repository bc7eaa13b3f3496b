// SPDX-License-Identifier: GPL-2.0

//! Finite tables of the hardware whose entries name the pools they serve: the
//! receive addresses and the VLAN pool filters. Pure.

/// An entry: `key` is served to the pools in `pools`, a bit each. Free if no
/// pool is.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Slot<K> {
    /// What is matched.
    pub(crate) key: K,
    /// Pools, bit n for pool n.
    pub(crate) pools: u8,
}

/// A table of `N` entries; entry 0 is given out by [`Slots::pin`] alone.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Slots<K, const N: usize>(pub(crate) [Slot<K>; N]);

/// An entry did not fit.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct TableFull;

impl<K: Copy + PartialEq, const N: usize> Slots<K, N> {
    /// A table without entries; `filler` is never matched.
    pub(crate) const fn empty(filler: K) -> Self {
        Self(
            [Slot {
                key: filler,
                pools: 0,
            }; N],
        )
    }

    fn find(&self, key: K) -> Option<usize> {
        self.0
            .iter()
            .position(|slot| slot.pools != 0 && slot.key == key)
    }

    /// Puts `key` into entry 0.
    pub(crate) fn pin(&mut self, key: K, pools: u8) {
        if let Some(slot) = self.0.first_mut() {
            *slot = Slot { key, pools };
        }
    }

    /// Adds `pools` to the entry of `key`, a new one if there is none: the entry
    /// it has in `previous` where that is free, so that entries in use do not move.
    ///
    /// Those of `previous` are to be added before any new ones, or a new one may
    /// take their place.
    pub(crate) fn add(&mut self, key: K, pools: u8, previous: &Self) -> Result<(), TableFull> {
        let free = |slot: &Slot<K>| slot.pools == 0;
        let place = self.find(key).or_else(|| {
            let before = previous
                .find(key)
                .filter(|&at| at != 0 && self.0.get(at).is_some_and(free));
            before.or_else(|| self.0.iter().skip(1).position(free).map(|at| at + 1))
        });
        let slot = place.and_then(|at| self.0.get_mut(at)).ok_or(TableFull)?;
        slot.key = key;
        slot.pools |= pools;
        Ok(())
    }

    /// Whether `key` has an entry.
    pub(crate) fn holds(&self, key: K) -> bool {
        self.find(key).is_some()
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_slots))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn entries_in_use_do_not_move() {
        let none = Slots::<u16, 4>::empty(0);
        let mut first = none;
        first.pin(9, 1);
        for (key, pools) in [(10, 1), (11, 2), (12, 4)] {
            assert_eq!(first.add(key, pools, &none), Ok(()));
        }
        assert_eq!(first.add(13, 1, &none), Err(TableFull));
        let mut second = none;
        second.pin(9, 1);
        assert_eq!(second.add(12, 4, &first), Ok(()));
        assert_eq!(second.add(13, 1, &first), Ok(()));
        assert_eq!(second.0[3], first.0[3]);
        assert_eq!(second.0[1], Slot { key: 13, pools: 1 });
        assert!(!second.holds(11));
    }

    #[test]
    fn pools_share_an_entry() {
        let none = Slots::<u16, 3>::empty(0);
        let mut table = none;
        table.pin(5, 1);
        assert_eq!(table.add(5, 2, &none), Ok(()));
        assert_eq!(table.0[0], Slot { key: 5, pools: 3 });
        assert_eq!(table.0[1].pools, 0);
    }
}
