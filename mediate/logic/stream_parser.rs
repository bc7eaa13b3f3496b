// SPDX-License-Identifier: GPL-2.0

//! Reads a migration stream that arrives in pieces of any size. Pure, and without
//! allocation: payloads are handed on, to whoever wants to keep them.
//!
//! Whatever arrives is hostile until the END record has been seen.

use super::{
    crc32::Crc32,
    record::{
        Header,
        RecordFault,
        HEADER_SIZE, //
    },
    stream::{
        Identity,
        END_SIZE,
        IDENTITY_SIZE,
        MAGIC,
        MAX_NAME,
        MAX_STATE,
        MAX_STREAM,
        PRELUDE_SIZE,
        TAG_END,
        TAG_HEADER,
        TAG_PRECOPY,
        TAG_STATE,
        VERSION, //
    },
    stream_fault::Fault,
};

/// Longest piece that is gathered here: the payload of a HEADER record.
const GATHER: usize = IDENTITY_SIZE + MAX_NAME;

/// One of a provider's states in the stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Kind {
    /// What is compared; a later one replaces it.
    PreCopy,
    /// Everything else.
    State,
}

/// What was found.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Event<'i> {
    /// A state of so many bytes begins.
    Begin(Kind, usize),
    /// Its next bytes.
    Data(Kind, &'i [u8]),
    /// All of it has been handed on.
    Complete(Kind),
    /// The stream is whole and its checksum right.
    End,
}

/// What the next bytes are.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Stage {
    /// Magic, version and reserved word.
    Prelude,
    /// A record's header.
    Record,
    /// The payload of the HEADER record, of so many bytes.
    Identity(usize),
    /// The payload of the END record.
    End,
    /// So many further bytes of a state.
    State(Kind, usize),
    /// So many further bytes of a record that is skipped.
    Skip(usize),
    /// Nothing: the stream has ended.
    Done,
}

/// What of a stream there was so far.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Seen {
    Nothing,
    Header,
    PreCopy,
    State,
}

/// Reads one stream.
#[derive(Clone, Debug)]
pub(crate) struct Parser {
    stage: Stage,
    seen: Seen,
    /// Bytes so far.
    total: u64,
    /// Checksum of all bytes so far.
    crc: Crc32,
    /// Checksum of all bytes before the current record.
    crc_before: Crc32,
    gathered: [u8; GATHER],
    have: usize,
}

impl Parser {
    /// Waits for the first byte.
    pub(crate) fn new() -> Self {
        Self {
            stage: Stage::Prelude,
            seen: Seen::Nothing,
            total: 0,
            crc: Crc32::new(),
            crc_before: Crc32::new(),
            gathered: [0; GATHER],
            have: 0,
        }
    }

    /// Bytes read so far.
    pub(crate) fn total(&self) -> u64 {
        self.total
    }

    /// Whether the stream is whole.
    pub(crate) fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    /// Reads from the start of `input`, which goes on where the last call stopped,
    /// up to the next event; `here` is what the stream must be of. Answers how
    /// many bytes were used, and the event unless more input is needed. After a
    /// fault the parser must not be used again.
    pub(crate) fn feed<'i>(
        &mut self,
        mut input: &'i [u8],
        here: &Identity<'_>,
    ) -> Result<(usize, Option<Event<'i>>), Fault> {
        let all = input.len();
        loop {
            let event = self.step(&mut input, here)?;
            if event.is_some() || (input.is_empty() && !self.has_work()) {
                return Ok((all - input.len(), event));
            }
        }
    }

    /// Whether something is left to be said without further input.
    fn has_work(&self) -> bool {
        matches!(self.stage, Stage::State(_, 0) | Stage::Skip(0))
    }

    fn step<'i>(
        &mut self,
        input: &mut &'i [u8],
        here: &Identity<'_>,
    ) -> Result<Option<Event<'i>>, Fault> {
        match self.stage {
            Stage::Prelude => {
                if self.gather(input, PRELUDE_SIZE)? {
                    self.prelude()?;
                    self.begin_record();
                }
                Ok(None)
            }
            Stage::Record => {
                if self.gather(input, HEADER_SIZE)? {
                    return self.record();
                }
                Ok(None)
            }
            Stage::Identity(size) => {
                if self.gather(input, size)? {
                    self.identity(size, here)?;
                    self.begin_record();
                }
                Ok(None)
            }
            Stage::End => {
                if self.gather(input, END_SIZE)? {
                    self.end()?;
                    return Ok(Some(Event::End));
                }
                Ok(None)
            }
            Stage::State(kind, 0) => {
                self.begin_record();
                Ok(Some(Event::Complete(kind)))
            }
            Stage::State(kind, left) => {
                let bytes = self.take(input, left)?;
                self.stage = Stage::State(kind, left - bytes.len());
                Ok((!bytes.is_empty()).then_some(Event::Data(kind, bytes)))
            }
            Stage::Skip(0) => {
                self.begin_record();
                Ok(None)
            }
            Stage::Skip(left) => {
                let bytes = self.take(input, left)?;
                self.stage = Stage::Skip(left - bytes.len());
                Ok(None)
            }
            Stage::Done if input.is_empty() => Ok(None),
            Stage::Done => Err(Fault::Trailing),
        }
    }

    /// Uses up to `most` bytes of the input.
    fn take<'i>(&mut self, input: &mut &'i [u8], most: usize) -> Result<&'i [u8], Fault> {
        let (bytes, rest) = input.split_at(most.min(input.len()));
        let len = u64::try_from(bytes.len()).map_err(|_| Fault::TooLong)?;
        let total = self.total.checked_add(len).ok_or(Fault::TooLong)?;
        if total > MAX_STREAM {
            return Err(Fault::TooLong);
        }
        self.total = total;
        self.crc.update(bytes);
        *input = rest;
        Ok(bytes)
    }

    /// Gathers `size` bytes, at most [`GATHER`]; whether all are there.
    fn gather(&mut self, input: &mut &[u8], size: usize) -> Result<bool, Fault> {
        let missing = size.saturating_sub(self.have);
        let bytes = self.take(input, missing)?;
        let end = self.have.saturating_add(bytes.len());
        if let Some(room) = self.gathered.get_mut(self.have..end) {
            room.copy_from_slice(bytes);
        }
        self.have = end;
        Ok(end >= size)
    }

    /// What was gathered, which begins anew.
    fn gathered<const N: usize>(&mut self) -> [u8; N] {
        self.have = 0;
        self.gathered.first_chunk().copied().unwrap_or([0; N])
    }

    fn begin_record(&mut self) {
        self.crc_before = self.crc;
        self.have = 0;
        self.stage = Stage::Record;
    }

    fn prelude(&mut self) -> Result<(), Fault> {
        let bytes: [u8; PRELUDE_SIZE] = self.gathered();
        let [m0, m1, m2, m3, m4, m5, m6, m7, v0, v1, v2, v3, reserved @ ..] = bytes;
        if [m0, m1, m2, m3, m4, m5, m6, m7] != MAGIC {
            return Err(Fault::Magic);
        }
        let version = u32::from_le_bytes([v0, v1, v2, v3]);
        if version != VERSION {
            return Err(Fault::Version(version));
        }
        if reserved != [0; 4] {
            return Err(Fault::Reserved);
        }
        Ok(())
    }

    /// Judges a record's header, and goes on to its payload.
    fn record<'i>(&mut self) -> Result<Option<Event<'i>>, Fault> {
        let header = Header::parse(self.gathered()).map_err(|fault| match fault {
            RecordFault::UnknownFlags(flags) => Fault::Flags(flags),
            RecordFault::Truncated | RecordFault::NoRoom => Fault::Header,
        })?;
        let Header {
            tag,
            optional,
            size: raw_size,
        } = header;
        let fault = Fault::Size(tag, raw_size);
        let size = usize::try_from(raw_size).map_err(|_| fault)?;
        if optional && (TAG_HEADER..=TAG_END).contains(&tag) {
            return Err(Fault::Flags(1));
        }
        match (tag, self.seen) {
            (TAG_HEADER, Seen::Nothing) => {
                if size <= IDENTITY_SIZE || size > GATHER {
                    return Err(fault);
                }
                self.seen = Seen::Header;
                self.stage = Stage::Identity(size);
                Ok(None)
            }
            (TAG_PRECOPY, Seen::Header | Seen::PreCopy) => {
                self.seen = Seen::PreCopy;
                self.begin_state(Kind::PreCopy, size).ok_or(fault).map(Some)
            }
            (TAG_STATE, Seen::PreCopy) => {
                self.seen = Seen::State;
                self.begin_state(Kind::State, size).ok_or(fault).map(Some)
            }
            (TAG_END, Seen::State) => {
                if size != END_SIZE {
                    return Err(fault);
                }
                self.stage = Stage::End;
                Ok(None)
            }
            (TAG_HEADER | TAG_PRECOPY | TAG_STATE | TAG_END, _) => Err(Fault::Order(tag)),
            // Nothing may come before the HEADER, skipped or not.
            (_, Seen::Nothing) => Err(Fault::Order(tag)),
            _ if optional => {
                self.stage = Stage::Skip(size);
                Ok(None)
            }
            _ => Err(Fault::Unknown(tag)),
        }
    }

    fn begin_state<'i>(&mut self, kind: Kind, size: usize) -> Option<Event<'i>> {
        self.stage = Stage::State(kind, size);
        (size <= MAX_STATE).then_some(Event::Begin(kind, size))
    }

    fn identity(&mut self, size: usize, here: &Identity<'_>) -> Result<(), Fault> {
        let bytes: [u8; GATHER] = self.gathered();
        let payload = bytes.get(..size).ok_or(Fault::Header)?;
        let there = Identity::parse(payload).ok_or(Fault::Header)?;
        if there.provider != here.provider {
            return Err(Fault::OtherProvider);
        }
        if (there.vendor, there.device) != (here.vendor, here.device) {
            return Err(Fault::OtherDevice(there.vendor, there.device));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<(), Fault> {
        let bytes: [u8; END_SIZE] = self.gathered();
        if u32::from_le_bytes(bytes) != self.crc_before.value() {
            return Err(Fault::Checksum);
        }
        self.stage = Stage::Done;
        Ok(())
    }
}

#[cfg_attr(kunit_module, kernel::prelude::kunit_tests(mediate_stream_parser))]
#[cfg(any(test, kunit_module))]
mod tests {
    use super::super::stream::{Output, Writer};
    use super::*;

    const HERE: Identity<'static> = Identity {
        abi_version: 2,
        vendor: 0x1af4,
        device: 0x1041,
        provider: b"any",
    };

    struct Buffer {
        bytes: [u8; 128],
        used: usize,
    }

    impl Output for Buffer {
        type Error = ();

        fn append(&mut self, parts: &[&[u8]]) -> Result<(), ()> {
            for part in parts {
                let end = self.used + part.len();
                let room = self.bytes.get_mut(self.used..end).ok_or(())?;
                room.copy_from_slice(part);
                self.used = end;
            }
            Ok(())
        }
    }

    /// A stream with a repeated PRECOPY record.
    fn stream() -> Buffer {
        let mut out = Buffer {
            bytes: [0; 128],
            used: 0,
        };
        if let Ok(mut writer) = Writer::begin(&mut out, &HERE) {
            assert_eq!(writer.pre_copy(&mut out, b"first"), Ok(()));
            assert_eq!(writer.pre_copy(&mut out, b"again"), Ok(()));
            assert_eq!(writer.finish(&mut out, b"final state"), Ok(()));
        }
        out
    }

    /// Offsets in `stream()`.
    const AT_HEADER: usize = 16;
    const AT_FIRST: usize = AT_HEADER + 8 + 11;
    const AT_STATE: usize = AT_FIRST + 2 * (8 + 5);
    const AT_END: usize = AT_STATE + 8 + 11;

    /// Feeds `bytes` in pieces of `piece`; answers the last state that was
    /// complete of each kind, and the outcome.
    fn run(bytes: &[u8], piece: usize, here: &Identity<'_>) -> (usize, usize, Result<bool, Fault>) {
        let mut parser = Parser::new();
        let (mut pre_copies, mut states) = (0, 0);
        for chunk in bytes.chunks(piece) {
            let mut rest = chunk;
            loop {
                match parser.feed(rest, here) {
                    Err(fault) => return (pre_copies, states, Err(fault)),
                    Ok((used, event)) => {
                        rest = &rest[used..];
                        match event {
                            None => break,
                            Some(Event::Complete(Kind::PreCopy)) => pre_copies += 1,
                            Some(Event::Complete(Kind::State)) => states += 1,
                            Some(_) => (),
                        }
                    }
                }
            }
        }
        (pre_copies, states, Ok(parser.is_done()))
    }

    #[test]
    fn pieces_of_any_size_are_read() {
        let stream = stream();
        for piece in 1..=stream.used {
            let found = run(&stream.bytes[..stream.used], piece, &HERE);
            assert_eq!(found, (2, 1, Ok(true)));
        }
    }

    #[test]
    fn a_cut_stream_is_not_done() {
        let stream = stream();
        for len in 0..stream.used {
            let (_, _, outcome) = run(&stream.bytes[..len], 7, &HERE);
            assert_eq!(outcome, Ok(false));
        }
    }

    #[test]
    fn every_changed_byte_is_noticed() {
        let stream = stream();
        for at in 0..stream.used {
            for flip in [1, 0x80] {
                let mut bytes = stream.bytes;
                bytes[at] ^= flip;
                let (_, _, outcome) = run(&bytes[..stream.used], 5, &HERE);
                assert!(outcome != Ok(true));
            }
        }
    }

    #[test]
    fn faults_are_told_apart() {
        let good = stream();
        let with = |at: usize, value: u8| {
            let mut bytes = good.bytes;
            bytes[at] = value;
            run(&bytes[..good.used], 9, &HERE).2
        };
        assert_eq!(with(0, 0), Err(Fault::Magic));
        assert_eq!(with(8, 9), Err(Fault::Version(9)));
        assert_eq!(with(15, 1), Err(Fault::Reserved));
        assert_eq!(with(AT_HEADER, 2), Err(Fault::Order(2)));
        assert_eq!(with(AT_HEADER + 1, 1), Err(Fault::Order(0x101)));
        assert_eq!(with(AT_HEADER + 2, 2), Err(Fault::Flags(2)));
        assert_eq!(with(AT_HEADER + 2, 1), Err(Fault::Flags(1)));
        assert_eq!(with(AT_HEADER + 4, 8), Err(Fault::Size(1, 8)));
        assert_eq!(
            with(AT_HEADER + 12, 0),
            Err(Fault::OtherDevice(0x1a00, 0x1041))
        );
        assert_eq!(with(AT_HEADER + 16, b'x'), Err(Fault::OtherProvider));
        assert_eq!(with(AT_FIRST, 3), Err(Fault::Order(3)));
        assert_eq!(with(AT_FIRST + 1, 7), Err(Fault::Unknown(0x702)));
        assert_eq!(with(AT_FIRST + 6, 0x11), Err(Fault::Size(2, 0x0011_0005)));
        assert_eq!(with(AT_STATE, 4), Err(Fault::Order(4)));
        assert_eq!(with(AT_STATE + 8, 0), Err(Fault::Checksum));
        assert_eq!(with(AT_END, 2), Err(Fault::Order(2)));
        assert_eq!(with(AT_END + 4, 5), Err(Fault::Size(4, 5)));
        let (_, _, outcome) = run(&good.bytes[..good.used + 1], 128, &HERE);
        assert_eq!(outcome, Err(Fault::Trailing));
        let mut elsewhere = HERE;
        elsewhere.device = 1;
        let (_, _, outcome) = run(&good.bytes[..good.used], 128, &elsewhere);
        assert_eq!(outcome, Err(Fault::OtherDevice(0x1af4, 0x1041)));
    }

    #[test]
    fn optional_records_are_skipped() {
        let good = stream();
        let (head, tail) = good.bytes[..good.used].split_at(AT_FIRST);
        let mut bytes = [0; 128];
        let added = [0x99, 0x99, 1, 0, 3, 0, 0, 0, 7, 7, 7];
        bytes[..head.len()].copy_from_slice(head);
        bytes[head.len()..][..added.len()].copy_from_slice(&added);
        bytes[head.len() + added.len()..][..tail.len()].copy_from_slice(tail);
        let end = AT_END + added.len();
        let mut crc = Crc32::new();
        crc.update(&bytes[..end]);
        bytes[end + 8..][..4].copy_from_slice(&crc.value().to_le_bytes());
        let (_, _, outcome) = run(&bytes[..good.used + added.len()], 6, &HERE);
        assert_eq!(outcome, Ok(true));
        // The same, but whoever does not know it must refuse it.
        bytes[head.len() + 2] = 0;
        let (_, _, outcome) = run(&bytes[..good.used + added.len()], 6, &HERE);
        assert_eq!(outcome, Err(Fault::Unknown(0x9999)));
    }

    #[test]
    fn a_stream_without_end_is_cut_off() {
        let good = stream();
        let mut parser = Parser::new();
        assert!(parser.feed(&good.bytes[..AT_FIRST], &HERE).is_ok());
        let mut outcome = Ok((0, None));
        let mut fed: u64 = 0;
        let optional = [0x99, 0x99, 1, 0, 120, 0, 0, 0];
        while outcome.is_ok() && fed < 2 * MAX_STREAM {
            outcome = parser.feed(&optional, &HERE);
            if outcome.is_ok() {
                outcome = parser.feed(&good.bytes[..120], &HERE);
            }
            fed += 128;
        }
        assert_eq!(outcome, Err(Fault::TooLong));
    }
}
