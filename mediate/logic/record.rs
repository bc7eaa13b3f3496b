// SPDX-License-Identifier: GPL-2.0

//! Tagged records, of which a migration stream and a provider's state consist.
//! Pure, and without allocation. Used by the mediator and by providers.
//!
//! A record is a header of eight bytes, little-endian, and its payload:
//!
//! ====== ====== ==========================================================
//! offset bytes  meaning
//! ====== ====== ==========================================================
//! 0      2      tag
//! 2      2      flags; bit 0: a reader that does not know the tag skips it
//! 4      4      size of the payload in bytes
//! ====== ====== ==========================================================

/// Bytes of a record's header.
pub(crate) const HEADER_SIZE: usize = 8;

/// Flag: whoever does not know the tag skips the record.
const OPTIONAL: u16 = 1;

/// What can be wrong with a sequence of records.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RecordFault {
    /// It ends inside a record.
    Truncated,
    /// A flag is set that is not defined.
    UnknownFlags(u16),
    /// There is no room for a further record.
    NoRoom,
}

/// One record, borrowed from the bytes it was read from.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Record<'a> {
    /// What it is.
    pub(crate) tag: u16,
    /// Whether it can be skipped by whoever does not know the tag.
    pub(crate) optional: bool,
    /// The payload.
    pub(crate) payload: &'a [u8],
}

/// A record's header.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Header {
    /// What the record is.
    pub(crate) tag: u16,
    /// Whether it can be skipped by whoever does not know the tag.
    pub(crate) optional: bool,
    /// Bytes of the payload.
    pub(crate) size: u32,
}

impl Header {
    /// Reads a header. Errors: `UnknownFlags`.
    pub(crate) fn parse(bytes: [u8; HEADER_SIZE]) -> Result<Self, RecordFault> {
        let [t0, t1, f0, f1, s0, s1, s2, s3] = bytes;
        let flags = u16::from_le_bytes([f0, f1]);
        if flags & !OPTIONAL != 0 {
            return Err(RecordFault::UnknownFlags(flags));
        }
        Ok(Self {
            tag: u16::from_le_bytes([t0, t1]),
            optional: flags & OPTIONAL != 0,
            size: u32::from_le_bytes([s0, s1, s2, s3]),
        })
    }

    /// The header's bytes.
    pub(crate) fn encode(&self) -> [u8; HEADER_SIZE] {
        let [t0, t1] = self.tag.to_le_bytes();
        let flags = if self.optional { OPTIONAL } else { 0 };
        let [f0, f1] = flags.to_le_bytes();
        let [s0, s1, s2, s3] = self.size.to_le_bytes();
        [t0, t1, f0, f1, s0, s1, s2, s3]
    }
}

/// The records in a slice, in order; ends after the first fault.
#[derive(Clone, Debug)]
pub(crate) struct Records<'a>(&'a [u8]);

impl<'a> Records<'a> {
    /// Reads the records that `bytes` consists of.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    fn read(&self) -> Result<(Record<'a>, &'a [u8]), RecordFault> {
        let (header, rest) = self
            .0
            .split_first_chunk::<HEADER_SIZE>()
            .ok_or(RecordFault::Truncated)?;
        let Header {
            tag,
            optional,
            size,
        } = Header::parse(*header)?;
        let size = usize::try_from(size).map_err(|_| RecordFault::Truncated)?;
        let (payload, rest) = rest.split_at_checked(size).ok_or(RecordFault::Truncated)?;
        let record = Record {
            tag,
            optional,
            payload,
        };
        Ok((record, rest))
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, RecordFault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        match self.read() {
            Ok((record, rest)) => {
                self.0 = rest;
                Some(Ok(record))
            }
            Err(fault) => {
                self.0 = &[];
                Some(Err(fault))
            }
        }
    }
}

/// Writes records into a slice, one after another.
#[derive(Debug)]
pub(crate) struct Writer<'a> {
    buffer: &'a mut [u8],
    used: usize,
}

impl<'a> Writer<'a> {
    /// Begins at the start of `buffer`.
    pub(crate) fn new(buffer: &'a mut [u8]) -> Self {
        Self { buffer, used: 0 }
    }

    /// Bytes written so far.
    pub(crate) fn len(&self) -> usize {
        self.used
    }

    /// Appends one record. Errors: `NoRoom`; nothing is written then.
    pub(crate) fn put(&mut self, record: &Record<'_>) -> Result<(), RecordFault> {
        let size = u32::try_from(record.payload.len()).map_err(|_| RecordFault::NoRoom)?;
        let header = Header {
            tag: record.tag,
            optional: record.optional,
            size,
        };
        let payload = self
            .used
            .checked_add(HEADER_SIZE)
            .ok_or(RecordFault::NoRoom)?;
        let end = payload
            .checked_add(record.payload.len())
            .ok_or(RecordFault::NoRoom)?;
        let room = self
            .buffer
            .get_mut(self.used..end)
            .ok_or(RecordFault::NoRoom)?;
        let (head, body) = room.split_at_mut(HEADER_SIZE);
        head.copy_from_slice(&header.encode());
        body.copy_from_slice(record.payload);
        self.used = end;
        Ok(())
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_record))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const FIRST: Record<'static> = Record {
        tag: 0x1234,
        optional: false,
        payload: &[1, 2, 3],
    };
    const SECOND: Record<'static> = Record {
        tag: 7,
        optional: true,
        payload: &[],
    };

    #[test]
    fn what_is_written_is_read() {
        let mut bytes = [0; 19];
        let mut writer = Writer::new(&mut bytes);
        assert_eq!(writer.put(&FIRST), Ok(()));
        assert_eq!(writer.put(&SECOND), Ok(()));
        assert_eq!(writer.len(), 19);
        assert_eq!(bytes[..11], [0x34, 0x12, 0, 0, 3, 0, 0, 0, 1, 2, 3]);
        let mut records = Records::new(&bytes);
        assert_eq!(records.next(), Some(Ok(FIRST)));
        assert_eq!(records.next(), Some(Ok(SECOND)));
        assert_eq!(records.next(), None);
    }

    #[test]
    fn a_record_that_does_not_fit_is_not_begun() {
        let mut bytes = [0xaa; 10];
        let mut writer = Writer::new(&mut bytes);
        assert_eq!(writer.put(&FIRST), Err(RecordFault::NoRoom));
        assert_eq!(writer.len(), 0);
        assert_eq!(writer.put(&SECOND), Ok(()));
        assert_eq!(writer.put(&SECOND), Err(RecordFault::NoRoom));
        assert_eq!(bytes, [7, 0, 1, 0, 0, 0, 0, 0, 0xaa, 0xaa]);
    }

    #[test]
    fn every_cut_is_noticed() {
        let mut bytes = [0; 11];
        assert_eq!(Writer::new(&mut bytes).put(&FIRST), Ok(()));
        for len in 1..bytes.len() {
            let mut records = Records::new(&bytes[..len]);
            assert_eq!(records.next(), Some(Err(RecordFault::Truncated)));
            assert_eq!(records.next(), None);
        }
    }

    #[test]
    fn sizes_beyond_the_end_and_unknown_flags_are_refused() {
        let huge = [1, 0, 0, 0, 0xff, 0xff, 0xff, 0xff, 0];
        let mut records = Records::new(&huge);
        assert_eq!(records.next(), Some(Err(RecordFault::Truncated)));
        let flags = [1, 0, 3, 0, 0, 0, 0, 0];
        let mut records = Records::new(&flags);
        assert_eq!(records.next(), Some(Err(RecordFault::UnknownFlags(3))));
        assert_eq!(records.next(), None);
    }
}
