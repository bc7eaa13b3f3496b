// SPDX-License-Identifier: GPL-2.0

//! How receive buffers lie in pages. Pure.
//!
//! A packet counts against its socket with all the memory that it holds, so a frame of 1500 bytes
//! that holds a page leaves room for half as many as one that holds half of it.

use super::frame;

/// Bytes of a page.
pub(crate) const PAGE: u16 = 4096;

/// Bytes behind all others of a piece, for the shared part of a socket buffer.
const SHARED: u16 = 320;

/// The pieces of pages that frames are received into.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Layout {
    /// A page each. A longer frame takes several, and a program has as much before a frame as
    /// it was promised.
    Whole,
    /// Half a page each, for frames that fit: that no longer ones come is up to the device,
    /// as with igb, for it knows buffers of whole KiB alone.
    Half,
}

impl Layout {
    /// For frames of an interface with this MTU; `shown` to a program or not. Of damaged ones
    /// (`rx-all`) the device may not keep to a limit.
    pub(crate) fn of(mtu: u32, shown: bool, damaged: bool) -> Self {
        if shown || damaged || !frame::fits(mtu, u32::from(Self::Half.buffer())) {
            Self::Whole
        } else {
            Self::Half
        }
    }

    /// Bytes of a piece.
    pub(crate) const fn piece(self) -> u16 {
        match self {
            Self::Whole => PAGE,
            Self::Half => PAGE / 2,
        }
    }

    /// Bytes in front of a frame, for headers that the stack, or a program, puts there.
    pub(crate) const fn headroom(self) -> u16 {
        match self {
            Self::Whole => 256,
            Self::Half => 192,
        }
    }

    /// Bytes that are the device's.
    pub(crate) const fn buffer(self) -> u16 {
        match self {
            Self::Whole => 3072,
            Self::Half => 1536,
        }
    }

    /// Bytes of a piece that a frame and what is in front of it may take.
    pub(crate) const fn room(self) -> u16 {
        self.piece() - SHARED
    }

    /// How many pages `count` pieces take.
    pub(crate) const fn pages(self, count: u16) -> u16 {
        count.div_ceil(PAGE / self.piece())
    }
}

const _: () = {
    let (whole, half) = (Layout::Whole, Layout::Half);
    assert!(whole.headroom() + whole.buffer() <= whole.room());
    assert!(half.headroom() + half.buffer() <= half.room());
};

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_layout))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn usual_frames_take_half_a_page() {
        for mtu in [frame::MIN_MTU, 1500, 1514] {
            assert_eq!(Layout::of(mtu, false, false), Layout::Half);
        }
        for mtu in [1515, 9000, frame::MAX_MTU, u32::MAX] {
            assert_eq!(Layout::of(mtu, false, false), Layout::Whole);
        }
    }

    #[test]
    fn programs_and_damaged_frames_take_a_page() {
        assert_eq!(Layout::of(1500, true, false), Layout::Whole);
        assert_eq!(Layout::of(1500, false, true), Layout::Whole);
    }

    #[test]
    fn two_halves_are_a_page() {
        assert_eq!(Layout::Whole.pages(256), 256);
        assert_eq!(Layout::Half.pages(256), 128);
        assert_eq!(Layout::Half.pages(81), 41);
    }
}
