//! Canonical JSON, the form over which TUF's signatures are made: members sorted by their names' code points, no white space,
//! integers only, and in strings nothing escaped but `"` and `\`.

use alloc::{string::String, vec::Vec};
use core::fmt::Write;
use protocol::json::{Value, sorted};

/// The bytes that signatures are over.
#[must_use]
pub fn canonical(value: &Value) -> Vec<u8> {
    let mut out = String::new();
    write(value, &mut out);
    out.into_bytes()
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::String(text) => quote(text, out),
        Value::Array(items) => {
            out.push('[');
            for (index, item) in items.iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                write(item, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, value)) in sorted(members).into_iter().enumerate() {
                out.push_str(if index == 0 { "" } else { "," });
                quote(name, out);
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        plain => {
            // Writing into memory does not fail.
            let _ = write!(out, "{plain}");
        }
    }
}

fn quote(text: &str, out: &mut String) {
    out.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            out.push('\\');
        }
        out.push(character);
    }
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::canonical;
    use protocol::json::parse;

    #[test]
    fn members_are_sorted_and_only_quotes_and_backslashes_escaped() {
        for (text, expected) in [
            (
                r#"{ "b" : [1, -2, true, null], "a": {"z":"","é":"\n","aa":"\"\\\u0001"} }"#,
                "{\"a\":{\"aa\":\"\\\"\\\\\u{1}\",\"z\":\"\",\"é\":\"\n\"},\"b\":[1,-2,true,null]}",
            ),
            ("[]", "[]"),
            ("{\"\u{ffff}\":1,\"\u{10000}\":2}", "{\"\u{ffff}\":1,\"\u{10000}\":2}"),
        ] {
            assert_eq!(canonical(&parse(text.as_bytes()).unwrap()), expected.as_bytes());
        }
    }
}
