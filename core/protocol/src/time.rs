//! The signed time: how a host whose clock is wrong learns the hour from a control plane it has otherwise verified.
//!
//! The host sends a fresh nonce; the time key signs nonce and time together (Ed25519, RFC 8032), so an old answer is useless.

use crate::json::{self, Value};
use alloc::{
    format,
    string::{String, ToString},
};

/// The answer to `GET /v1/time?nonce=...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeAnswer {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// The nonce as it was sent.
    pub nonce: String,
    /// The public key that signed, hexadecimal.
    pub key: String,
    /// The signature over [`message`], hexadecimal.
    pub signature: String,
}

/// The bytes that the time key signs.
#[must_use]
pub fn message(nonce: &str, time: i64) -> String {
    format!("pinnace-time-v1\n{nonce}\n{time}\n")
}

/// Whether a nonce has the form the control plane answers: 16 to 64 lower-case hexadecimal characters.
#[must_use]
pub fn is_nonce(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl TimeAnswer {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("version", 1.into()),
            ("time", self.time.into()),
            ("nonce", self.nonce.as_str().into()),
            ("key", self.key.as_str().into()),
            ("signature", self.signature.as_str().into()),
        ])
        .to_string()
    }

    /// From the wire; unknown members are ignored, a missing one makes it `None`.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).map(ToString::to_string);
        Some(Self { time: value.get("time")?.as_i64()?, nonce: text("nonce")?, key: text("key")?, signature: text("signature")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_answer_round_trips() {
        let answer = TimeAnswer { time: 1_795_000_000, nonce: "00ff".into(), key: "aa".into(), signature: "bb".into() };
        assert_eq!(TimeAnswer::from_json(answer.to_json().as_bytes()), Some(answer));
        assert_eq!(TimeAnswer::from_json(b"{\"time\":1}"), None);
    }
}
