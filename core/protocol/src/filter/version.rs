//! Comparing as versions are compared: numbers in a text by their size, what stands between them by its letters.

use core::cmp::Ordering;

/// How one version stands to another; `None` where they are versions of different things, such as `rhel7` and `debian12`.
#[must_use]
pub fn compare(one: &str, other: &str) -> Option<Ordering> {
    let (mut one, mut other) = (one, other);
    let (first, second) = (piece(&mut one), piece(&mut other));
    if (is_number(first) || is_number(second)) && !(is_number(first) && is_number(second)) || !is_number(first) && first != second {
        return None;
    }
    let mut pair = (first, second);
    loop {
        match in_turn(pair.0, pair.1) {
            Ordering::Equal if pair.0.is_empty() => return Some(Ordering::Equal),
            Ordering::Equal => pair = (piece(&mut one), piece(&mut other)),
            unequal => return Some(unequal),
        }
    }
}

/// The digits that a text begins with, or else what stands before its first digit; empty at its end.
fn piece<'a>(text: &mut &'a str) -> &'a str {
    let numeric = text.starts_with(|character: char| character.is_ascii_digit());
    let end = text.find(|character: char| character.is_ascii_digit() != numeric).unwrap_or(text.len());
    let (piece, rest) = text.split_at(end);
    *text = rest;
    piece
}

fn is_number(piece: &str) -> bool {
    piece.starts_with(|character: char| character.is_ascii_digit())
}

/// Numbers of any length by their size; whatever ends first is the lower one.
fn in_turn(one: &str, other: &str) -> Ordering {
    if !(is_number(one) && is_number(other)) {
        return one.cmp(other);
    }
    let (one, other) = (one.trim_start_matches('0'), other.trim_start_matches('0'));
    one.len().cmp(&other.len()).then_with(|| one.cmp(other))
}
