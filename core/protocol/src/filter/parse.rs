//! From what was typed to what it means.

use super::{FACTS, FILTER_BYTES_MAX, Filter, Key, Pattern, Side, TERMS_MAX, Term, Test, Wrong, words};
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};

/// Keys that are neither facts nor labels.
pub(super) const WORDS: [(&str, Key); 10] = [
    ("host", Key::Host),
    ("state", Key::State),
    ("status", Key::Status),
    ("outcome", Key::Outcome),
    ("code", Key::Code),
    ("generation", Key::Generation),
    ("update", Key::Update),
    ("stratum", Key::Stratum),
    ("since", Key::Since),
    ("seen", Key::Seen),
];
const NAME_BYTES_MAX: usize = 63;
const DECADE_SECONDS: i64 = 3_650 * 86_400;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Operator {
    Is,
    IsNot,
    Side(Side),
}

/// Longer signs first.
const OPERATORS: [(&str, Operator); 6] = [
    ("!=", Operator::IsNot),
    ("<=", Operator::Side(Side::AtMost)),
    (">=", Operator::Side(Side::AtLeast)),
    ("=", Operator::Is),
    ("<", Operator::Side(Side::Below)),
    (">", Operator::Side(Side::Above)),
];

/// The text, and how far it has been read, in characters.
struct Reader<'a> {
    rest: &'a str,
    at: usize,
}

/// The whole filter.
pub(super) fn filter(text: &str) -> Result<Filter, Wrong> {
    if text.len() > FILTER_BYTES_MAX {
        return Err(wrong(0, format!("the filter has {} bytes, and at most {FILTER_BYTES_MAX} are read", text.len()), "ask for less at once"));
    }
    if let Some(at) = text.chars().position(|character| character.is_control() && character != '\t') {
        return Err(wrong(at, "this character cannot be printed".into(), "write terms with spaces between them"));
    }
    let mut reader = Reader { rest: text, at: 0 };
    let mut terms = Vec::new();
    loop {
        reader.take_while(char::is_whitespace);
        if reader.rest.is_empty() {
            return Ok(Filter { terms });
        }
        if terms.len() == TERMS_MAX {
            return Err(wrong(reader.at, format!("there are more than {TERMS_MAX} terms"), "ask for less at once"));
        }
        terms.push(reader.term()?);
    }
}

impl<'a> Reader<'a> {
    fn term(&mut self) -> Result<Term, Wrong> {
        let start = self.at;
        let name = self.take_while(|character| !character.is_whitespace() && !matches!(character, '=' | '!' | '<' | '>' | '"' | ','));
        let key = key(name).map_err(|(because, hint)| Wrong { at: start, because, hint })?;
        let at = self.at;
        let operator = OPERATORS.iter().find(|(sign, _)| self.rest.starts_with(sign));
        let Some((sign, operator)) = operator else {
            return Err(wrong(at, format!("{name:?} is followed by no operator"), &format!("write {name}=VALUE; there are = != < <= > >=")));
        };
        self.take(sign.len());
        let value_at = self.at;
        let values = self.values()?;
        let test = test(&key, *operator, values, (at, value_at))?;
        Ok(Term { key, test })
    }

    /// Values with commas between them, each with its place.
    fn values(&mut self) -> Result<Vec<(usize, String)>, Wrong> {
        let mut values = Vec::new();
        loop {
            let at = self.at;
            if self.rest.starts_with('=') {
                return Err(wrong(at, "no value begins with =".into(), "write one =, and a value that begins with it in quotation marks"));
            }
            let value = if self.rest.starts_with('"') { self.in_marks()? } else { self.take_while(is_plain).to_string() };
            if value.is_empty() {
                return Err(wrong(at, "there is no value here".into(), "write a value; one with spaces or signs in it stands in quotation marks"));
            }
            values.push((at, value));
            match self.rest.chars().next() {
                Some(',') => self.take(1),
                None => return Ok(values),
                Some(next) if next.is_whitespace() => return Ok(values),
                Some(next) => {
                    return Err(wrong(self.at, format!("{next:?} cannot stand here"), "put a space between terms, or the value in quotation marks"));
                }
            }
        }
    }

    fn in_marks(&mut self) -> Result<String, Wrong> {
        let start = self.at;
        let mut value = String::new();
        let mut characters = self.rest.char_indices().skip(1);
        while let Some((index, character)) = characters.next() {
            match character {
                '"' => {
                    self.take(index + 1);
                    return Ok(value);
                }
                '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
                other => value.push(other),
            }
        }
        Err(wrong(start, "this quotation mark is never closed".into(), "close it; inside, write \\\" for a quotation mark"))
    }

    fn take_while(&mut self, wanted: impl Fn(char) -> bool) -> &'a str {
        let end = self.rest.find(|character| !wanted(character)).unwrap_or(self.rest.len());
        let taken = self.rest.get(..end).unwrap_or_default();
        self.take(end);
        taken
    }

    fn take(&mut self, bytes: usize) {
        let (taken, rest) = self.rest.split_at(bytes);
        self.at += taken.chars().count();
        self.rest = rest;
    }
}

/// Whether a character may stand in a value without quotation marks; `=` may, for strata.
pub(super) fn is_plain(character: char) -> bool {
    !character.is_whitespace() && !character.is_control() && !matches!(character, '"' | ',' | '<' | '>' | '!' | '\\')
}

/// A key by its name, or what is wrong with it and what to write.
pub(super) fn key(name: &str) -> Result<Key, (String, String)> {
    if let Some((_, key)) = WORDS.iter().find(|(word, _)| *word == name) {
        return Ok(key.clone());
    }
    let fits =
        |text: &str| (1..=NAME_BYTES_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-/".contains(&byte));
    if FACTS.contains(&name) {
        return Ok(Key::Fact(name.into()));
    }
    match (name.strip_prefix("fact."), name.strip_prefix("label.")) {
        (Some(fact), _) if fits(fact) => return Ok(Key::Fact(fact.into())),
        (_, Some(label)) if fits(label) => return Ok(Key::Label(label.into())),
        _ => (),
    }
    let all = WORDS.iter().map(|(word, _)| *word).chain(FACTS);
    let hint = match nearest(name, all.clone()) {
        Some(near) => format!("did you mean {near}? a label is label.NAME"),
        None => format!("keys are {} label.NAME fact.NAME", all.collect::<Vec<_>>().join(" ")),
    };
    let because = if name.is_empty() { "a term begins with a key".to_string() } else { format!("{name:?} is no key") };
    Err((because, hint))
}

fn test(key: &Key, operator: Operator, values: Vec<(usize, String)>, (at, value_at): (usize, usize)) -> Result<Test, Wrong> {
    let one = |values: Vec<(usize, String)>| match <[(usize, String); 1]>::try_from(values) {
        Ok([(_, value)]) => Ok(value),
        Err(_) => Err(wrong(value_at, "this takes one value".into(), "write two terms, or = with commas")),
    };
    match (key, operator) {
        (Key::Since, Operator::Is) => age(&one(values)?, value_at).map(|seconds| Test::Age(Side::AtMost, seconds)),
        (Key::Since, _) => Err(wrong(at, "since takes =".into(), "write since=1h for hosts whose newest run ended within the hour")),
        (Key::Seen, Operator::Side(side)) => age(&one(values)?, value_at).map(|seconds| Test::Age(side, seconds)),
        (Key::Seen, _) => Err(wrong(at, "seen takes < <= > or >=".into(), "write seen>3d for hosts not heard of for three days")),
        (Key::Generation, Operator::Side(side)) => number(one(values)?, value_at).map(|number| Test::Version(side, number)),
        (_, Operator::Side(side)) if words(key).is_none() => Ok(Test::Version(side, one(values)?)),
        (_, Operator::Side(_)) => Err(wrong(at, format!("{key} has no order"), "use = or !=")),
        (_, Operator::Is) => patterns(key, values).map(Test::Is),
        (_, Operator::IsNot) => patterns(key, values).map(Test::IsNot),
    }
}

/// Generations are numbers, and what is none would match nothing, for ever.
fn number(text: String, at: usize) -> Result<String, Wrong> {
    match text.bytes().all(|byte| byte.is_ascii_digit()) {
        true => Ok(text),
        false => Err(wrong(at, format!("{text:?} is no generation"), "write a number, such as generation<42")),
    }
}

/// Where there is a closed list of words, a word that is not on it would match nothing either.
fn patterns(key: &Key, values: Vec<(usize, String)>) -> Result<Vec<Pattern>, Wrong> {
    let known = words(key);
    let pattern = |(at, value): (usize, String)| {
        if *key == Key::Generation {
            number(value.replace('*', ""), at)?;
        }
        let pattern = Pattern(value);
        let Some(known) = &known else { return Ok(pattern) };
        if known.iter().any(|word| pattern.matches(word)) {
            return Ok(pattern);
        }
        let hint = match nearest(&pattern.0, known.iter().copied()) {
            Some(near) => format!("did you mean {near}?"),
            None if known.len() > 8 => "pinnace explain CODE knows them all; * stands for anything, such as tls.*".to_string(),
            None => format!("there are {}", known.join(" ")),
        };
        Err(Wrong { at, because: format!("{:?} is no {key}", pattern.0), hint })
    };
    values.into_iter().map(pattern).collect()
}

/// A number with s, m, h or d behind it.
fn age(text: &str, at: usize) -> Result<i64, Wrong> {
    let wrong = || wrong(at, format!("{text:?} is no time"), "write 90s, 15m, 24h or 7d");
    let unit = text.chars().next_back().ok_or_else(wrong)?;
    let factor = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(wrong()),
    };
    let number = text.strip_suffix(unit).and_then(|number| number.parse::<i64>().ok());
    number.and_then(|number| number.checked_mul(factor)).filter(|seconds| (1..=DECADE_SECONDS).contains(seconds)).ok_or_else(wrong)
}

/// The word that is at most two slips away, or one if it is short.
fn nearest<'a>(typed: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    if !(2..=64).contains(&typed.len()) {
        return None;
    }
    let slips = |word: &'a str| (slips(typed.as_bytes(), word.as_bytes()), word);
    words.map(slips).min_by_key(|(slips, _)| *slips).filter(|(slips, _)| *slips <= 2.min(typed.len() / 2)).map(|(_, word)| word)
}

/// Levenshtein's distance.
fn slips(one: &[u8], other: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (index, byte) in one.iter().enumerate() {
        let mut diagonal = index;
        let mut left = index + 1;
        for (cell, target) in row.iter_mut().skip(1).zip(other) {
            let best = (diagonal + usize::from(byte != target)).min(*cell + 1).min(left + 1);
            diagonal = core::mem::replace(cell, best);
            left = best;
        }
        if let Some(first) = row.first_mut() {
            *first = index + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

fn wrong(at: usize, because: String, hint: &str) -> Wrong {
    Wrong { at, because, hint: hint.to_string() }
}
