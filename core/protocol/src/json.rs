//! A strict JSON reader and writer for values of the protocol (RFC 8259, narrowed).
//!
//! Narrowed so that two readers cannot disagree: integers only, no duplicate keys, at most [`DEPTH_MAX`] levels, nothing after
//! the value. The input is already bounded by whoever read it.

use alloc::{
    string::{String, ToString},
    vec::Vec,
};
use core::fmt::{self, Display, Write};

/// The deepest nesting that is read.
pub const DEPTH_MAX: usize = 16;

/// One JSON value; an object keeps the order of its keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// `null`
    Null,
    /// `true` or `false`
    Bool(bool),
    /// An integer.
    Number(i64),
    /// A string.
    String(String),
    /// An array.
    Array(Vec<Value>),
    /// An object, in the order it was written.
    Object(Vec<(String, Value)>),
}

impl Value {
    /// The member of an object by its key.
    #[must_use]
    pub fn get(&self, key: &str) -> Option<&Value> {
        self.as_object()?.iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The text of a string.
    #[must_use]
    pub fn as_str(&self) -> Option<&str> {
        if let Value::String(text) = self { Some(text) } else { None }
    }

    /// The value of an integer.
    #[must_use]
    pub fn as_i64(&self) -> Option<i64> {
        if let Value::Number(number) = self { Some(*number) } else { None }
    }

    /// The value of a boolean.
    #[must_use]
    pub fn as_bool(&self) -> Option<bool> {
        if let Value::Bool(value) = self { Some(*value) } else { None }
    }

    /// The items of an array.
    #[must_use]
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Value::Array(items) = self { Some(items) } else { None }
    }

    /// The members of an object.
    #[must_use]
    pub fn as_object(&self) -> Option<&[(String, Value)]> {
        if let Value::Object(members) = self { Some(members) } else { None }
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::String(text.to_string())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Value::String(text)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(number)
    }
}

impl From<bool> for Value {
    fn from(value: bool) -> Self {
        Value::Bool(value)
    }
}

/// An object from its members.
pub fn object<const N: usize>(mut members: [(&str, Value); N]) -> Value {
    taken(&mut members)
}

/// One function for every number of members.
fn taken(members: &mut [(&str, Value)]) -> Value {
    Value::Object(members.iter_mut().map(|(name, value)| (name.to_string(), core::mem::replace(value, Value::Null))).collect())
}

impl Display for Value {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => out.write_str("null"),
            Value::Bool(value) => write!(out, "{value}"),
            Value::Number(number) => write!(out, "{number}"),
            Value::String(text) => Quoted(text).fmt(out),
            Value::Array(items) => {
                out.write_char('[')?;
                for (index, item) in items.iter().enumerate() {
                    write!(out, "{}{item}", if index == 0 { "" } else { "," })?;
                }
                out.write_char(']')
            }
            Value::Object(members) => {
                out.write_char('{')?;
                for (index, (key, value)) in members.iter().enumerate() {
                    out.write_str(if index == 0 { "" } else { "," })?;
                    write!(out, "{}:{value}", Quoted(key))?;
                }
                out.write_char('}')
            }
        }
    }
}

/// The members of an object in the order of their names' code points.
#[must_use]
pub fn sorted(members: &[(String, Value)]) -> Vec<&(String, Value)> {
    let mut sorted: Vec<_> = members.iter().collect();
    sorted.sort_unstable_by_key(|(name, _)| name.as_str());
    sorted
}

/// A text as a JSON string.
pub struct Quoted<'a>(pub &'a str);

impl Display for Quoted<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_char('"')?;
        let mut rest = self.0;
        while let Some((plain, special, after)) = split_at_special(rest) {
            out.write_str(plain)?;
            match special {
                '"' => out.write_str("\\\"")?,
                '\\' => out.write_str("\\\\")?,
                '\n' => out.write_str("\\n")?,
                '\r' => out.write_str("\\r")?,
                '\t' => out.write_str("\\t")?,
                control => write!(out, "\\u{:04x}", u32::from(control))?,
            }
            rest = after;
        }
        out.write_str(rest)?;
        out.write_char('"')
    }
}

/// What comes before the first character that a JSON string must escape, that character, and what comes after.
fn split_at_special(text: &str) -> Option<(&str, char, &str)> {
    let at = text.bytes().position(|byte| matches!(byte, b'"' | b'\\' | 0x7f) || byte < b' ')?;
    let (plain, rest) = text.split_at_checked(at)?;
    let mut characters = rest.chars();
    Some((plain, characters.next()?, characters.as_str()))
}

/// Where and why a text is not JSON as this module reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// Bytes before the place.
    pub at: usize,
    /// What is wrong there.
    pub because: &'static str,
}

impl Display for Error {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} at byte {}", self.because, self.at)
    }
}

/// Reads one value that is the whole input.
///
/// # Errors
/// The first place where the input is not UTF-8, not JSON, or outside the narrowing of this module.
pub fn parse(bytes: &[u8]) -> Result<Value, Error> {
    let text = core::str::from_utf8(bytes).map_err(|error| Error { at: error.valid_up_to(), because: "not UTF-8" })?;
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at == text.len() { Ok(value) } else { Err(reader.error("something after the value")) }
}

struct Reader<'a> {
    text: &'a str,
    at: usize,
}

impl Reader<'_> {
    fn value(&mut self, depth: usize) -> Result<Value, Error> {
        if depth > DEPTH_MAX {
            return Err(self.error("nested too deeply"));
        }
        self.space();
        match self.peek() {
            Some(b'{') => self.object(depth),
            Some(b'[') => self.array(depth),
            Some(b'"') => self.string().map(Value::String),
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(b't') => self.word("true", Value::Bool(true)),
            Some(b'f') => self.word("false", Value::Bool(false)),
            Some(b'n') => self.word("null", Value::Null),
            Some(_) => Err(self.error("not a JSON value")),
            None => Err(self.error("the text ends too early")),
        }
    }

    fn object(&mut self, depth: usize) -> Result<Value, Error> {
        let mut members: Vec<(String, Value)> = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b'}') {
            return Ok(Value::Object(members));
        }
        loop {
            self.space();
            let key = self.string()?;
            self.space();
            self.expect(b':', "a colon is missing")?;
            members.push((key, self.value(depth + 1)?));
            self.space();
            if self.take(b'}') {
                return self.without_twins(members);
            }
            self.expect(b',', "a comma or closing brace is missing")?;
        }
    }

    /// Sorted first, so that many members cost no more than sorting them.
    fn without_twins(&self, members: Vec<(String, Value)>) -> Result<Value, Error> {
        let names = sorted(&members);
        let twins = names.iter().zip(names.iter().skip(1)).any(|((one, _), (other, _))| one == other);
        if twins { Err(self.error("the same key twice")) } else { Ok(Value::Object(members)) }
    }

    fn array(&mut self, depth: usize) -> Result<Value, Error> {
        let mut items = Vec::new();
        self.at += 1;
        self.space();
        if self.take(b']') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            self.space();
            if self.take(b']') {
                return Ok(Value::Array(items));
            }
            self.expect(b',', "a comma or closing bracket is missing")?;
        }
    }

    fn number(&mut self) -> Result<Value, Error> {
        let rest = self.rest();
        let length = rest.bytes().take_while(|byte| matches!(byte, b'-' | b'+' | b'.' | b'e' | b'E' | b'0'..=b'9')).count();
        let digits = rest.get(..length).unwrap_or_default();
        let bare = digits.strip_prefix('-').unwrap_or(digits);
        if bare.len() > 1 && bare.starts_with('0') || digits.contains('+') {
            return Err(self.error("not an integer"));
        }
        let number = digits.parse().map_err(|_| self.error("not an integer"))?;
        self.at += length;
        Ok(Value::Number(number))
    }

    fn word(&mut self, word: &str, value: Value) -> Result<Value, Error> {
        if !self.rest().starts_with(word) {
            return Err(self.error("not a JSON value"));
        }
        self.at += word.len();
        Ok(value)
    }

    fn string(&mut self) -> Result<String, Error> {
        self.expect(b'"', "a string is missing")?;
        let mut text = String::new();
        loop {
            let Some(character) = self.rest().chars().next() else { return Err(self.error("the string does not end")) };
            self.at += character.len_utf8();
            match character {
                '"' => return Ok(text),
                '\\' => text.push(self.escape()?),
                control if control < ' ' => return Err(self.error("a control character in a string")),
                other => text.push(other),
            }
        }
    }

    fn escape(&mut self) -> Result<char, Error> {
        let escaped = self.peek().ok_or_else(|| self.error("the string does not end"))?;
        self.at += 1;
        Ok(match escaped {
            b'"' | b'\\' | b'/' => char::from(escaped),
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => return self.unicode(),
            _ => return Err(self.error("an unknown escape")),
        })
    }

    fn unicode(&mut self) -> Result<char, Error> {
        let high = self.four_digits()?;
        let point = if (0xD800..0xDC00).contains(&high) {
            self.expect(b'\\', "half of a surrogate pair")?;
            self.expect(b'u', "half of a surrogate pair")?;
            let low = self.four_digits()?;
            let low = low.checked_sub(0xDC00).filter(|low| *low < 0x400).ok_or_else(|| self.error("half of a surrogate pair"))?;
            0x1_0000 + ((high - 0xD800) << 10) + low
        } else {
            high
        };
        char::from_u32(point).ok_or_else(|| self.error("half of a surrogate pair"))
    }

    fn four_digits(&mut self) -> Result<u32, Error> {
        let digits = self.rest().get(..4).filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()));
        let value = digits.and_then(|digits| u32::from_str_radix(digits, 16).ok()).ok_or_else(|| self.error("an unknown escape"))?;
        self.at += 4;
        Ok(value)
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn expect(&mut self, byte: u8, because: &'static str) -> Result<(), Error> {
        if self.take(byte) { Ok(()) } else { Err(self.error(because)) }
    }

    fn take(&mut self, byte: u8) -> bool {
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn peek(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }

    fn rest(&self) -> &str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn error(&self, because: &'static str) -> Error {
        Error { at: self.at, because }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn reads_what_it_writes() {
        let value = object([
            ("a", Value::Array(vec![1.into(), Value::Null, true.into()])),
            ("b\n\"\\é\u{1}", "x\u{7f}😀".into()),
            ("c", object([])),
            ("d", i64::MIN.into()),
        ]);
        assert_eq!(parse(format!("{value}").as_bytes()), Ok(value));
    }

    #[test]
    fn refuses_what_two_readers_could_read_differently() {
        for text in [
            "",
            "{",
            "[1,]",
            "{\"a\":1,\"a\":2}",
            "1.5",
            "1e3",
            "01",
            "-",
            "+1",
            "9223372036854775808",
            "\"\u{1}\"",
            "\"\\ud800\"",
            "\"\\ud800\\u0041\"",
            "\"\\u+123\"",
            "nul",
            "1 2",
            "'a'",
            "{a:1}",
            "\"\\x\"",
        ] {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        assert!(parse(&[b'"', 0xff, b'"']).is_err());
        assert_eq!(parse(b"\"\\ud83d\\ude00\""), Ok("😀".into()));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = "[".repeat(100_000);
        assert_eq!(parse(deep.as_bytes()).map_err(|error| error.because), Err("nested too deeply"));
    }
}
