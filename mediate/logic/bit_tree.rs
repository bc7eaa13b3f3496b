// SPDX-License-Identifier: GPL-2.0

//! Many bits of which few are set: each operation costs the height of a tree, whatever the
//! number of bits. Pure; memory is the caller's.
//!
//! Above the bits lie levels of summaries: a bit of one tells whether a word of the level
//! below has any. So there are a 63rd more bits than asked for, and a bit that is set is
//! found past any number of bits that are not.

use core::ops::DerefMut;

/// Bits of a word.
const WORD: usize = 64;

/// Most levels that 2^64 bits need.
const MAX_LEVELS: usize = 11;

/// Words of the level above a level of `len` bits.
const fn words(len: usize) -> usize {
    len.div_ceil(WORD)
}

/// Bits, kept in `W`.
pub(crate) struct BitTree<W> {
    words: W,
    /// Where each level begins, the bits themselves first, and behind the last one its end.
    starts: [usize; MAX_LEVELS + 1],
    height: usize,
}

/// How many words `bits` bits take with all summaries; `None` if that is beyond all memory.
pub(crate) fn words_for(bits: u64) -> Option<usize> {
    let mut len = usize::try_from(bits).ok()?;
    let mut total = 0_usize;
    loop {
        len = words(len);
        total = total.checked_add(len)?;
        if len <= 1 {
            return Some(total);
        }
    }
}

impl<W: DerefMut<Target = [u64]>> BitTree<W> {
    /// `bits` bits in memory that is all zeroes; `None` unless it has as many words as
    /// [`words_for`] says.
    pub(crate) fn new(words_of: W, bits: u64) -> Option<Self> {
        if words_for(bits) != Some(words_of.len()) {
            return None;
        }
        let mut starts = [0; MAX_LEVELS + 1];
        let mut len = usize::try_from(bits).ok()?;
        let mut height = 0;
        loop {
            len = words(len);
            let start = *starts.get(height)?;
            height += 1;
            *starts.get_mut(height)? = start + len;
            if len <= 1 {
                return Some(Self {
                    words: words_of,
                    starts,
                    height,
                });
            }
        }
    }

    /// Where word `index` of `level` is.
    fn place(&self, level: usize, index: usize) -> Option<usize> {
        let place = self.starts.get(level)?.checked_add(index)?;
        (place < *self.starts.get(level + 1)?).then_some(place)
    }

    fn word(&self, level: usize, index: usize) -> Option<u64> {
        self.words.get(self.place(level, index)?).copied()
    }

    fn word_mut(&mut self, level: usize, index: usize) -> Option<&mut u64> {
        let place = self.place(level, index)?;
        self.words.get_mut(place)
    }

    /// Sets a bit; whether it was not set. Bits that there are not stay unset.
    pub(crate) fn set(&mut self, bit: u64) -> bool {
        let Ok(mut index) = usize::try_from(bit) else {
            return false;
        };
        for level in 0..self.height {
            let mask = 1 << (index % WORD);
            let Some(word) = self.word_mut(level, index / WORD) else {
                return false;
            };
            let before = *word;
            *word |= mask;
            if level == 0 && before & mask != 0 {
                return false;
            }
            if before != 0 {
                break;
            }
            index /= WORD;
        }
        true
    }

    /// Clears a bit.
    pub(crate) fn clear(&mut self, bit: u64) {
        let Ok(mut index) = usize::try_from(bit) else {
            return;
        };
        for level in 0..self.height {
            let Some(word) = self.word_mut(level, index / WORD) else {
                return;
            };
            *word &= !(1 << (index % WORD));
            if *word != 0 {
                return;
            }
            index /= WORD;
        }
    }

    /// The first bit that is set, from `from` on.
    pub(crate) fn next(&self, from: u64) -> Option<u64> {
        let mut index = usize::try_from(from).ok()?;
        for level in 0..self.height {
            let at = index / WORD;
            let rest = self.word(level, at)? & (u64::MAX << (index % WORD));
            if rest != 0 {
                return self.lowest(level, at * WORD + first_of(rest));
            }
            index = at + 1;
        }
        None
    }

    /// The first bit that is set below bit `index` of `level`, which is set.
    fn lowest(&self, level: usize, mut index: usize) -> Option<u64> {
        for below in (0..level).rev() {
            index = index * WORD + first_of(self.word(below, index)?);
        }
        u64::try_from(index).ok()
    }
}

/// The lowest bit of a word that is not 0.
fn first_of(word: u64) -> usize {
    usize::try_from(word.trailing_zeros()).unwrap_or(0)
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_bit_tree))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const BITS: u64 = 64 * 64 + 65;
    const WORDS: usize = 66 + 2 + 1;

    /// The memory is of the wrong size.
    #[derive(Debug)]
    struct NoTree;

    #[test]
    fn summaries_take_a_63rd() {
        assert_eq!(words_for(0), Some(0));
        assert_eq!(words_for(1), Some(1));
        assert_eq!(words_for(64), Some(1));
        assert_eq!(words_for(65), Some(2 + 1));
        assert_eq!(words_for(BITS), Some(WORDS));
        let bits = 1 << 40;
        let all = words_for(bits).map(|words| words * 64);
        assert!(all.is_some_and(|all| all < (1 << 40) / 63 * 64 + 64 * 64));
        assert!(words_for(u64::MAX).is_some_and(|words| words > 1 << 58));
    }

    #[test]
    fn memory_must_be_of_the_right_size() {
        let mut words = [0; WORDS + 1];
        assert!(BitTree::new(&mut words[..], BITS).is_none());
        assert!(BitTree::new(&mut words[..WORDS], BITS).is_some());
        assert!(BitTree::new(&mut words[..0], 0).is_some_and(|tree| tree.next(0).is_none()));
    }

    #[test]
    fn bits_are_found_in_order_and_gone_when_cleared() -> Result<(), NoTree> {
        let mut words = [0; WORDS];
        let mut tree = BitTree::new(&mut words[..], BITS).ok_or(NoTree)?;
        assert_eq!(tree.next(0), None);
        for bit in [BITS - 1, 0, 63, 64, 4095, 4096] {
            assert!(tree.set(bit));
            assert!(!tree.set(bit));
        }
        assert!(!tree.set(u64::MAX) && !tree.set(64 * 66));
        let mut from = 0;
        for bit in [0, 63, 64, 4095, 4096, BITS - 1] {
            assert_eq!(tree.next(from), Some(bit));
            from = bit + 1;
        }
        assert_eq!(tree.next(from), None);
        for bit in [0, 63, 64, 4095, 4096, BITS - 1, u64::MAX] {
            tree.clear(bit);
        }
        assert_eq!(tree.next(0), None);
        assert!(words.iter().all(|&word| word == 0));
        Ok(())
    }
}
