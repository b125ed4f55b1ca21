//! The map of hosts: one cell for each, in groups; a part of it that somebody marks is a list.

use super::{Content, door, page, show};
use crate::api::ControlPlane;
use hyper::Response;
use protocol::filter::{Filter, quoted};
use serde_json::json;
use service::fleet::{Snapshot, State};
use std::sync::Arc;

/// Groups that are drawn; the hosts of all others are one more.
const GROUPS_MAX: usize = 40;
const REST: &str = "all others";
/// What the map is grouped by unless somebody chooses: the first of these that there is.
const USUAL: [&str; 3] = ["label.site", "os", "state"];

/// Something the map can be grouped by.
pub(super) struct Choice {
    pub(super) key: String,
    pub(super) values: usize,
}

/// Hosts side by side: a filter, and what it does not say in words.
struct Part<'a> {
    word: String,
    filter: String,
    cells: Vec<(&'a str, State)>,
}

/// What a map can be grouped by: what has few values.
pub(super) fn choices(snapshot: &Snapshot) -> Vec<Choice> {
    let (_, spread) = snapshot.spread(&Filter::default());
    let few = |(key, values): (String, Vec<(String, usize)>)| Choice { key, values: values.len() };
    spread.into_iter().map(few).filter(|choice| choice.key == "state" || (2..=GROUPS_MAX).contains(&choice.values)).collect()
}

/// What it is grouped by.
pub(super) fn chosen(snapshot: &Snapshot, by: &str) -> String {
    let choices = choices(snapshot);
    let is = |key: &str| choices.iter().any(|choice| choice.key == key);
    let usual = || USUAL.into_iter().find(|key| is(key)).unwrap_or("state");
    if is(by) { by.into() } else { usual().into() }
}

/// All cells: a letter for each host's state, group by group.
pub(super) fn data(plane: &Arc<ControlPlane>, query: &str) -> Response<Content> {
    let snapshot = tokio::task::block_in_place(|| plane.snapshot());
    let parts = tokio::task::block_in_place(|| parts(&snapshot, query));
    let group = |part: &Part<'_>| {
        let cells: String = part.cells.iter().map(|(_, state)| letter(*state)).collect();
        json!({"word": part.word, "link": format!("/hosts?q={}", show::escaped(&part.filter)), "cells": cells})
    };
    show::data(&json!({"groups": parts.iter().map(group).collect::<Vec<_>>(), "states": states()}))
}

/// From a part of the map to its list, or from a cell to its host.
pub(super) fn hosts(plane: &Arc<ControlPlane>, query: &str) -> Response<Content> {
    let snapshot = tokio::task::block_in_place(|| plane.snapshot());
    let fields = page::fields(query.as_bytes());
    let number = |name: &str| fields.iter().find(|(known, _)| known == name).and_then(|(_, value)| value.parse::<usize>().ok());
    let parts = tokio::task::block_in_place(|| parts(&snapshot, query));
    let found = || {
        let part = parts.get(number("group")?)?;
        let (one, other) = (number("from")?, number("to")?);
        let ((first, _), (last, _)) = (part.cells.get(one.min(other))?, part.cells.get(one.max(other))?);
        Some((part, *first, *last))
    };
    match found() {
        Some((_, first, last)) if first == last => door::see(&format!("/hosts/{}", show::escaped(first))),
        Some((part, first, last)) => {
            let [filter, first, last] = [part.filter.as_str(), first, last].map(show::escaped);
            door::see(&format!("/hosts?q={filter}&first={first}&last={last}"))
        }
        None => door::see("/hosts"),
    }
}

fn parts<'a>(snapshot: &'a Snapshot, query: &str) -> Vec<Part<'a>> {
    let fields = page::fields(query.as_bytes());
    let by = fields.iter().find(|(name, _)| name == "by").map_or("", |(_, value)| value.as_str());
    let by = chosen(snapshot, by);
    let (_, mut spread) = snapshot.spread(&Filter::default());
    let part = |word: &str, filter: String| {
        let cells = Filter::parse(&filter).map(|filter| snapshot.cells(&filter)).unwrap_or_default();
        Part { word: word.into(), filter, cells }
    };
    let values: Vec<String> = spread.remove(&by).unwrap_or_default().into_iter().map(|(value, _)| value).take(GROUPS_MAX).collect();
    let rest = format!("{by}!={}", values.iter().map(|value| quoted(value)).collect::<Vec<_>>().join(","));
    let mut parts: Vec<Part<'_>> = values.iter().map(|value| part(value, format!("{by}={}", quoted(value)))).collect();
    parts.sort_by(|one, other| one.word.cmp(&other.word));
    parts.push(part(REST, rest));
    parts.retain(|part| !part.cells.is_empty());
    parts
}

fn letter(state: State) -> char {
    state.name().chars().next().unwrap_or(' ')
}

/// What each letter means.
fn states() -> Vec<serde_json::Value> {
    State::ALL
        .iter()
        .map(|state| json!({"letter": letter(*state).to_string(), "word": state.name(), "sign": show::sign(state.name()).shape}))
        .collect()
}
