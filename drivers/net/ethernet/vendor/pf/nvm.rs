// SPDX-License-Identifier: GPL-2.0

//! What the words of the NVM say of the device (datasheet 6). Pure.

use core::fmt;
use kernel::prelude::*;

/// How many words a checksum covers, itself included, and what they add up to (6.4.8).
const SUMMED: u16 = 0x40;
const SUM: u16 = 0xbaba;

/// Whether the checksum of the words that `word` reads is right.
pub(crate) fn is_whole(mut word: impl FnMut(u16) -> Result<u16>) -> bool {
    let sum = (0..SUMMED).try_fold(0_u16, |sum, at| Ok::<_, Error>(sum.wrapping_add(word(at)?)));
    matches!(sum, Ok(SUM))
}

/// Where the version of the image is, and the number that tools give it.
const VERSION: u16 = 0x05;
const ETRACK_LOW: u16 = 0x42;
const ETRACK_HIGH: u16 = 0x43;
/// What the upper word of such a number begins with.
const ETRACK_MASK: u16 = 0xf000;
const ETRACK_VALID: u16 = 0x8000;

/// Version of the NVM's image, as igb shows it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Version {
    major: u16,
    minor: u16,
    build: u16,
    /// The image's number, if it has one.
    pub(crate) etrack: Option<u32>,
}

impl Version {
    /// What the words that `word` reads say. Errors: those of `word`.
    pub(crate) fn find(mut word: impl FnMut(u16) -> Result<u16>) -> Result<Self> {
        let high = word(ETRACK_HIGH)?;
        let version = word(VERSION)?;
        let major = version >> 12;
        if high & ETRACK_MASK != ETRACK_VALID {
            return Ok(Self {
                major,
                minor: (version >> 4) & 0xff,
                build: version & 0xf,
                etrack: None,
            });
        }
        // Images with a number have the minor version in decimal, in one of two places.
        let minor = if version & 0x0f00 == 0 {
            version & 0xff
        } else {
            (version >> 4) & 0xff
        };
        Ok(Self {
            major,
            minor: minor / 16 * 10 + minor % 16,
            build: 0,
            etrack: Some((u32::from(high) << 16) | u32::from(word(ETRACK_LOW)?)),
        })
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.etrack {
            Some(etrack) => write!(f, "{}.{}, {etrack:#010x}", self.major, self.minor),
            None => write!(f, "{}.{}.{}", self.major, self.minor, self.build),
        }
    }
}

/// Where the board's number is, or that it is elsewhere, and where then.
const PBA: u16 = 0x08;
const PBA_POINTER: u16 = 0x09;
const PBA_ELSEWHERE: u16 = 0xfafa;

/// Most characters of a board's number, and of its words.
const BOARD_BYTES: usize = 22;
const BOARD_WORDS: u16 = 11;

/// The number of the board, the "PBA number".
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Board {
    /// Of digits alone.
    Digits(u16, u16),
    /// Of any characters, the rest zero.
    Text([u8; BOARD_BYTES]),
}

impl Board {
    /// What the words that `word` reads say. Errors: `EINVAL` for a number of impossible
    /// length, those of `word`.
    pub(crate) fn find(mut word: impl FnMut(u16) -> Result<u16>) -> Result<Self> {
        let (first, second) = (word(PBA)?, word(PBA_POINTER)?);
        if first != PBA_ELSEWHERE {
            return Ok(Self::Digits(first, second));
        }
        // The length counts its own word.
        let words = word(second)?.wrapping_sub(1);
        if !(1..=BOARD_WORDS).contains(&words) {
            return Err(EINVAL);
        }
        let mut text = [0; BOARD_BYTES];
        for (to, at) in text.chunks_exact_mut(2).zip(1..=words) {
            to.copy_from_slice(&word(second.wrapping_add(at))?.to_be_bytes());
        }
        Ok(Self::Text(text))
    }
}

impl fmt::Display for Board {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Digits(first, second) => {
                let [before, after] = second.to_be_bytes();
                f.write_fmt(format_args!("{first:04X}{before:02X}-0{after:02X}"))
            }
            Self::Text(text) => text
                .iter()
                .take_while(|byte| byte.is_ascii_graphic() || **byte == b' ')
                .try_for_each(|byte| fmt::Write::write_char(f, char::from(*byte))),
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_nvm))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    /// An NVM with these words, and all others erased.
    fn nvm(words: &[(u16, u16)]) -> impl FnMut(u16) -> Result<u16> + '_ {
        move |at| {
            let found = words.iter().find(|(address, _)| *address == at);
            Ok(found.map_or(u16::MAX, |(_, word)| *word))
        }
    }

    /// What something is shown as.
    struct Shown([u8; 64], usize);

    impl fmt::Write for Shown {
        fn write_str(&mut self, text: &str) -> fmt::Result {
            for byte in text.bytes() {
                *self.0.get_mut(self.1).ok_or(fmt::Error)? = byte;
                self.1 += 1;
            }
            Ok(())
        }
    }

    fn shows(value: impl fmt::Display, text: &str) -> bool {
        let mut shown = Shown([0; 64], 0);
        fmt::Write::write_fmt(&mut shown, format_args!("{value}")).is_ok()
            && &shown.0[..shown.1] == text.as_bytes()
    }

    #[test]
    fn a_version_without_a_number() {
        let version = Version::find(nvm(&[(VERSION, 0x2010)])).unwrap();
        assert!(shows(version, "2.1.0"));
        let version = Version::find(nvm(&[(VERSION, 0x1a3f), (ETRACK_HIGH, 0x0001)])).unwrap();
        assert!(shows(version, "1.163.15"));
    }

    #[test]
    fn a_version_with_a_number() {
        let high = (ETRACK_HIGH, 0x8000);
        let version = Version::find(nvm(&[(VERSION, 0x1610), high, (ETRACK_LOW, 0x02b4)])).unwrap();
        assert_eq!(version.etrack, Some(0x8000_02b4));
        assert!(shows(version, "1.61, 0x800002b4"));
        let version = Version::find(nvm(&[(VERSION, 0x3025), high, (ETRACK_LOW, 0)])).unwrap();
        assert!(shows(version, "3.25, 0x80000000"));
    }

    #[test]
    fn a_board_of_digits() {
        let board = Board::find(nvm(&[(PBA, 0xe437), (PBA_POINTER, 0x2203)])).unwrap();
        assert!(shows(board, "E43722-003"));
    }

    #[test]
    fn a_board_of_characters() {
        let words = [
            (PBA, PBA_ELSEWHERE),
            (PBA_POINTER, 0x50),
            (0x50, 4),
            (0x51, 0x4731),
            (0x52, 0x382d),
            (0x53, 0x3000),
        ];
        assert!(shows(Board::find(nvm(&words)).unwrap(), "G18-0"));
    }

    #[test]
    fn a_board_of_impossible_length_is_refused() {
        for length in [0, 1, 13, u16::MAX] {
            let words = [(PBA, PBA_ELSEWHERE), (PBA_POINTER, 0x50), (0x50, length)];
            assert_eq!(Board::find(nvm(&words)), Err(EINVAL));
        }
    }

    #[test]
    fn what_cannot_be_read_has_no_version() {
        assert_eq!(Version::find(|_| Err(ETIMEDOUT)), Err(ETIMEDOUT));
        assert_eq!(Board::find(|_| Err(ETIMEDOUT)), Err(ETIMEDOUT));
        assert!(!is_whole(|_| Err(ETIMEDOUT)));
    }

    #[test]
    fn a_checksum_covers_its_own_word() {
        assert!(is_whole(|at| Ok(if at == 0x3f { SUM } else { 0 })));
        assert!(!is_whole(|at| Ok(u16::from(at == 0x3f))));
        assert!(!is_whole(|at| Ok(if at == SUMMED { SUM } else { 0 })));
    }
}
