// SPDX-License-Identifier: GPL-2.0

//! The words of the module parameter `transport`. Pure.

/// How an operator wants accesses to a VF's mediated registers to get here.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Choice {
    /// The best that costs nothing while nothing migrates.
    Auto,
    /// By write tracking of KVM.
    Kvm,
    /// By a region through which the VMM learns what to trap.
    Region,
    /// By registers that can never be mapped.
    Fixed,
    /// Not at all.
    None,
}

impl Choice {
    /// All choices, the default first.
    pub(crate) const ALL: [Self; 5] =
        [Self::Auto, Self::Kvm, Self::Region, Self::Fixed, Self::None];

    /// The word for it.
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Auto => "auto",
            Self::Kvm => "kvm",
            Self::Region => "region",
            Self::Fixed => "fixed",
            Self::None => "none",
        }
    }

    /// A number for it, its place in `ALL`.
    pub(crate) const fn index(self) -> u32 {
        match self {
            Self::Auto => 0,
            Self::Kvm => 1,
            Self::Region => 2,
            Self::Fixed => 3,
            Self::None => 4,
        }
    }

    /// The choice of a number; the default for any other.
    pub(crate) fn from_index(index: u32) -> Self {
        let at = usize::try_from(index).unwrap_or(usize::MAX);
        Self::ALL.get(at).copied().unwrap_or(Self::Auto)
    }

    /// The choice that a line of text names, with or without its newline.
    pub(crate) fn parse(line: &[u8]) -> Option<Self> {
        let word = line.strip_suffix(b"\n").unwrap_or(line);
        Self::ALL.into_iter().find(|c| c.word().as_bytes() == word)
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_transport))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn words_and_numbers_come_back() {
        for choice in Choice::ALL {
            assert_eq!(Choice::parse(choice.word().as_bytes()), Some(choice));
            assert_eq!(Choice::from_index(choice.index()), choice);
        }
        assert_eq!(Choice::parse(b"fixed\n"), Some(Choice::Fixed));
        assert_eq!(Choice::from_index(5), Choice::Auto);
    }

    #[test]
    fn other_words_are_refused() {
        for line in [
            &b""[..],
            b"\n",
            b"FIXED",
            b"fixed ",
            b"fixed\n\n",
            b"fix",
            b"fixed2",
        ] {
            assert_eq!(Choice::parse(line), None);
        }
    }
}
