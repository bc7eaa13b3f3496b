// SPDX-License-Identifier: GPL-2.0

//! A stream as JSON.

use crate::{
    igb, layout,
    stream::{Identity, MAGIC, PRELUDE_SIZE},
    stream_parser::{Event, Parser},
};
use serde_json::{json, Map, Value};

/// Name of the provider whose states are known here.
const IGB: &[u8] = b"igb_rs";

/// Two digits for each byte.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}"))
}

fn stream_tag(tag: u16) -> Value {
    match tag {
        layout::HEADER => json!("HEADER"),
        layout::PRECOPY => json!("PRECOPY"),
        layout::STATE => json!("STATE"),
        layout::END => json!("END"),
        tag => json!(tag),
    }
}

/// Whether a loader on a host with the same provider and device would take the
/// stream's frame, and if not, why.
fn verdict(bytes: &[u8], identity: &Identity<'_>) -> Result<(), String> {
    let mut parser = Parser::new();
    let mut rest = bytes;
    loop {
        let (used, event) = parser
            .feed(rest, identity)
            .map_err(|fault| fault.to_string())?;
        rest = &rest[used..];
        match event {
            Some(Event::End) if rest.is_empty() => return Ok(()),
            None if rest.is_empty() => return Err("it is cut short".into()),
            _ => {}
        }
    }
}

/// Everything that can be told of `bytes`.
pub fn stream(bytes: &[u8]) -> Value {
    let mut out = Map::new();
    out.insert("bytes".into(), json!(bytes.len()));
    if bytes.len() < PRELUDE_SIZE || bytes[..MAGIC.len()] != MAGIC {
        out.insert(
            "fault".into(),
            json!("it is not a migration stream of this driver"),
        );
        return Value::Object(out);
    }
    let version: [u8; 4] = [bytes[8], bytes[9], bytes[10], bytes[11]];
    out.insert("version".into(), json!(u32::from_le_bytes(version)));
    let (places, read) = layout::of_stream(bytes);
    let first = places.first().filter(|place| place.tag == layout::HEADER);
    let identity = first.and_then(|place| Identity::parse(&bytes[place.payload..place.end]));
    let known = identity
        .as_ref()
        .is_some_and(|identity| identity.provider == IGB);
    if let Some(identity) = &identity {
        out.insert(
            "provider".into(),
            json!(String::from_utf8_lossy(identity.provider)),
        );
        out.insert("abi_version".into(), json!(identity.abi_version));
        let device = format!("{:04x}:{:04x}", identity.vendor, identity.device);
        out.insert("device".into(), json!(device));
    }
    let fault = match &identity {
        None => Some("its HEADER record is missing or malformed".into()),
        Some(identity) => verdict(bytes, identity).err(),
    };
    out.insert("fault".into(), json!(fault));
    let mut records = Vec::new();
    for place in places {
        let payload = &bytes[place.payload..place.end];
        let mut record = Map::new();
        record.insert("record".into(), stream_tag(place.tag));
        record.insert("offset".into(), json!(place.start));
        record.insert("bytes".into(), json!(payload.len()));
        if place.optional {
            record.insert("optional".into(), json!(true));
        }
        match place.tag {
            layout::PRECOPY if known => igb::pre_copy(payload, &mut record),
            layout::STATE if known => igb::state(payload, &mut record),
            layout::HEADER => {}
            layout::END => {
                record.insert("checksum".into(), json!(hex(payload)));
            }
            _ => {
                record.insert("payload".into(), json!(hex(payload)));
            }
        }
        records.push(Value::Object(record));
    }
    out.insert("records".into(), Value::Array(records));
    if read < bytes.len() {
        out.insert("unread".into(), json!(bytes.len() - read));
    }
    Value::Object(out)
}

/// Whether nothing of a stream that was shown is amiss.
pub fn is_whole(shown: &Value) -> bool {
    let fault = |value: &Value| value.get("fault").is_some_and(|fault| !fault.is_null());
    let records = shown.get("records").and_then(Value::as_array);
    !fault(shown) && records.is_some_and(|records| !records.iter().any(fault))
}
