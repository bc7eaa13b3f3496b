// SPDX-License-Identifier: GPL-2.0

//! JSON for people: a line for each value, indented.

use serde_json::Value;

/// A value that fits a line.
fn short(value: &Value) -> Option<String> {
    match value {
        Value::Null => Some("-".into()),
        Value::String(text) => Some(text.clone()),
        Value::Array(items) if items.is_empty() => Some("none".into()),
        Value::Array(items) => {
            let items: Option<Vec<_>> = items
                .iter()
                .map(|item| short(item).filter(|_| !item.is_array()))
                .collect();
            items.map(|items| items.join(" "))
        }
        Value::Object(_) => None,
        other => Some(other.to_string()),
    }
}

fn put(out: &mut String, depth: usize, name: &str, value: &Value) {
    let indent = "  ".repeat(depth);
    if let Some(line) = short(value) {
        out.push_str(&format!("{indent}{name}: {line}\n"));
        return;
    }
    out.push_str(&format!("{indent}{name}:\n"));
    lines(out, depth + 1, value);
}

fn lines(out: &mut String, depth: usize, value: &Value) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                put(out, depth, name, member);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                put(out, depth, &index.to_string(), item);
            }
        }
        other => put(out, depth, "value", other),
    }
}

/// All of `value`.
pub fn render(value: &Value) -> String {
    let mut out = String::new();
    lines(&mut out, 0, value);
    out
}
