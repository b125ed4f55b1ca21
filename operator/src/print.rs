//! What a person reads: aligned columns, and times as RFC 3339 has them.

use crate::failure::harmless;
use protocol::time::rfc3339;
use serde_json::Value;

/// Prints rows under their headings; nothing at all if there are none.
pub(crate) fn table(headings: &[&str], rows: Vec<Vec<String>>) {
    if rows.is_empty() {
        println!("none");
        return;
    }
    let headings = headings.iter().map(|heading| (*heading).to_string()).collect();
    let all: Vec<Vec<String>> = std::iter::once(headings).chain(rows).collect();
    let all: Vec<Vec<String>> = all.into_iter().map(|row| row.iter().map(|cell| harmless(cell)).collect()).collect();
    let columns = all.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| all.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &all {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        println!("{}", cells.join("  ").trim_end());
    }
}

/// A member as a person reads it.
pub(crate) fn text(value: &Value, member: &str) -> String {
    match &value[member] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        Value::Object(members) => {
            members.iter().map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default())).collect::<Vec<_>>().join(" ")
        }
        Value::Array(items) => items.iter().map(|item| item.as_str().unwrap_or_default()).collect::<Vec<_>>().join(" "),
        other => other.to_string(),
    }
}

/// A member that is a time, seconds since 1970; empty for 0.
pub(crate) fn time(value: &Value, member: &str) -> String {
    value[member].as_i64().filter(|seconds| *seconds != 0).map(rfc3339).unwrap_or_default()
}

/// The items of a list.
pub(crate) fn items<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value[member].as_array().into_iter().flatten()
}
