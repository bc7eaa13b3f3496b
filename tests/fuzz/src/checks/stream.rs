// SPDX-License-Identifier: GPL-2.0

//! The whole loader: a stream in pieces of any size through the mediator's
//! parser, and the states in it through the provider.

use super::state::load_any;
use crate::{
    crc32::Crc32,
    input::Input,
    record::{Record, Records, Writer},
    stream::{Identity, IDENTITY_SIZE, MAX_STATE, PRELUDE_SIZE, TAG_END, TAG_HEADER},
    stream_fault::Fault,
    stream_parser::{Event, Kind, Parser},
};

const HERE: Identity<'static> = Identity {
    abi_version: 2,
    vendor: 0x8086,
    device: 0x10ca,
    provider: b"igb_rs",
};

/// How the input is to be completed, so that what lies behind checks that random
/// bytes never pass is reached too.
const PRELUDE: u8 = 1;
const SEAL: u8 = 2;

fn put(bytes: &mut Vec<u8>, tag: u16, payload: &[u8]) {
    let mut record = vec![0; 8 + payload.len()];
    let put = Writer::new(&mut record).put(&Record {
        tag,
        optional: false,
        payload,
    });
    assert_eq!(put, Ok(()));
    bytes.extend(record);
}

/// The input as a stream.
fn complete(how: u8, body: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(body.len() + 64);
    if how & PRELUDE != 0 {
        bytes.extend(crate::stream::MAGIC);
        bytes.extend([1, 0, 0, 0, 0, 0, 0, 0]);
        let mut identity = vec![2, 0, 0, 0, 0x86, 0x80, 0xca, 0x10];
        assert_eq!(identity.len(), IDENTITY_SIZE);
        identity.extend(HERE.provider);
        put(&mut bytes, TAG_HEADER, &identity);
    }
    bytes.extend(body);
    if how & SEAL != 0 {
        let mut crc = Crc32::new();
        crc.update(&bytes);
        put(&mut bytes, TAG_END, &crc.value().to_le_bytes());
    }
    bytes
}

/// What a stream gave: its states in order, and how it ended.
#[derive(Debug, Eq, PartialEq)]
struct Outcome {
    states: Vec<(Kind, Vec<u8>)>,
    end: Result<bool, Fault>,
}

/// Parses in pieces of at most `piece` bytes. Events must come as documented.
fn parse(bytes: &[u8], piece: usize) -> Outcome {
    let mut parser = Parser::new();
    let mut states: Vec<(Kind, Vec<u8>)> = Vec::new();
    let (mut open, mut fed, mut ended) = (None, 0u64, false);
    for chunk in bytes.chunks(piece) {
        let mut rest = chunk;
        loop {
            let (used, event) = match parser.feed(rest, &HERE) {
                Ok(answer) => answer,
                Err(fault) => {
                    return Outcome {
                        states,
                        end: Err(fault),
                    }
                }
            };
            assert!(!ended || used == 0, "bytes behind the end were taken");
            assert!(
                used > 0 || event.is_some() || rest.is_empty(),
                "it stands still"
            );
            rest = &rest[used..];
            fed += used as u64;
            assert_eq!(parser.total(), fed);
            match event {
                None => {
                    assert!(rest.is_empty(), "input is left, and nothing was said");
                    break;
                }
                Some(Event::Begin(kind, size)) => {
                    assert!(open.is_none() && size <= MAX_STATE);
                    open = Some((kind, size));
                    states.push((kind, Vec::new()));
                }
                Some(Event::Data(kind, data)) => {
                    let (last, bytes) = states.last_mut().expect("data of a state that began");
                    assert!(*last == kind && !data.is_empty());
                    bytes.extend(data);
                    assert!(open.is_some_and(|(kind, size)| kind == *last && bytes.len() <= size));
                }
                Some(Event::Complete(kind)) => {
                    let size = states.last().map(|(_, bytes)| bytes.len());
                    assert_eq!(open.take(), size.map(|size| (kind, size)));
                }
                Some(Event::End) => {
                    assert!(open.is_none() && !ended);
                    ended = true;
                }
            }
        }
    }
    assert_eq!(parser.is_done(), ended);
    Outcome {
        states,
        end: Ok(ended),
    }
}

/// A stream that was taken is what its records say.
fn judge_whole(bytes: &[u8], outcome: &Outcome) {
    let (body, end) = bytes.split_at(bytes.len() - 12);
    let mut crc = Crc32::new();
    crc.update(body);
    assert_eq!(end[8..], crc.value().to_le_bytes());
    let states = outcome.states.iter();
    assert!(outcome.states.len() >= 2);
    let finals: Vec<_> = states
        .clone()
        .map(|(kind, _)| *kind == Kind::State)
        .collect();
    assert!(finals.iter().rposition(|&is| !is) < finals.iter().position(|&is| is));
    let mut payloads = states.map(|(_, bytes)| bytes.as_slice());
    for record in Records::new(&bytes[PRELUDE_SIZE..]) {
        let record = record.expect("records of a stream that was taken");
        if matches!(record.tag, 2 | 3) {
            assert_eq!(payloads.next(), Some(record.payload));
        }
    }
    assert_eq!(payloads.next(), None);
}

/// Two bytes say how the input is completed and cut, a third what the
/// administrator has set; the rest is the stream.
pub fn stream(data: &[u8]) {
    let mut input = Input(data);
    let (how, cut, settings) = (input.byte(), input.byte(), input.byte());
    let bytes = complete(how, input.take(usize::MAX));
    let whole = parse(&bytes, bytes.len().max(1));
    let pieces = parse(&bytes, usize::from(cut) + 1);
    assert_eq!(whole.end, pieces.end, "it matters how a stream is cut");
    if whole.end.is_ok() {
        assert_eq!(whole.states, pieces.states);
    }
    if whole.end == Ok(true) {
        judge_whole(&bytes, &whole);
    }
    for (kind, state) in &whole.states {
        load_any(settings, state, *kind == Kind::State);
    }
}
