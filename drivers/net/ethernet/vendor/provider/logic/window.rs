// SPDX-License-Identifier: GPL-2.0

//! What a VF has in the pages of its BAR that can be trapped. Pure.
//!
//! The third page holds the receive queues, the fourth the transmit queues. All else in
//! them reads as 0 and takes no writes.

use super::state::QUEUES;

/// Bytes of a page.
pub(crate) const SIZE: u64 = 0x1000;

/// Where a page has its first queue, and how far the queues are apart.
const FIRST_QUEUE: u32 = 0x800;
const QUEUE_STRIDE: u32 = 0x100;

/// Where a page has the one register that is none of a queue's. It reads as 0.
pub(crate) const OTHER: u32 = 0x4e8;

/// Bytes of a register.
const REGISTER: u32 = 4;

/// Which of the pages.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Page {
    /// That of the receive queues.
    Receive,
    /// That of the transmit queues.
    Transmit,
}

impl Page {
    /// Both.
    pub(crate) const ALL: [Self; 2] = [Self::Receive, Self::Transmit];

    /// By its number among the windows.
    pub(crate) fn from_index(index: u32) -> Option<Self> {
        match index {
            0 => Some(Self::Receive),
            1 => Some(Self::Transmit),
            _ => None,
        }
    }

    /// Its number among the windows.
    pub(crate) fn index(self) -> u32 {
        match self {
            Self::Receive => 0,
            Self::Transmit => 1,
        }
    }

    /// First byte in the BAR.
    pub(crate) const fn offset(self) -> u64 {
        match self {
            Self::Receive => 0x2000,
            Self::Transmit => 0x3000,
        }
    }
}

/// A register of a receive queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RxRegister {
    /// RDBAL.
    BaseLow,
    /// RDBAH.
    BaseHigh,
    /// RDLEN.
    Length,
    /// SRRCTL.
    Shape,
    /// RDH.
    Head,
    /// RXCTL.
    Hints,
    /// RDT.
    Tail,
    /// RXDCTL.
    Control,
    /// RQDPC.
    Dropped,
}

impl RxRegister {
    /// All of a queue.
    pub(crate) const ALL: [Self; 9] = [
        Self::BaseLow,
        Self::BaseHigh,
        Self::Length,
        Self::Shape,
        Self::Head,
        Self::Hints,
        Self::Tail,
        Self::Control,
        Self::Dropped,
    ];

    fn offset(self) -> u32 {
        match self {
            Self::BaseLow => 0x00,
            Self::BaseHigh => 0x04,
            Self::Length => 0x08,
            Self::Shape => 0x0c,
            Self::Head => 0x10,
            Self::Hints => 0x14,
            Self::Tail => 0x18,
            Self::Control => 0x28,
            Self::Dropped => 0x30,
        }
    }
}

/// A register of a transmit queue.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum TxRegister {
    /// TDBAL.
    BaseLow,
    /// TDBAH.
    BaseHigh,
    /// TDLEN.
    Length,
    /// TDH.
    Head,
    /// TXCTL.
    Hints,
    /// TDT.
    Tail,
    /// TXDCTL.
    Control,
    /// TDWBAL.
    WriteBackLow,
    /// TDWBAH.
    WriteBackHigh,
}

impl TxRegister {
    /// All of a queue.
    pub(crate) const ALL: [Self; 9] = [
        Self::BaseLow,
        Self::BaseHigh,
        Self::Length,
        Self::Head,
        Self::Hints,
        Self::Tail,
        Self::Control,
        Self::WriteBackLow,
        Self::WriteBackHigh,
    ];

    fn offset(self) -> u32 {
        match self {
            Self::BaseLow => 0x00,
            Self::BaseHigh => 0x04,
            Self::Length => 0x08,
            Self::Head => 0x10,
            Self::Hints => 0x14,
            Self::Tail => 0x18,
            Self::Control => 0x28,
            Self::WriteBackLow => 0x38,
            Self::WriteBackHigh => 0x3c,
        }
    }
}

/// A register of one of the VF's queues.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Place {
    /// Of this receive queue.
    Rx(usize, RxRegister),
    /// Of this transmit queue.
    Tx(usize, TxRegister),
}

/// Where `queue` of a page begins.
fn queue_offset(queue: usize) -> u32 {
    // There are two.
    FIRST_QUEUE + QUEUE_STRIDE * u32::try_from(queue).unwrap_or(0)
}

impl Place {
    /// What is at `offset` of `page`, if anything is.
    pub(crate) fn at(page: Page, offset: u32) -> Option<Self> {
        let queue = (0..QUEUES)
            .find(|&queue| (queue_offset(queue)..queue_offset(queue + 1)).contains(&offset))?;
        let within = offset - queue_offset(queue);
        match page {
            Page::Receive => RxRegister::ALL
                .into_iter()
                .find(|register| register.offset() == within)
                .map(|register| Self::Rx(queue, register)),
            Page::Transmit => TxRegister::ALL
                .into_iter()
                .find(|register| register.offset() == within)
                .map(|register| Self::Tx(queue, register)),
        }
    }

    /// Where it is in its page.
    pub(crate) fn offset(self) -> u32 {
        match self {
            Self::Rx(queue, register) => queue_offset(queue) + register.offset(),
            Self::Tx(queue, register) => queue_offset(queue) + register.offset(),
        }
    }

    /// Its page.
    pub(crate) fn page(self) -> Page {
        match self {
            Self::Rx(..) => Page::Receive,
            Self::Tx(..) => Page::Transmit,
        }
    }
}

/// What a write of `bytes` at `offset`, naturally aligned, is to registers of 32 bits:
/// offsets and values, in the order in which the device gets them.
///
/// Drivers write 32 bits. The datasheet leaves anything narrower undefined; here it is what
/// it is in QEMU's model: at a register's first byte it is taken for all of the register,
/// with zeroes above, and elsewhere it is lost. Eight bytes are two registers, the low one
/// first.
pub(crate) fn words(offset: u32, bytes: &[u8]) -> [Option<(u32, u32)>; 2] {
    let aligned = offset % REGISTER == 0;
    match *bytes {
        [a] if aligned => [Some((offset, u32::from(a))), None],
        [a, b] if aligned => [Some((offset, u32::from_le_bytes([a, b, 0, 0]))), None],
        [a, b, c, d] if aligned => [Some((offset, u32::from_le_bytes([a, b, c, d]))), None],
        [a, b, c, d, e, f, g, h] if aligned => [
            Some((offset, u32::from_le_bytes([a, b, c, d]))),
            offset
                .checked_add(REGISTER)
                .map(|next| (next, u32::from_le_bytes([e, f, g, h]))),
        ],
        _ => [None; 2],
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_window))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn registers_are_where_they_are() {
        let at = |page, offset| Place::at(page, offset);
        assert_eq!(
            at(Page::Receive, 0x818),
            Some(Place::Rx(0, RxRegister::Tail))
        );
        assert_eq!(
            at(Page::Receive, 0x928),
            Some(Place::Rx(1, RxRegister::Control))
        );
        assert_eq!(
            at(Page::Transmit, 0x93c),
            Some(Place::Tx(1, TxRegister::WriteBackHigh))
        );
        for lost in [0, 4, OTHER, 0x7fc, 0x81a, 0x81c, 0x840, 0xa00, 0xa18, 0xffc] {
            assert_eq!(at(Page::Receive, lost), None);
            assert_eq!(at(Page::Transmit, lost), None);
        }
        assert_eq!(at(Page::Receive, 0x838), None);
        assert_eq!(at(Page::Transmit, 0x80c), None);
        let mut found = 0;
        for page in Page::ALL {
            assert_eq!(Page::from_index(page.index()), Some(page));
            for offset in (0..0x1000).step_by(4) {
                if let Some(place) = at(page, offset) {
                    assert_eq!((place.page(), place.offset()), (page, offset));
                    found += 1;
                }
            }
        }
        assert_eq!(found, 36);
        assert_eq!(Page::from_index(2), None);
    }

    #[test]
    fn writes_are_of_registers() {
        let one = |offset, value| [Some((offset, value)), None];
        assert_eq!(words(0x818, &[1, 2, 3, 4]), one(0x818, 0x0403_0201));
        assert_eq!(words(0x818, &[1]), one(0x818, 1));
        assert_eq!(words(0x818, &[1, 2]), one(0x818, 0x0201));
        assert_eq!(words(0x819, &[1]), [None; 2]);
        assert_eq!(words(0x81a, &[1, 2]), [None; 2]);
        assert_eq!(
            words(0x818, &[1, 0, 0, 0, 2, 0, 0, 0]),
            [Some((0x818, 1)), Some((0x81c, 2))]
        );
        assert_eq!(words(0x818, &[1, 2, 3]), [None; 2]);
        assert_eq!(words(0x818, &[]), [None; 2]);
    }
}
