// SPDX-License-Identifier: GPL-2.0

//! What XDP programs answer. Pure.

/// What a program wants done with a frame.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Action {
    /// The program has failed; the frame is dropped, and those who trace it are told.
    Aborted,
    /// The frame is dropped.
    Drop,
    /// The stack gets it.
    Pass,
    /// It is sent by the interface that it came from (`XDP_TX`).
    SendBack,
    /// It is sent elsewhere, which the program has told the core.
    Redirect,
    /// No answer that there is.
    Unknown(u32),
}

impl From<u32> for Action {
    fn from(raw: u32) -> Self {
        match raw {
            0 => Self::Aborted,
            1 => Self::Drop,
            2 => Self::Pass,
            3 => Self::SendBack,
            4 => Self::Redirect,
            other => Self::Unknown(other),
        }
    }
}

impl Action {
    /// The answer as programs and the core know it (`enum xdp_action`).
    pub(crate) const fn raw(self) -> u32 {
        match self {
            Self::Aborted => 0,
            Self::Drop => 1,
            Self::Pass => 2,
            Self::SendBack => 3,
            Self::Redirect => 4,
            Self::Unknown(other) => other,
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_action))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn answers_are_what_they_were() {
        for raw in [0, 1, 2, 3, 4, 5, u32::MAX] {
            let action = Action::from(raw);
            assert_eq!(action.raw(), raw);
            assert_eq!(matches!(action, Action::Unknown(_)), raw > 4);
        }
    }
}
