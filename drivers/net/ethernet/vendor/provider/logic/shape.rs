// SPDX-License-Identifier: GPL-2.0

//! What a receive queue makes of its descriptors: which buffers there are, and what has
//! been written to them. Pure.

use super::contexts::Descriptor;

/// SRRCTL: packet buffer in KiB.
const PACKET_KIB: u32 = 0x7f;
/// SRRCTL: header buffer in units of 64 bytes.
const HEADER: u32 = 0xf00;
const HEADER_SHIFT: u32 = 8;
const HEADER_UNIT: u32 = 64;
/// SRRCTL: kind of descriptors.
const KIND_SHIFT: u32 = 25;
const KIND: u32 = 0x7;

/// Largest packet buffer that RCTL can say, in bytes; each further value is half of it.
const LARGEST_DEFAULT: u32 = 2048;

/// Of a descriptor that was written back, second word: it is done; the packet ends here.
const DONE: u64 = 1;
const END: u64 = 1 << 1;
/// The header is too long for its buffer.
const HEADER_OVERFLOW: u64 = 1 << 23;
/// Bytes in the packet buffer.
const LENGTH_SHIFT: u32 = 32;
const LENGTH: u64 = 0xffff;
/// First word: the header was split off.
const SPLIT: u64 = 1 << 31;

/// When a packet's header gets a buffer of its own.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
enum Split {
    /// There is one buffer. So it is with all kinds of descriptors that are unknown.
    #[default]
    Never,
    /// When it is known where it ends, and it fits.
    WhenItFits,
    /// With each packet: what is no header fills the buffer too.
    Always,
}

/// The shape of a queue's descriptors.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Shape {
    /// Bytes of a packet buffer.
    packet: u32,
    /// Bytes of a header buffer.
    header: u32,
    split: Split,
}

/// What the descriptor before was to its packet.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Before {
    /// Nobody knows.
    #[default]
    Unknown,
    /// The last.
    Ended,
    /// Not the last.
    GoesOn,
}

/// A range of the guest's memory: address and bytes.
pub(crate) type Buffer = (u64, u32);

impl Shape {
    /// As SRRCTL says, and `default`, RCTL's field, where it does not.
    pub(crate) fn new(srrctl: u32, default: u32) -> Self {
        let packet = match srrctl & PACKET_KIB {
            0 => LARGEST_DEFAULT.checked_shr(default).unwrap_or(0),
            kib => kib * 1024,
        };
        let split = match srrctl >> KIND_SHIFT & KIND {
            2 => Split::WhenItFits,
            5 => Split::Always,
            _ => Split::Never,
        };
        Self {
            packet,
            header: ((srrctl & HEADER) >> HEADER_SHIFT) * HEADER_UNIT,
            split,
        }
    }

    /// All that a descriptor offers: the packet's buffer, and the header's if it has one.
    pub(crate) fn buffers(&self, [packet, header]: Descriptor) -> [Option<Buffer>; 2] {
        let buffer = |address, len| (address != 0 && len != 0).then_some((address, len));
        [
            buffer(packet, self.packet),
            match self.split {
                Split::Never => None,
                Split::WhenItFits | Split::Always => buffer(header, self.header),
            },
        ]
    }

    /// Whether the device skips a descriptor, with a packet that may be lost over it.
    fn is_skipped(&self, [packet, header]: Descriptor) -> bool {
        packet == 0
            || match self.split {
                Split::Never => false,
                Split::WhenItFits | Split::Always => header == 0,
            }
    }

    /// What the device has written that has used descriptor `posted`, which now reads as
    /// `now`; and what the descriptor is to the next one.
    ///
    /// One that was written back tells how much; else the driver has taken it back already,
    /// or it cannot be read, and its buffers count as a whole.
    ///
    /// Of a header that was written its whole buffer counts: it is short, its length is in
    /// the word that drivers write first, and by that one the descriptor may be half the
    /// device's and half the driver's.
    pub(crate) fn written(
        &self,
        posted: Descriptor,
        now: Descriptor,
        before: Before,
    ) -> ([Option<Buffer>; 2], Before) {
        let [packet, header] = self.buffers(posted);
        if !is_done(posted, now) {
            return ([packet, header], Before::Unknown);
        }
        let [first, second] = now;
        let length = u32::try_from(second >> LENGTH_SHIFT & LENGTH).unwrap_or(0);
        let packet = packet.map(|(address, len)| (address, len.min(length)));
        let is_split = match self.split {
            Split::Never => false,
            Split::WhenItFits => first & SPLIT != 0 && second & HEADER_OVERFLOW == 0,
            Split::Always => true,
        };
        // The length of the header is in each of a packet's descriptors, in QEMU's model.
        let header = header.filter(|_| is_split && before != Before::GoesOn);
        let after = if second & END != 0 {
            Before::Ended
        } else if self.is_skipped(posted) || before == Before::Unknown {
            Before::Unknown
        } else {
            Before::GoesOn
        };
        ([packet.filter(|&(_, len)| len != 0), header], after)
    }
}

/// Whether a descriptor that was `posted` has been written back.
pub(crate) fn is_done(posted: Descriptor, now: Descriptor) -> bool {
    let [_, second] = now;
    second & DONE != 0 && now != posted
}
