// SPDX-License-Identifier: GPL-2.0

//! Tagged records: whatever is read was there, and writing it gives it again.

use crate::record::{Header, Record, RecordFault, Records, Writer, HEADER_SIZE};

/// Any bytes as records.
pub fn record(data: &[u8]) {
    let mut copy = vec![0; data.len()];
    let mut writer = Writer::new(&mut copy);
    let mut fault = None;
    for item in Records::new(data) {
        assert!(fault.is_none(), "a record after a fault");
        match item {
            Ok(record) => assert_eq!(writer.put(&record), Ok(())),
            Err(found) => fault = Some(found),
        }
    }
    let read = writer.len();
    assert_eq!(copy[..read], data[..read]);
    let rest = &data[read..];
    match fault {
        None => assert!(rest.is_empty()),
        // Both are true of what follows the last whole record, and of nothing else.
        Some(RecordFault::UnknownFlags(flags)) => {
            assert!(flags > 1);
            assert_eq!(rest[2..4], flags.to_le_bytes());
        }
        Some(RecordFault::Truncated) => truncated(rest),
        Some(RecordFault::NoRoom) => panic!("reading needs no room"),
    }
}

/// `rest` really ends inside its first record.
fn truncated(rest: &[u8]) {
    let Some((head, payload)) = rest.split_first_chunk::<HEADER_SIZE>() else {
        return;
    };
    let header = Header::parse(*head).expect("flags come before sizes");
    assert_eq!(&header.encode(), head);
    let record = Record {
        tag: header.tag,
        optional: header.optional,
        payload,
    };
    assert!(record.payload.len() < header.size as usize);
}
