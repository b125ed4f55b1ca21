//! The one language of questions about the fleet: `os=rhel7 kernel<4 outcome=failed since=1h`.
//!
//! A filter is terms with spaces between them, and a host must meet all of them. A term is a key, an operator and a value; with
//! `=` and `!=` a value may have alternatives with commas between them and `*` for anything, with `<`, `<=`, `>` and `>=` it is
//! compared as versions are. It is parsed once; what a person typed wrong is shown at its character.

mod complete;
mod parse;
mod version;

pub use complete::complete;
pub use version::compare;

use crate::reason::Reason;
use alloc::{string::String, vec::Vec};
use core::{cmp::Ordering, fmt};

/// Bytes of a filter, at most.
pub const FILTER_BYTES_MAX: usize = 1_000;
/// Terms of a filter, at most.
pub const TERMS_MAX: usize = 32;
/// What a host can be to the fleet's view; each is in one of them.
pub const STATES: [&str; 6] = ["healthy", "updating", "failing", "silent", "missing", "quarantined"];
/// Whether operators have a host served.
pub const STATUSES: [&str; 4] = ["active", "quarantined", "banned", "evicted"];
/// What a run comes to.
pub const OUTCOMES: [&str; 6] = ["delivered", "fresh", "failed", "update", "rescued", "other"];
/// Facts that are keys under their own names; any other is `fact.NAME`.
pub const FACTS: [&str; 10] = ["os", "kernel", "kernel_release", "arch", "cpu", "init", "virt", "fs", "egress", "clock"];
/// The word for a code that is none of the table.
pub const CODE_UNKNOWN: &str = "unknown";

/// What a person wants to know of: hosts that meet every term.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    terms: Vec<Term>,
}

/// One demand.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Term {
    /// What it is about.
    pub key: Key,
    /// What is demanded of it.
    pub test: Test,
}

/// What a term is about.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Key {
    /// The host's name.
    Host,
    /// One of [`STATES`].
    State,
    /// One of [`STATUSES`].
    Status,
    /// What its newest run came to, one of [`OUTCOMES`].
    Outcome,
    /// How its newest run ended, a code of the table.
    Code,
    /// The generation in charge.
    Generation,
    /// What became of a release behind its runs, such as `staged`.
    Update,
    /// The rarest of its facts, as rollouts divide the fleet, such as `kernel=3.10`.
    Stratum,
    /// How long ago its newest run ended.
    Since,
    /// How long ago it was last heard of.
    Seen,
    /// A fact it told, by name.
    Fact(String),
    /// A label that operators gave it, by name.
    Label(String),
}

/// What is demanded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Test {
    /// It matches one of these.
    Is(Vec<Pattern>),
    /// It matches none of these.
    IsNot(Vec<Pattern>),
    /// It is a version on this side of that one.
    Version(Side, String),
    /// It is so many seconds ago, or on this side of that.
    Age(Side, i64),
}

/// A side of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// `<`
    Below,
    /// `<=`
    AtMost,
    /// `>`
    Above,
    /// `>=`
    AtLeast,
}

/// A text in which `*` stands for anything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pattern(String);

/// What is wrong with a filter, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The character, counted from 0.
    pub at: usize,
    /// What is wrong.
    pub because: String,
    /// What to write.
    pub hint: String,
}

impl Filter {
    /// As it is typed.
    ///
    /// # Errors
    /// The first thing that is wrong, and its place.
    pub fn parse(text: &str) -> Result<Self, Wrong> {
        parse::filter(text)
    }

    /// Its terms.
    #[must_use]
    pub fn terms(&self) -> &[Term] {
        &self.terms
    }

    /// Its terms for which `wanted` holds, as a filter.
    #[must_use]
    pub fn only(&self, wanted: impl Fn(&Key) -> bool) -> Self {
        Self { terms: self.terms.iter().filter(|term| wanted(&term.key)).cloned().collect() }
    }
}

impl Test {
    /// Whether a text meets it; an age never does.
    #[must_use]
    pub fn holds(&self, text: &str) -> bool {
        match self {
            Self::Is(patterns) => patterns.iter().any(|pattern| pattern.matches(text)),
            Self::IsNot(patterns) => !patterns.iter().any(|pattern| pattern.matches(text)),
            Self::Version(side, than) => compare(text, than).is_some_and(|ordering| side.holds(ordering)),
            Self::Age(..) => false,
        }
    }
}

impl Side {
    /// Whether it is the side of what compares so.
    #[must_use]
    pub fn holds(self, ordering: Ordering) -> bool {
        match self {
            Self::Below => ordering.is_lt(),
            Self::AtMost => ordering.is_le(),
            Self::Above => ordering.is_gt(),
            Self::AtLeast => ordering.is_ge(),
        }
    }

    fn sign(self) -> &'static str {
        match self {
            Self::Below => "<",
            Self::AtMost => "<=",
            Self::Above => ">",
            Self::AtLeast => ">=",
        }
    }
}

impl Pattern {
    /// Whether the whole text is as it says.
    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        let mut parts = self.0.split('*');
        let first = parts.next().unwrap_or_default();
        let Some(mut rest) = text.strip_prefix(first) else { return false };
        let Some(last) = parts.next_back() else { return rest.is_empty() };
        for part in parts {
            match rest.find(part) {
                Some(at) => rest = rest.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        rest.ends_with(last)
    }

    /// As it is typed.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.0
    }
}

impl Wrong {
    /// What is wrong, and the filter with a mark under the character.
    #[must_use]
    pub fn shown(&self, text: &str) -> String {
        let line: String = text.chars().map(|character| if character.is_control() { ' ' } else { character }).collect();
        alloc::format!("{}\n  {line}\n  {}^", self.because, " ".repeat(self.at))
    }
}

impl fmt::Display for Filter {
    /// So that it parses to itself again.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, Term { key, test }) in self.terms.iter().enumerate() {
            if number > 0 {
                out.write_str(" ")?;
            }
            write!(out, "{key}")?;
            match test {
                Test::Is(patterns) => write!(out, "={}", alternatives(patterns))?,
                Test::IsNot(patterns) => write!(out, "!={}", alternatives(patterns))?,
                Test::Version(side, than) => write!(out, "{}{}", side.sign(), quoted(than))?,
                Test::Age(_, seconds) if *key == Key::Since => write!(out, "={seconds}s")?,
                Test::Age(side, seconds) => write!(out, "{}{seconds}s", side.sign())?,
            }
        }
        Ok(())
    }
}

impl fmt::Display for Key {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Fact(name) if FACTS.contains(&name.as_str()) => out.write_str(name),
            Self::Fact(name) => write!(out, "fact.{name}"),
            Self::Label(name) => write!(out, "label.{name}"),
            known => out.write_str(parse::WORDS.iter().find(|(_, key)| key == known).map_or("", |(word, _)| word)),
        }
    }
}

/// A value as it can be typed: in quotation marks where it would else be taken for something different.
#[must_use]
pub fn quoted(value: &str) -> String {
    if !value.is_empty() && !value.starts_with('=') && value.chars().all(parse::is_plain) {
        return value.into();
    }
    let mut text = String::from("\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\') {
            text.push('\\');
        }
        text.push(character);
    }
    text.push('"');
    text
}

fn alternatives(patterns: &[Pattern]) -> String {
    patterns.iter().map(|pattern| quoted(&pattern.0)).collect::<Vec<_>>().join(",")
}

/// The words that a key's values are, where there is a closed list of them.
#[must_use]
pub fn words(key: &Key) -> Option<Vec<&'static str>> {
    match key {
        Key::State => Some(STATES.to_vec()),
        Key::Status => Some(STATUSES.to_vec()),
        Key::Outcome => Some(OUTCOMES.to_vec()),
        Key::Code => Some(Reason::ALL.iter().map(|reason| reason.code()).chain([CODE_UNKNOWN]).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
