// SPDX-License-Identifier: GPL-2.0

//! A datagram: run, number, hash, and bytes that follow from run and number.

use std::hash::{DefaultHasher, Hasher};

/// Run, number and hash, eight bytes each.
const HEAD: usize = 24;
/// Longest datagram that goes into one frame.
const LONGEST: usize = 1472;

/// A run's own numbers, so that what an earlier one left in memory is not taken for its own.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Run(pub u64);

/// What is wrong with bytes that came.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Wrong {
    /// Too short or too long for a datagram.
    Length,
    /// The hash is not that of the bytes.
    Changed,
    /// Another run's: what was in memory before.
    Old,
}

fn hash(number: u64, run: Run, filling: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write_u64(run.0);
    hasher.write_u64(number);
    hasher.write(filling);
    hasher.finish()
}

impl Run {
    /// The datagram of a number: of any length, so that it begins and ends anywhere in a page.
    pub fn build(self, number: u64) -> Vec<u8> {
        let mut state = (number ^ self.0).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state
        };
        let length = HEAD + (next() % (LONGEST - HEAD + 1) as u64) as usize;
        let mut filling = Vec::with_capacity(length);
        while filling.len() < length - HEAD {
            filling.extend(next().to_le_bytes());
        }
        filling.truncate(length - HEAD);
        let mut bytes = Vec::with_capacity(length);
        for word in [self.0, number, hash(number, self, &filling)] {
            bytes.extend(word.to_le_bytes());
        }
        bytes.extend(filling);
        bytes
    }

    /// The number of a datagram that is as it was sent.
    pub fn check(self, bytes: &[u8]) -> Result<u64, Wrong> {
        let (head, filling) = bytes
            .split_at_checked(HEAD)
            .filter(|_| bytes.len() <= LONGEST)
            .ok_or(Wrong::Length)?;
        let mut words = head
            .chunks_exact(8)
            .filter_map(|word| word.try_into().ok().map(u64::from_le_bytes));
        let (Some(run), Some(number), Some(sum)) = (words.next(), words.next(), words.next())
        else {
            return Err(Wrong::Length);
        };
        if sum != hash(number, Run(run), filling) {
            return Err(Wrong::Changed);
        }
        if Run(run) != self {
            return Err(Wrong::Old);
        }
        Ok(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_datagram_is_known_by_its_number_and_any_change_is_noticed() {
        for number in [0, 1, 77, u64::MAX] {
            let bytes = Run(5).build(number);
            assert_eq!(Run(5).check(&bytes), Ok(number));
            assert_eq!(Run(6).check(&bytes), Err(Wrong::Old));
            for at in 0..bytes.len() {
                let mut changed = bytes.clone();
                changed[at] ^= 1;
                assert_eq!(Run(5).check(&changed), Err(Wrong::Changed));
            }
            assert!(Run(5).check(&bytes[..bytes.len() - 1]).is_err());
        }
        assert_eq!(Run(5).check(&[0; HEAD - 1]), Err(Wrong::Length));
        assert_eq!(Run(5).check(&[0; LONGEST + 1]), Err(Wrong::Length));
        assert_eq!(Run(0).check(&[0; 100]), Err(Wrong::Changed));
    }

    #[test]
    fn lengths_differ_and_fit_into_a_frame() {
        let lengths: std::collections::BTreeSet<_> =
            (0..200).map(|number| Run(1).build(number).len()).collect();
        assert!(lengths.len() > 100 && *lengths.last().unwrap() <= LONGEST);
    }
}
