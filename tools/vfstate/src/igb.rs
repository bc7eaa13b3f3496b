// SPDX-License-Identifier: GPL-2.0

//! States of VFs of the 82576, decoded by the PF driver's own files.

use crate::{
    layout,
    provider::logic::{
        codec,
        contexts::Contexts,
        queues::{Ring, RxQueue, TxQueue},
        state::{Interrupts, Known, Stopped},
    },
    vf::logic::{
        exchange::{Due, Mailbox},
        mac::Mac,
        state::{AdminState, GuestState, LinkPolicy},
    },
};
use serde_json::{json, Map, Value};

fn mac(mac: Mac) -> String {
    mac.0.map(|octet| format!("{octet:02x}")).join(":")
}

fn hex(value: u32) -> String {
    format!("{value:#010x}")
}

fn address(value: u64) -> String {
    format!("{value:#x}")
}

fn admin(state: &AdminState) -> Value {
    json!({
        "mac": state.mac.map(mac),
        "port_vlan": state.port_vlan.map(|port| json!({"vid": port.vid, "qos": port.qos})),
        "max_tx_rate": state.max_tx_rate,
        "spoofchk": state.spoofchk,
        "trusted": state.trusted,
        "link": match state.link {
            LinkPolicy::Auto => "auto",
            LinkPolicy::Enable => "enable",
            LinkPolicy::Disable => "disable",
        },
    })
}

fn guest(state: &GuestState) -> Value {
    let filters: Vec<_> = state
        .filters
        .as_slice()
        .iter()
        .map(|&filter| mac(filter))
        .collect();
    json!({
        "mac": state.mac.map(mac),
        "filters": filters,
        "vlans": state.vlans.as_slice(),
        "multicast_hashes": state.hashes.as_slice(),
        "multicast_overflow": state.hash_overflow,
        "all_multicast": state.all_multicast,
        "all_unicast": state.all_unicast,
        "max_frame": state.max_frame,
        "enabled": state.enabled,
        "cts": state.cts,
    })
}

fn ring(ring: &Ring) -> Map<String, Value> {
    let mut map = Map::new();
    map.insert("base".into(), json!(address(ring.base)));
    map.insert("length".into(), json!(ring.length));
    map.insert("head".into(), json!(ring.head));
    map.insert("tail".into(), json!(ring.tail));
    map
}

fn rx(queue: &RxQueue) -> Value {
    let mut map = ring(&queue.ring);
    map.insert("srrctl".into(), json!(hex(queue.shape)));
    map.insert("rxdctl".into(), json!(hex(queue.control)));
    map.insert("rxctl".into(), json!(hex(queue.hints)));
    Value::Object(map)
}

fn tx(queue: &TxQueue) -> Value {
    let mut map = ring(&queue.ring);
    map.insert("txdctl".into(), json!(hex(queue.control)));
    map.insert("txctl".into(), json!(hex(queue.hints)));
    map.insert("tdwba".into(), json!(address(queue.write_back)));
    Value::Object(map)
}

fn interrupts(state: &Interrupts) -> Value {
    json!({
        "eims": state.enabled,
        "eiac": state.auto_clear,
        "eiam": state.auto_mask,
        "ivar": state.queues,
        "ivar_misc": state.mailbox,
        "eitr": state.throttles,
    })
}

fn mailbox(state: &Mailbox) -> Value {
    let notices = &state.notices;
    let flags = [
        ("message", notices.message),
        ("taken", notices.taken),
        ("reset_done", notices.reset_done),
        ("locked", notices.locked),
        ("request", notices.request),
        ("read", notices.read),
        ("unread", state.unread),
    ];
    let set: Vec<_> = flags
        .into_iter()
        .filter(|&(_, on)| on)
        .map(|(name, _)| name)
        .collect();
    json!({
        "flags": set,
        "due": match state.due {
            None => Value::Null,
            Some(Due::Link) => json!("link"),
            Some(Due::Restart) => json!("restart"),
        },
        "memory": state.memory.map(hex),
    })
}

fn contexts(state: &Contexts) -> Value {
    let queue = |contexts: &[_; 2]| -> Value {
        let words = contexts.iter().map(
            |context: &Option<crate::provider::logic::contexts::Context>| {
                context.map(|context| context.words().map(address))
            },
        );
        words.map(|words| json!(words)).collect()
    };
    state.0.iter().map(queue).collect()
}

fn known(state: &Known, out: &mut Map<String, Value>) {
    out.insert("administrator".into(), admin(&state.admin));
    out.insert("guest".into(), guest(&state.guest));
}

fn stopped(state: &Stopped, out: &mut Map<String, Value>) {
    let device = &state.device;
    out.insert("rx".into(), device.rx.iter().map(rx).collect());
    out.insert("tx".into(), device.tx.iter().map(tx).collect());
    out.insert("psrtype".into(), json!(hex(device.split_types)));
    out.insert("interrupts".into(), interrupts(&device.interrupts));
    out.insert("mailbox".into(), mailbox(&state.mailbox));
    let names = [
        "gprc", "gptc", "gorc", "gotc", "mprc", "gprlbc", "gptlbc", "gorlbc", "gotlbc",
    ];
    let counters = names.into_iter().zip(state.statistics.0);
    let counters: Map<_, _> = counters
        .map(|(name, value)| (name.into(), json!(value)))
        .collect();
    out.insert("statistics".into(), Value::Object(counters));
    out.insert("tx_contexts".into(), contexts(&state.contexts));
}

/// The provider's records, and why they cannot be decoded.
fn undecoded(payload: &[u8], why: codec::Malformed, out: &mut Map<String, Value>) {
    out.insert("fault".into(), json!(why.to_string()));
    let (places, read) = layout::records(payload, 0, payload.len());
    let records = places.iter().map(|place| {
        let bytes = &payload[place.payload..place.end];
        json!({"tag": place.tag, "optional": place.optional, "payload": crate::show::hex(bytes)})
    });
    out.insert("records".into(), records.collect());
    out.insert("unread".into(), json!(payload.len() - read));
}

/// What a PRECOPY record holds.
pub(crate) fn pre_copy(payload: &[u8], out: &mut Map<String, Value>) {
    match codec::decode_known(payload) {
        Ok(state) => known(&state, out),
        Err(why) => undecoded(payload, why, out),
    }
}

/// What a STATE record holds.
pub(crate) fn state(payload: &[u8], out: &mut Map<String, Value>) {
    match codec::decode(payload) {
        Ok((first, second)) => {
            known(&first, out);
            stopped(&second, out);
        }
        Err(why) => undecoded(payload, why, out),
    }
}
