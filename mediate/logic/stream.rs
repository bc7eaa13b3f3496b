// SPDX-License-Identifier: GPL-2.0

//! The migration stream: what the mediator writes around a provider's states.
//! Pure, and without allocation. `stream_parser.rs` reads it;
//! `Documentation/stream-format.rst` has it as a table.

use super::{
    crc32::Crc32,
    record::{
        Header,
        HEADER_SIZE, //
    },
};

/// First bytes of each stream: not text, and told apart from a stream that was
/// sent through something that changes line ends or the eighth bit.
pub(crate) const MAGIC: [u8; 8] = *b"\x89VFM\r\n\x1a\n";

/// Version of the format; a reader refuses any other.
pub(crate) const VERSION: u32 = 1;

/// Bytes before the first record: magic, version, and a reserved word of zero.
pub(crate) const PRELUDE_SIZE: usize = 16;

/// Tag of the first record: who made the stream, of what.
pub(crate) const TAG_HEADER: u16 = 1;
/// Tag of what a destination compares with itself; a later one replaces it.
pub(crate) const TAG_PRECOPY: u16 = 2;
/// Tag of everything else.
pub(crate) const TAG_STATE: u16 = 3;
/// Tag of the last record, the checksum of all bytes before it.
pub(crate) const TAG_END: u16 = 4;

/// Largest payload of a PRECOPY or STATE record (`VFIO_MEDIATE_MAX_STATE`).
pub(crate) const MAX_STATE: usize = 1 << 20;

/// Largest stream: PRECOPY records may come again while a device is pre-copied.
pub(crate) const MAX_STREAM: u64 = 8 << 20;

/// Longest provider name (`VFIO_MEDIATE_MAX_NAME`).
pub(crate) const MAX_NAME: usize = 31;

/// Bytes of the HEADER record's payload before the provider's name.
pub(crate) const IDENTITY_SIZE: usize = 8;

/// Bytes of the END record's payload.
pub(crate) const END_SIZE: usize = 4;

/// What a stream is of.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Identity<'a> {
    /// The interface version between mediator and provider; stated, not compared.
    pub(crate) abi_version: u32,
    /// PCI vendor id of the VF.
    pub(crate) vendor: u16,
    /// PCI device id of the VF.
    pub(crate) device: u16,
    /// The provider's name.
    pub(crate) provider: &'a [u8],
}

impl<'a> Identity<'a> {
    /// Reads the payload of a HEADER record; `None` if it is malformed.
    pub(crate) fn parse(payload: &'a [u8]) -> Option<Self> {
        let (fixed, provider) = payload.split_first_chunk::<IDENTITY_SIZE>()?;
        let [a0, a1, a2, a3, v0, v1, d0, d1] = *fixed;
        (!provider.is_empty() && provider.len() <= MAX_NAME).then_some(Self {
            abi_version: u32::from_le_bytes([a0, a1, a2, a3]),
            vendor: u16::from_le_bytes([v0, v1]),
            device: u16::from_le_bytes([d0, d1]),
            provider,
        })
    }

    /// The bytes before the name of the payload of a HEADER record.
    fn encode(&self) -> [u8; IDENTITY_SIZE] {
        let [a0, a1, a2, a3] = self.abi_version.to_le_bytes();
        let [v0, v1] = self.vendor.to_le_bytes();
        let [d0, d1] = self.device.to_le_bytes();
        [a0, a1, a2, a3, v0, v1, d0, d1]
    }
}

/// Where a stream is written to.
pub(crate) trait Output {
    /// Why bytes are not taken.
    type Error;

    /// Appends the parts one after another, all of them or nothing.
    fn append(&mut self, parts: &[&[u8]]) -> Result<(), Self::Error>;
}

/// Bytes of a record with a payload of `payload` bytes; saturates.
pub(crate) fn record_size(payload: usize) -> u64 {
    u64::try_from(payload)
        .unwrap_or(u64::MAX)
        .saturating_add(HEADER_SIZE_U64)
}

const HEADER_SIZE_U64: u64 = 8;
const _: () = assert!(HEADER_SIZE == 8);

/// Bytes of everything but the PRECOPY and STATE records of a stream.
pub(crate) fn frame_size(provider: &[u8]) -> u64 {
    record_size(IDENTITY_SIZE.saturating_add(provider.len()))
        .saturating_add(record_size(END_SIZE))
        .saturating_add(PRELUDE_SIZE_U64)
}

const PRELUDE_SIZE_U64: u64 = 16;
const _: () = assert!(PRELUDE_SIZE == 16);

/// Why a record is not written.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum WriteFault<E> {
    /// It, or the stream with it, would be too large.
    TooLarge,
    /// The output does not take it.
    Output(E),
}

/// Writes one stream.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Writer {
    crc: Crc32,
    total: u64,
}

impl Writer {
    /// Begins a stream of `identity`.
    pub(crate) fn begin<O: Output>(
        out: &mut O,
        identity: &Identity<'_>,
    ) -> Result<Self, WriteFault<O::Error>> {
        let mut writer = Self {
            crc: Crc32::new(),
            total: 0,
        };
        let [v0, v1, v2, v3] = VERSION.to_le_bytes();
        writer.emit(out, &[&MAGIC, &[v0, v1, v2, v3, 0, 0, 0, 0]])?;
        writer.record(out, TAG_HEADER, &[&identity.encode(), identity.provider])?;
        Ok(writer)
    }

    /// Bytes written so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Whether a further PRECOPY record, and then `rest` bytes, fit for certain.
    pub(crate) fn has_room(&self, rest: u64) -> bool {
        rest.checked_mul(2)
            .and_then(|twice| twice.checked_add(self.total))
            .is_some_and(|total| total <= MAX_STREAM)
    }

    /// Adds a PRECOPY record.
    pub(crate) fn pre_copy<O: Output>(
        &mut self,
        out: &mut O,
        state: &[u8],
    ) -> Result<(), WriteFault<O::Error>> {
        self.record(out, TAG_PRECOPY, &[state, &[]])
    }

    /// Adds the STATE record and ends the stream.
    pub(crate) fn finish<O: Output>(
        &mut self,
        out: &mut O,
        state: &[u8],
    ) -> Result<(), WriteFault<O::Error>> {
        self.record(out, TAG_STATE, &[state, &[]])?;
        let crc = self.crc.value().to_le_bytes();
        self.record(out, TAG_END, &[&crc, &[]])
    }

    fn record<O: Output>(
        &mut self,
        out: &mut O,
        tag: u16,
        payload: &[&[u8]; 2],
    ) -> Result<(), WriteFault<O::Error>> {
        let [first, second] = *payload;
        let size = first.len().saturating_add(second.len());
        let size = u32::try_from(size).map_err(|_| WriteFault::TooLarge)?;
        if usize::try_from(size).map_or(true, |size| size > MAX_STATE) {
            return Err(WriteFault::TooLarge);
        }
        let header = Header {
            tag,
            optional: false,
            size,
        };
        self.emit(out, &[&header.encode(), first, second])
    }

    fn emit<O: Output>(
        &mut self,
        out: &mut O,
        parts: &[&[u8]],
    ) -> Result<(), WriteFault<O::Error>> {
        let mut total = self.total;
        for part in parts {
            let len = u64::try_from(part.len()).map_err(|_| WriteFault::TooLarge)?;
            total = total.checked_add(len).ok_or(WriteFault::TooLarge)?;
        }
        if total > MAX_STREAM {
            return Err(WriteFault::TooLarge);
        }
        out.append(parts).map_err(WriteFault::Output)?;
        for part in parts {
            self.crc.update(part);
        }
        self.total = total;
        Ok(())
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_stream))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::*;

    const IDENTITY: Identity<'static> = Identity {
        abi_version: 2,
        vendor: 0x1af4,
        device: 0x1041,
        provider: b"some",
    };

    /// A fixed buffer.
    struct Buffer {
        bytes: [u8; 96],
        used: usize,
    }

    impl Output for Buffer {
        type Error = ();

        fn append(&mut self, parts: &[&[u8]]) -> Result<(), ()> {
            let size: usize = parts.iter().map(|part| part.len()).sum();
            if size > self.bytes.len() - self.used {
                return Err(());
            }
            for part in parts {
                self.bytes[self.used..self.used + part.len()].copy_from_slice(part);
                self.used += part.len();
            }
            Ok(())
        }
    }

    fn empty() -> Buffer {
        Buffer {
            bytes: [0; 96],
            used: 0,
        }
    }

    #[test]
    fn a_stream_is_laid_out_as_documented() {
        let mut out = empty();
        let writer = Writer::begin(&mut out, &IDENTITY);
        assert!(writer.is_ok());
        if let Ok(mut writer) = writer {
            assert_eq!(writer.pre_copy(&mut out, &[0xaa]), Ok(()));
            assert_eq!(writer.finish(&mut out, &[0xbb, 0xcc]), Ok(()));
            assert_eq!(writer.total(), 67);
        }
        let expected = [
            0x89, b'V', b'F', b'M', 13, 10, 26, 10, 1, 0, 0, 0, 0, 0, 0, 0, //
            1, 0, 0, 0, 12, 0, 0, 0, 2, 0, 0, 0, 0xf4, 0x1a, 0x41, 0x10, //
            b's', b'o', b'm', b'e', //
            2, 0, 0, 0, 1, 0, 0, 0, 0xaa, //
            3, 0, 0, 0, 2, 0, 0, 0, 0xbb, 0xcc, //
            4, 0, 0, 0, 4, 0, 0, 0,
        ];
        assert_eq!(out.bytes[..expected.len()], expected);
        let mut crc = Crc32::new();
        crc.update(&expected[..55]);
        assert_eq!(out.bytes[63..67], crc.value().to_le_bytes());
        assert_eq!(out.used, 67);
        assert_eq!(frame_size(b"some") + record_size(1) + record_size(2), 67);
    }

    #[test]
    fn what_the_output_refuses_does_not_count() {
        let mut out = empty();
        if let Ok(mut writer) = Writer::begin(&mut out, &IDENTITY) {
            let total = writer.total();
            let refused = Err(WriteFault::Output(()));
            assert_eq!(writer.pre_copy(&mut out, &[0; 96]), refused);
            assert_eq!(writer.total(), total);
        }
    }

    #[test]
    fn malformed_identities_are_refused() {
        assert_eq!(Identity::parse(&[0; 8]), None);
        assert_eq!(Identity::parse(&[0; 8 + MAX_NAME + 1]), None);
        assert!(Identity::parse(&[0; 8 + MAX_NAME]).is_some());
    }
}
