//! What a filter may go on with, for shells and pages.

use super::{FACTS, Key, parse, quoted, words};
use alloc::{format, string::String, vec::Vec};

/// Candidates that are told, at most.
const CANDIDATES_MAX: usize = 100;
const TIMES: [&str; 5] = ["15m", "1h", "6h", "24h", "7d"];

/// Whole terms in place of the unfinished one at the end of `text`. `values` tells what the fleet holds under a key; `labels` are the
/// names of labels and further facts as keys, such as `label.site`.
pub fn complete(text: &str, labels: &[String], values: impl Fn(&Key) -> Vec<String>) -> Vec<String> {
    let term = unfinished(text);
    let Some(operator) = term.find(['=', '<', '>', '!']) else {
        let keys = parse::WORDS.iter().map(|(word, _)| *word).chain(FACTS).chain(labels.iter().map(String::as_str));
        let sign = |key: &str| if key == "seen" { ">" } else { "=" };
        return keys.filter(|key| key.starts_with(term)).take(CANDIDATES_MAX).map(|key| format!("{key}{}", sign(key))).collect();
    };
    let (name, rest) = term.split_at(operator);
    let Ok(key) = parse::key(name) else { return Vec::new() };
    let signs = rest.len() - rest.trim_start_matches(['=', '<', '>', '!']).len();
    // Alternatives that are finished stay.
    let kept = rest.rfind(',').map_or(signs, |comma| comma + 1);
    let (before, typed) = rest.split_at(kept);
    let typed = typed.trim_start_matches('"');
    let known: Vec<String> = match (&key, words(&key)) {
        (Key::Since | Key::Seen, _) => TIMES.iter().map(|time| String::from(*time)).collect(),
        (_, Some(words)) => words.into_iter().map(String::from).collect(),
        (_, None) => values(&key),
    };
    let fits = known.iter().filter(|value| value.starts_with(typed)).take(CANDIDATES_MAX);
    fits.map(|value| format!("{name}{before}{}", quoted(value))).collect()
}

/// What stands behind the last space that is not in quotation marks.
fn unfinished(text: &str) -> &str {
    let (mut start, mut inside, mut escaped) = (0, false, false);
    for (index, character) in text.char_indices() {
        match character {
            _ if escaped => escaped = false,
            '\\' if inside => escaped = true,
            '"' => inside = !inside,
            _ if character.is_whitespace() && !inside => start = index + character.len_utf8(),
            _ => (),
        }
    }
    text.get(start..).unwrap_or_default()
}
