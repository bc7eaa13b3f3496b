// SPDX-License-Identifier: GPL-2.0

//! What `vfstate show` tells of a stream, and of broken ones.

use serde_json::json;
use vfstate::{layout, show, text};

const STREAM: &[u8] = include_bytes!("data/igb.vfstate");

/// The place of the record with a tag.
fn place(tag: u16) -> layout::Place {
    *layout::of_stream(STREAM)
        .0
        .iter()
        .find(|place| place.tag == tag)
        .unwrap()
}

#[test]
fn a_stream_is_shown_field_by_field() {
    let shown = show::stream(STREAM);
    assert!(show::is_whole(&shown));
    assert_eq!(shown["provider"], "igb_rs");
    assert_eq!(shown["device"], "8086:10ca");
    let names: Vec<_> = shown["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| &r["record"])
        .collect();
    assert_eq!(names, ["HEADER", "PRECOPY", "STATE", "END"]);
    let state = &shown["records"][2];
    assert_eq!(state["guest"]["mac"], "02:00:00:00:00:01");
    assert_eq!(state["guest"]["vlans"], json!([100, 200]));
    assert_eq!(state["administrator"]["trusted"], false);
    assert_eq!(state["rx"][0]["head"], 5);
    assert_eq!(state["tx"][1]["tdwba"], "0x10200001");
    assert_eq!(state["interrupts"]["eims"], 7);
    assert_eq!(state["statistics"]["gotc"], 3);
    assert_eq!(state["tx_contexts"][1], json!([null, null]));
}

#[test]
fn the_text_has_the_same_values() {
    let text = text::render(&show::stream(STREAM));
    assert!(text.contains("provider: igb_rs\n"));
    assert!(text.contains("        tail: 12\n"));
    assert!(text.contains("vlans: 100 200\n"));
}

#[test]
fn every_cut_and_every_changed_byte_is_told() {
    for len in 0..STREAM.len() {
        assert!(!show::is_whole(&show::stream(&STREAM[..len])));
        text::render(&show::stream(&STREAM[..len]));
    }
    let identity = place(layout::HEADER);
    for at in 0..STREAM.len() {
        let mut bytes = STREAM.to_vec();
        bytes[at] ^= 0x40;
        let shown = show::stream(&bytes);
        assert!(!show::is_whole(&shown), "byte {at}: {shown:#}");
        // Where it is, the rest can still be seen.
        if at > identity.end && at < place(layout::STATE).start {
            assert_eq!(shown["provider"], "igb_rs");
        }
    }
}

#[test]
fn a_state_that_cannot_be_decoded_is_shown_by_its_records() {
    let mut bytes = STREAM.to_vec();
    let state = place(layout::STATE);
    // A queue whose head is behind the end of its ring.
    let (records, _) = layout::records(&bytes, state.payload, state.end);
    let queue = records.iter().find(|record| record.tag == 4).unwrap();
    bytes[queue.payload + 13] = 0x40;
    layout::seal(&mut bytes);
    let shown = show::stream(&bytes);
    assert_eq!(shown["fault"], json!(null));
    assert!(!show::is_whole(&shown));
    assert_eq!(
        shown["records"][2]["fault"],
        "a queue has an impossible value"
    );
    assert_eq!(shown["records"][2]["records"][3]["tag"], 4);
}

#[test]
fn sealing_is_what_the_loader_checks() {
    let mut bytes = STREAM.to_vec();
    bytes[place(layout::STATE).payload + 40] ^= 1;
    assert!(show::stream(&bytes)["fault"].is_string());
    layout::seal(&mut bytes);
    assert_eq!(show::stream(&bytes)["fault"], json!(null));
    let mut whole = STREAM.to_vec();
    layout::seal(&mut whole);
    assert_eq!(whole, STREAM);
    // Nothing to seal, nothing done.
    let mut cut = STREAM[..40].to_vec();
    layout::seal(&mut cut);
    assert_eq!(cut, STREAM[..40]);
}
