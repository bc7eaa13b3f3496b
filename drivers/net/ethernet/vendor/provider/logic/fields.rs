// SPDX-License-Identifier: GPL-2.0

//! Little-endian fields of a record's payload, one after another. Pure.

/// Reads fields; each is read once and none is left out.
pub(crate) struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// Begins with the first byte.
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next `N` bytes, if there are so many.
    pub(crate) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (first, rest) = self.0.split_first_chunk::<N>()?;
        self.0 = rest;
        Some(*first)
    }

    /// A byte.
    pub(crate) fn u8(&mut self) -> Option<u8> {
        self.array().map(u8::from_le_bytes)
    }

    /// A byte that is 0 or 1.
    pub(crate) fn bool(&mut self) -> Option<bool> {
        match self.u8()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    /// Two bytes.
    pub(crate) fn u16(&mut self) -> Option<u16> {
        self.array().map(u16::from_le_bytes)
    }

    /// Four bytes.
    pub(crate) fn u32(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    /// Eight bytes.
    pub(crate) fn u64(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    /// `N` words.
    pub(crate) fn words<const N: usize>(&mut self) -> Option<[u32; N]> {
        let mut words = [0; N];
        for word in &mut words {
            *word = self.u32()?;
        }
        Some(words)
    }

    /// Ends reading; [`None`] if something is left.
    pub(crate) fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// Longest payload that is written.
pub(crate) const MAX_PAYLOAD: usize = 320;

/// Writes fields, as many as [`MAX_PAYLOAD`] holds.
pub(crate) struct Writer {
    bytes: [u8; MAX_PAYLOAD],
    used: usize,
    /// Something did not fit.
    overflow: bool,
}

impl Writer {
    /// Without any.
    pub(crate) fn new() -> Self {
        Self {
            bytes: [0; MAX_PAYLOAD],
            used: 0,
            overflow: false,
        }
    }

    /// Adds a field by its bytes.
    pub(crate) fn put<const N: usize>(&mut self, bytes: [u8; N]) -> &mut Self {
        let room = self.bytes.get_mut(self.used..);
        match room.and_then(|room| room.first_chunk_mut::<N>()) {
            Some(place) => {
                *place = bytes;
                self.used += N;
            }
            None => self.overflow = true,
        }
        self
    }

    /// A byte.
    pub(crate) fn u8(&mut self, value: u8) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    /// A byte that is 0 or 1.
    pub(crate) fn bool(&mut self, value: bool) -> &mut Self {
        self.u8(value.into())
    }

    /// Two bytes.
    pub(crate) fn u16(&mut self, value: u16) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    /// Four bytes.
    pub(crate) fn u32(&mut self, value: u32) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    /// Eight bytes.
    pub(crate) fn u64(&mut self, value: u64) -> &mut Self {
        self.put(value.to_le_bytes())
    }

    /// The number of items that follow.
    pub(crate) fn count(&mut self, count: usize) -> &mut Self {
        match u8::try_from(count) {
            Ok(count) => self.u8(count),
            Err(_) => {
                self.overflow = true;
                self
            }
        }
    }

    /// What was written; [`None`] if not all of it fitted.
    pub(crate) fn bytes(&self) -> Option<&[u8]> {
        self.bytes.get(..self.used).filter(|_| !self.overflow)
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(igb_rs_vf_fields))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let mut writer = Writer::new();
        writer
            .u8(1)
            .bool(true)
            .u16(0x0302)
            .u32(4)
            .u64(1 << 63)
            .count(5);
        let bytes = writer.bytes().unwrap_or(&[]);
        assert_eq!(bytes.len(), 17);
        assert_eq!(bytes[..4], [1, 1, 2, 3]);
        let mut reader = Reader::new(bytes);
        assert_eq!(reader.u8(), Some(1));
        assert_eq!(reader.bool(), Some(true));
        assert_eq!(reader.u16(), Some(0x0302));
        assert_eq!(reader.words(), Some([4]));
        assert_eq!(reader.u64(), Some(1 << 63));
        assert_eq!(reader.end(), None);
        assert_eq!(reader.u16(), None);
        assert_eq!(reader.bool(), None);
        assert_eq!(reader.end(), Some(()));
    }

    #[test]
    fn what_does_not_fit_is_noticed() {
        let mut writer = Writer::new();
        for _ in 0..MAX_PAYLOAD / 8 {
            writer.u64(0);
        }
        assert!(writer.bytes().is_some());
        writer.u8(0);
        assert!(writer.bytes().is_none());
        assert!(Writer::new().count(256).bytes().is_none());
    }
}
