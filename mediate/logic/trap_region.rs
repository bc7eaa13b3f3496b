// SPDX-License-Identifier: GPL-2.0

//! The dynamic-trap region as bytes, and what a write to it asks for. Pure.
//!
//! C header: `include/uapi/linux/vfio_mediate.h`

use super::window::Window;

/// Bytes of the region (`VFIO_MEDIATE_TRAP_SIZE`).
pub(crate) const SIZE: usize = 4096;

/// Most windows (`VFIO_MEDIATE_TRAP_MAX_WINDOWS`).
pub(crate) const MAX_WINDOWS: usize = 32;

/// What the region is like (`VFIO_MEDIATE_TRAP_VERSION`).
const VERSION: u32 = 1;

/// Bytes before the windows, and of each.
const HEADER: usize = 0x40;
const WINDOW: usize = 24;

/// Bits of `control`.
const OPT_IN: u32 = 1 << 0;
const PREFAULT: u32 = 1 << 1;

/// Bits of a window's `flags`.
const NEVER_MAPPED: u32 = 1 << 0;
const OPTIONAL: u32 = 1 << 1;

/// Where members are that may be written.
const AT_CONTROL: u64 = 0x10;
const AT_EVENT: u64 = 0x14;
const AT_ACK: u64 = 0x20;
const AT_RETRY: u64 = 0x28;

/// What the VMM has switched on.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Control {
    /// It takes part.
    pub(crate) opt_in: bool,
    /// Doorbells whose memory is missing are refused.
    pub(crate) prefault: bool,
}

impl Control {
    fn from_raw(raw: u32) -> Option<Self> {
        (raw & !(OPT_IN | PREFAULT) == 0).then_some(Self {
            opt_in: raw & OPT_IN != 0,
            prefault: raw & PREFAULT != 0,
        })
    }

    fn raw(self) -> u32 {
        let bit = |on: bool, bit| if on { bit } else { 0 };
        bit(self.opt_in, OPT_IN) | bit(self.prefault, PREFAULT)
    }
}

/// What a write asks for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Request {
    /// This is on, all else off.
    Control(Control),
    /// Signal this eventfd, or none.
    Event(Option<i32>),
    /// The wanted windows of this sequence number are not mapped any more.
    Acknowledge(u32),
    /// Give to the device what waits for memory.
    Retry,
}

impl Request {
    /// What `bytes` written at `offset` ask for, if anything.
    pub(crate) fn parse(offset: u64, bytes: &[u8]) -> Option<Self> {
        let &[a, b, c, d] = bytes else {
            return None;
        };
        let word = [a, b, c, d];
        match offset {
            AT_CONTROL => Control::from_raw(u32::from_le_bytes(word)).map(Self::Control),
            AT_EVENT => match i32::from_le_bytes(word) {
                -1 => Some(Self::Event(None)),
                fd if fd >= 0 => Some(Self::Event(Some(fd))),
                _ => None,
            },
            AT_ACK => Some(Self::Acknowledge(u32::from_le_bytes(word))),
            AT_RETRY => Some(Self::Retry),
            _ => None,
        }
    }
}

/// What there is to be read.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct View {
    /// What is on.
    pub(crate) control: Control,
    /// Windows that must not be mapped, a bit each.
    pub(crate) wanted: u32,
    /// How often that has changed.
    pub(crate) sequence: u32,
    /// What was acknowledged last.
    pub(crate) ack: u32,
    /// Windows that are trapped, a bit each.
    pub(crate) trapped: u32,
    /// First byte, and bytes, of the memory that was missing last.
    pub(crate) fault: (u64, u64),
}

impl View {
    /// Writes the region to `bytes`, which are zeroes, with the windows and whether each can
    /// be mapped at all. What does not fit is left out.
    pub(crate) fn write(
        &self,
        windows: impl ExactSizeIterator<Item = (Window, bool)>,
        bytes: &mut [u8],
    ) {
        let count = windows.len().min(MAX_WINDOWS);
        let number = |n: usize| u32::try_from(n).unwrap_or(0);
        let words = [
            VERSION,
            number(HEADER + count * WINDOW),
            number(count),
            number(WINDOW),
            self.control.raw(),
            // event_fd: none is told.
            u32::MAX,
            self.wanted,
            self.sequence,
            self.ack,
            self.trapped,
            0,
            0,
        ];
        let (first, behind) = bytes.split_at_mut(bytes.len().min(words.len() * size_of::<u32>()));
        for (place, word) in first.chunks_exact_mut(size_of::<u32>()).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let (iova, len) = self.fault;
        let mut places = behind.chunks_exact_mut(size_of::<u64>());
        let mut put = |quad: u64| {
            if let Some(place) = places.next() {
                place.copy_from_slice(&quad.to_le_bytes());
            }
        };
        put(iova);
        put(len);
        for (window, mappable) in windows.take(MAX_WINDOWS) {
            let flag = |on: bool, flag| if on { flag } else { 0 };
            let flags = flag(!mappable, NEVER_MAPPED) | flag(window.optional, OPTIONAL);
            put(u64::from(flags) << u32::BITS | u64::from(window.region));
            put(window.span.offset);
            put(window.span.size);
        }
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_trap_region))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::span::Span;
    use super::*;

    #[test]
    fn only_members_that_may_be_written_are() {
        let parse = |offset, word: u32| Request::parse(offset, &word.to_le_bytes());
        let both = Control {
            opt_in: true,
            prefault: true,
        };
        assert_eq!(parse(0x10, 3), Some(Request::Control(both)));
        assert_eq!(parse(0x10, 0), Some(Request::Control(Control::default())));
        assert_eq!(parse(0x10, 4), None);
        assert_eq!(parse(0x10, u32::MAX), None);
        assert_eq!(parse(0x14, 7), Some(Request::Event(Some(7))));
        assert_eq!(parse(0x14, u32::MAX), Some(Request::Event(None)));
        assert_eq!(parse(0x14, u32::MAX - 1), None);
        assert_eq!(parse(0x20, 9), Some(Request::Acknowledge(9)));
        assert_eq!(parse(0x28, 0), Some(Request::Retry));
        let writable = [0x10, 0x14, 0x20, 0x28];
        for offset in (0..0x1010).chain([u64::MAX]) {
            assert_eq!(parse(offset, 0).is_some(), writable.contains(&offset));
        }
        for len in [0, 1, 2, 3, 5, 8] {
            assert_eq!(Request::parse(0x10, &[0; 8][..len]), None);
        }
    }

    #[test]
    fn what_is_read_is_laid_out_as_in_the_header() {
        let view = View {
            control: Control {
                opt_in: true,
                prefault: false,
            },
            wanted: 3,
            sequence: 8,
            ack: 7,
            trapped: 1,
            fault: (0x1_0000_1000, 0x2000),
        };
        let window = |offset, optional| Window {
            region: 5,
            span: Span {
                offset,
                size: 0x1000,
            },
            optional,
        };
        let windows = [(window(0x2000, false), true), (window(0x3000, true), false)];
        let mut bytes = [0; 0x100];
        view.write(windows.into_iter(), &mut bytes);
        let word = |at: usize| {
            let piece = bytes[at..].first_chunk().copied();
            u32::from_le_bytes(piece.unwrap_or_default())
        };
        let words: [u32; 16] = core::array::from_fn(|n| word(4 * n));
        assert_eq!(
            words,
            [1, 0x70, 2, 24, 1, !0, 3, 8, 7, 1, 0, 0, 0x1000, 1, 0x2000, 0]
        );
        let words: [u32; 12] = core::array::from_fn(|n| word(0x40 + 4 * n));
        assert_eq!(
            words,
            [5, 0, 0x2000, 0, 0x1000, 0, 5, 3, 0x3000, 0, 0x1000, 0]
        );
        assert_eq!(bytes[0x70..], [0; 0x90]);
    }

    #[test]
    fn what_does_not_fit_is_left_out() {
        let window = Window {
            region: 0,
            span: Span {
                offset: 0,
                size: 0x1000,
            },
            optional: false,
        };
        let many = [(window, true); MAX_WINDOWS + 1];
        let mut bytes = [0; HEADER + WINDOW * MAX_WINDOWS + 8];
        View::default().write(many.into_iter(), &mut bytes);
        assert_eq!(bytes[8], 32);
        assert_eq!(bytes[HEADER + WINDOW * MAX_WINDOWS..], [0; 8]);
        let mut short = [0; 6];
        View::default().write(many.into_iter(), &mut short);
        assert_eq!(short, [1, 0, 0, 0, 0, 0]);
    }
}
