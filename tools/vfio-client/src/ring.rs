// SPDX-License-Identifier: GPL-2.0

//! Arithmetic on indices of descriptor rings.

/// A ring's size; indices are below it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Ring(pub u32);

impl Ring {
    /// The index `by` places on.
    pub fn advance(self, index: u32, by: u32) -> u32 {
        (index % self.0 + by % self.0) % self.0
    }

    /// How many places lie from `from` to `to`, going up.
    pub fn distance(self, from: u32, to: u32) -> u32 {
        (to % self.0 + self.0 - from % self.0) % self.0
    }

    /// Descriptors that may be added if `head` is the next to be consumed and
    /// `tail` the next to be filled: one place stays empty.
    pub fn room(self, head: u32, tail: u32) -> u32 {
        self.0 - 1 - self.distance(head, tail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indices_go_round() {
        let ring = Ring(8);
        assert_eq!(ring.advance(7, 1), 0);
        assert_eq!(ring.advance(5, 19), 0);
        assert_eq!(ring.distance(6, 1), 3);
        assert_eq!(ring.distance(3, 3), 0);
    }

    #[test]
    fn one_place_stays_empty() {
        let ring = Ring(8);
        for head in 0..8 {
            assert_eq!(ring.room(head, head), 7);
            assert_eq!(ring.room(head, ring.advance(head, 7)), 0);
            for used in 0..8 {
                assert_eq!(ring.room(head, ring.advance(head, used)) + used, 7);
            }
        }
    }
}
