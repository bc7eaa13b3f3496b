// SPDX-License-Identifier: GPL-2.0

//! A short list of bounded length without allocation. Pure.

/// Up to `N` items, in the order in which they were added.
#[derive(Clone, Copy, Debug)]
pub(crate) struct List<T, const N: usize> {
    items: [T; N],
    len: usize,
}

/// No place is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Full;

impl<T: Copy + PartialEq, const N: usize> List<T, N> {
    /// A list without items; `filler` is never seen.
    pub(crate) const fn filled_with(filler: T) -> Self {
        Self {
            items: [filler; N],
            len: 0,
        }
    }

    /// The items.
    pub(crate) fn as_slice(&self) -> &[T] {
        self.items.get(..self.len).unwrap_or(&[])
    }

    /// Number of items.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub(crate) fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `item` is among them.
    pub(crate) fn contains(&self, item: T) -> bool {
        self.as_slice().contains(&item)
    }

    /// Adds `item` at the end.
    pub(crate) fn push(&mut self, item: T) -> Result<(), Full> {
        let place = self.items.get_mut(self.len).ok_or(Full)?;
        *place = item;
        self.len += 1;
        Ok(())
    }

    /// Takes `item` out, wherever it is; the others keep their order. Answers
    /// whether it was there.
    pub(crate) fn remove(&mut self, item: T) -> bool {
        let Some(at) = self.as_slice().iter().position(|&other| other == item) else {
            return false;
        };
        self.items.copy_within(at + 1..self.len, at);
        self.len -= 1;
        true
    }

    /// Takes all items out.
    pub(crate) fn clear(&mut self) {
        self.len = 0;
    }
}

impl<T: Copy + PartialEq, const N: usize> PartialEq for List<T, N> {
    fn eq(&self, other: &Self) -> bool {
        self.as_slice() == other.as_slice()
    }
}

impl<T: Copy + Eq, const N: usize> Eq for List<T, N> {}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_list))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn keeps_order_and_bound() {
        let mut list = List::<u16, 3>::filled_with(0);
        assert!(list.is_empty());
        for item in [7, 8, 9] {
            assert_eq!(list.push(item), Ok(()));
        }
        assert_eq!(list.push(10), Err(Full));
        assert!(list.remove(8));
        assert!(!list.remove(8));
        assert_eq!(list.as_slice(), &[7, 9]);
        assert_eq!(list.push(10), Ok(()));
        assert_eq!(list.as_slice(), &[7, 9, 10]);
        assert!(list.contains(10));
        assert!(!list.contains(8));
        list.clear();
        assert_eq!(list.len(), 0);
    }

    #[test]
    fn what_was_removed_does_not_count_in_comparisons() {
        let mut one = List::<u16, 2>::filled_with(0);
        let other = one;
        assert_eq!(one.push(5), Ok(()));
        assert!(one != other);
        assert!(one.remove(5));
        assert!(one == other);
    }
}
