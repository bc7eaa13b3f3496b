// SPDX-License-Identifier: GPL-2.0

//! An exchange between a VF and the PF, in whatever phase. Pure.

use super::message::MAILBOX_WORDS;

/// Something to be said to a VF.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Due {
    /// Look at the link.
    Link,
    /// Start anew.
    Restart,
}

/// What a VF's driver will find in its mailbox register, and what it asked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Notices {
    /// The PF has written a message (PFSTS).
    pub(crate) message: bool,
    /// The PF has read the VF's message (PFACK).
    pub(crate) taken: bool,
    /// The PF's reset is done (RSTD).
    pub(crate) reset_done: bool,
    /// The VF uses the memory (VFU).
    pub(crate) locked: bool,
    /// The VF has a message that the PF has not yet read.
    pub(crate) request: bool,
    /// The VF has read the PF's message, which the PF does not yet know.
    pub(crate) read: bool,
}

impl Notices {
    /// None at all.
    pub(crate) const NONE: Self = Self {
        message: false,
        taken: false,
        reset_done: false,
        locked: false,
        request: false,
        read: false,
    };

    /// Whether there are any that the VF would find in its register.
    pub(crate) fn any_for_vf(self) -> bool {
        self.message || self.taken || self.reset_done || self.locked
    }

    /// As a number, bit n for the field n.
    pub(crate) fn to_bits(self) -> u8 {
        let Self {
            message,
            taken,
            reset_done,
            locked,
            request,
            read,
        } = self;
        let fields = [message, taken, reset_done, locked, request, read];
        let bit = |(n, on): (usize, bool)| if on { 1u8 << n } else { 0 };
        fields.into_iter().enumerate().map(bit).sum()
    }

    /// From such a number; [`None`] if a bit is set that has no field.
    pub(crate) fn from_bits(bits: u8) -> Option<Self> {
        let bit = |n: u8| bits & (1 << n) != 0;
        (bits < 1 << 6).then(|| Self {
            message: bit(0),
            taken: bit(1),
            reset_done: bit(2),
            locked: bit(3),
            request: bit(4),
            read: bit(5),
        })
    }
}

/// An exchange with the PF, in whatever phase.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Mailbox {
    /// The memory.
    pub(crate) memory: [u32; MAILBOX_WORDS],
    /// Who knows what of it.
    pub(crate) notices: Notices,
    /// The PF's last message has not been read yet.
    pub(crate) unread: bool,
    /// What the PF is still to say.
    pub(crate) due: Option<Due>,
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_exchange))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn notices_are_bits_without_gaps() {
        for bits in 0..64 {
            assert_eq!(Notices::from_bits(bits).map(Notices::to_bits), Some(bits));
        }
        assert_eq!(Notices::from_bits(64), None);
        assert_eq!(Notices::from_bits(255), None);
    }
}
