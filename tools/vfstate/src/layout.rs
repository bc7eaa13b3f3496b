// SPDX-License-Identifier: GPL-2.0

//! Where the records of a stream are, and how a changed stream is sealed again.

use crate::{
    crc32::Crc32,
    record::{Header, HEADER_SIZE},
    stream,
};

/// Tags of the stream's records.
pub const HEADER: u16 = stream::TAG_HEADER;
/// What a destination compares with itself.
pub const PRECOPY: u16 = stream::TAG_PRECOPY;
/// Everything else.
pub const STATE: u16 = stream::TAG_STATE;
/// The end, with a checksum.
pub const END: u16 = stream::TAG_END;

/// A record.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Place {
    /// Its tag.
    pub tag: u16,
    /// Whether who does not know it skips it.
    pub optional: bool,
    /// Where its header begins.
    pub start: usize,
    /// Where its payload begins.
    pub payload: usize,
    /// Where it ends.
    pub end: usize,
}

/// The records that `bytes` hold from `start` to `end`, as far as they can be
/// read, and where that was.
pub fn records(bytes: &[u8], start: usize, end: usize) -> (Vec<Place>, usize) {
    let mut places = Vec::new();
    let mut at = start;
    while let Some(place) = place(bytes, at, end) {
        at = place.end;
        places.push(place);
    }
    (places, at)
}

fn place(bytes: &[u8], at: usize, end: usize) -> Option<Place> {
    let head = bytes.get(at..end)?.first_chunk::<HEADER_SIZE>()?;
    let header = Header::parse(*head).ok()?;
    let payload = at + HEADER_SIZE;
    let after = payload.checked_add(usize::try_from(header.size).ok()?)?;
    (after <= end).then_some(Place {
        tag: header.tag,
        optional: header.optional,
        start: at,
        payload,
        end: after,
    })
}

/// The records of a stream.
pub fn of_stream(bytes: &[u8]) -> (Vec<Place>, usize) {
    records(bytes, stream::PRELUDE_SIZE, bytes.len())
}

/// Puts the right checksum into the END record, if the stream ends with one.
pub fn seal(bytes: &mut [u8]) {
    let Some(&last) = of_stream(bytes).0.last() else {
        return;
    };
    if last.tag != END || last.end - last.payload != stream::END_SIZE {
        return;
    }
    let mut crc = Crc32::new();
    crc.update(&bytes[..last.start]);
    bytes[last.payload..last.end].copy_from_slice(&crc.value().to_le_bytes());
}
