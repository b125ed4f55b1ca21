//! The body of every answer that is not a 200: what was refused, because of what, and what to do.

use crate::json::{self, Value};
use alloc::string::{String, ToString};

/// A refusal in words, with a stable code to count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// A stable word, such as `policy.denied`.
    pub code: String,
    /// What was refused.
    pub error: String,
    /// The cause.
    pub because: String,
    /// The next step for a person.
    pub hint: String,
}

impl Refusal {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("version", 1.into()),
            ("code", self.code.as_str().into()),
            ("error", self.error.as_str().into()),
            ("because", self.because.as_str().into()),
            ("hint", self.hint.as_str().into()),
        ])
        .to_string()
    }

    /// From the wire; a member that is missing is empty, a body without a code is none of ours.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).unwrap_or_default().to_string();
        value.get("code")?;
        Some(Self { code: text("code"), error: text("error"), because: text("because"), hint: text("hint") })
    }
}
