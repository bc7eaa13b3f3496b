// SPDX-License-Identifier: GPL-2.0

//! Properties of the migration stream and the state machine that hold for any
//! input, hostile ones included.

use crate::{
    crc32::Crc32,
    migration::{next, Next, State},
    stream::{Identity, Output, Writer, MAX_STATE, MAX_STREAM},
    stream_fault::Fault,
    stream_parser::{Event, Kind, Parser},
};
use proptest::prelude::*;

impl Output for Vec<u8> {
    type Error = ();

    fn append(&mut self, parts: &[&[u8]]) -> Result<(), ()> {
        for part in parts {
            self.extend_from_slice(part);
        }
        Ok(())
    }
}

const HERE: Identity<'static> = Identity {
    abi_version: 2,
    vendor: 0x8086,
    device: 0x10ca,
    provider: b"igb_rs",
};

/// What a reader made of a stream.
#[derive(Debug, Default, PartialEq)]
struct Found {
    pre_copies: Vec<Vec<u8>>,
    states: Vec<Vec<u8>>,
    done: bool,
}

/// Feeds `bytes` cut at `cuts`.
fn read(bytes: &[u8], cuts: &[usize]) -> Result<Found, Fault> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.extend([0, bytes.len()]);
    cuts.sort_unstable();
    let mut parser = Parser::new();
    let mut found = Found::default();
    let mut payload = Vec::new();
    let mut expected = 0;
    for piece in cuts.windows(2) {
        let mut rest = &bytes[piece[0]..piece[1]];
        loop {
            let (used, event) = parser.feed(rest, &HERE)?;
            rest = &rest[used..];
            match event {
                None => break,
                Some(Event::Begin(_, size)) => {
                    assert!(size <= MAX_STATE);
                    expected = size;
                    payload.clear();
                }
                Some(Event::Data(_, data)) => payload.extend_from_slice(data),
                Some(Event::Complete(kind)) => {
                    assert_eq!(payload.len(), expected);
                    match kind {
                        Kind::PreCopy => found.pre_copies.push(payload.clone()),
                        Kind::State => found.states.push(payload.clone()),
                    }
                }
                Some(Event::End) => found.done = true,
            }
        }
        assert!(rest.is_empty());
    }
    assert_eq!(found.done, parser.is_done());
    assert_eq!(parser.total(), bytes.len() as u64);
    Ok(found)
}

fn blob() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..200)
}

fn written(pre_copies: &[Vec<u8>], state: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, &HERE).unwrap();
    for pre_copy in pre_copies {
        writer.pre_copy(&mut bytes, pre_copy).unwrap();
    }
    writer.finish(&mut bytes, state).unwrap();
    assert_eq!(writer.total(), bytes.len() as u64);
    bytes
}

/// One change to a stream.
#[derive(Clone, Debug)]
enum Change {
    Set(usize, u8),
    Insert(usize, Vec<u8>),
    Remove(usize, usize),
    Swap(usize, usize, usize),
}

fn change() -> impl Strategy<Value = Change> {
    let at = any::<usize>();
    prop_oneof![
        (at, any::<u8>()).prop_map(|(at, value)| Change::Set(at, value)),
        (at, blob()).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        (at, 0usize..64).prop_map(|(at, len)| Change::Remove(at, len)),
        (at, at, 0usize..32).prop_map(|(a, b, len)| Change::Swap(a, b, len)),
    ]
}

fn apply(bytes: &mut Vec<u8>, change: &Change) {
    let end = bytes.len();
    if end == 0 {
        return;
    }
    match change {
        Change::Set(at, value) => bytes[at % end] = *value,
        Change::Insert(at, more) => {
            let at = at % end;
            bytes.splice(at..at, more.iter().copied());
        }
        Change::Remove(at, len) => {
            let at = at % end;
            bytes.drain(at..(at + len).min(end));
        }
        Change::Swap(a, b, len) => {
            for i in 0..*len {
                bytes.swap((a % end + i) % end, (b % end + i) % end);
            }
        }
    }
}

/// Puts the right checksum at the end, so that a change gets past that check.
fn mend(bytes: &mut [u8]) {
    if let Some(body) = bytes.len().checked_sub(12) {
        let mut crc = Crc32::new();
        crc.update(&bytes[..body]);
        bytes[body + 8..].copy_from_slice(&crc.value().to_le_bytes());
    }
}

proptest! {
    /// What is written is read, whatever the pieces it arrives in.
    #[test]
    fn written_streams_are_read(
        pre_copies in prop::collection::vec(blob(), 1..5),
        state in blob(),
        cuts in prop::collection::vec(any::<usize>(), 0..20),
    ) {
        let bytes = written(&pre_copies, &state);
        let found = read(&bytes, &cuts);
        let expected = Found { pre_copies, states: vec![state], done: true };
        prop_assert_eq!(found, Ok(expected));
    }

    /// A stream that was changed is refused, not whole, or the same.
    #[test]
    fn changed_streams_are_noticed(
        pre_copies in prop::collection::vec(blob(), 1..3),
        state in blob(),
        changes in prop::collection::vec(change(), 1..4),
        cuts in prop::collection::vec(any::<usize>(), 0..5),
    ) {
        let good = written(&pre_copies, &state);
        let mut bytes = good.clone();
        for change in &changes {
            apply(&mut bytes, change);
        }
        if let Ok(found) = read(&bytes, &cuts) {
            prop_assert!(!found.done || bytes == good);
        }
    }

    /// A changed stream with a right checksum is read in order or refused, the
    /// same way whatever the pieces.
    #[test]
    fn forged_streams_are_read_alike(
        state in blob(),
        changes in prop::collection::vec(change(), 1..4),
        cuts in prop::collection::vec(any::<usize>(), 0..9),
    ) {
        let mut bytes = written(&[vec![1, 2, 3]], &state);
        for change in &changes {
            apply(&mut bytes, change);
        }
        mend(&mut bytes);
        let whole = read(&bytes, &[]);
        prop_assert_eq!(&read(&bytes, &cuts), &whole);
        if let Ok(found) = whole {
            if found.done {
                prop_assert_eq!(found.states.len(), 1);
                prop_assert!(!found.pre_copies.is_empty());
            }
        }
    }

    /// Any bytes at all are refused or not whole.
    #[test]
    fn noise_is_refused(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(found) = read(&bytes, &[]) {
            prop_assert!(!found.done);
        }
    }

    /// From any state each other state is reached, or refused at once.
    #[test]
    fn every_request_ends(start in 0u32..8, goals in prop::collection::vec(0u32..8, 1..20)) {
        let mut at = State::from_raw(start).unwrap();
        for goal in goals {
            let goal = State::from_raw(goal).unwrap();
            let before = at;
            let mut steps = 0;
            let refused = loop {
                match next(at, goal) {
                    Next::Arrived => break false,
                    Next::Refused => break true,
                    Next::Go(step) => at = step.to,
                }
                steps += 1;
                prop_assert!(steps < 8);
            };
            let expected = if refused { before } else { goal };
            prop_assert_eq!(at, expected);
        }
    }
}

/// A writer stops where a reader would.
#[test]
fn a_stream_has_a_largest_size() {
    let mut bytes = Vec::new();
    let mut writer = Writer::begin(&mut bytes, &HERE).unwrap();
    let state = vec![0; MAX_STATE];
    assert!(writer
        .pre_copy(&mut bytes, &vec![0; MAX_STATE + 1])
        .is_err());
    while writer.pre_copy(&mut bytes, &state).is_ok() {
        assert!(bytes.len() as u64 <= MAX_STREAM);
    }
    assert!(bytes.len() as u64 + MAX_STATE as u64 + 8 > MAX_STREAM);
    assert!(writer.finish(&mut bytes, &state).is_err());
    assert_eq!(read(&bytes, &[]).map(|found| found.done), Ok(false));
}
