//! Lists of hosts: whoever fits the filter, and what they have in common.

use super::{Asked, Typed, corner};
use crate::{
    api::{ControlPlane, now},
    dashboard::{
        Content,
        show::{Around, Sign, ago, escaped, page, percent, sign},
    },
};
use askama::Template;
use hyper::{Response, StatusCode};
use protocol::filter::{FACTS, Filter, Key};
use service::fleet::{HostLine, Snapshot};
use std::sync::Arc;

const PAGE: usize = 100;
/// Corners that are asked for, lines that are shown of them, and cases that each needs.
const CORNERS_MAX: usize = 40;
const LINES_MAX: usize = 10;
const SUPPORT: usize = 3;
/// Values of a key that are offered to whoever types a filter.
const VALUES_MAX: usize = 12;

#[derive(Template)]
#[template(path = "hosts.html")]
struct Hosts {
    around: Around,
    typed: Typed,
    /// What is wrong with the filter, with a mark under the character.
    wrong: String,
    total: usize,
    all: usize,
    lines: Vec<Line>,
    corners: Vec<corner::Line>,
    ties: Vec<Tie>,
    keys: Vec<String>,
    /// From one name to another, where a part of the map was chosen.
    between: Option<[String; 2]>,
    next: Option<String>,
    is_first: bool,
}

struct Line {
    host: HostLine,
    sign: Sign,
    seen: String,
}

/// A key, and how the hosts that were found are spread over its values.
struct Tie {
    key: String,
    values: Vec<Share>,
    more: usize,
}

struct Share {
    value: String,
    link: String,
    hosts: usize,
    percent: String,
}

impl Line {
    fn fact(&self, name: &str) -> &str {
        self.host.facts.get(name).map_or("–", String::as_str)
    }
}

pub(super) fn answer(plane: &Arc<ControlPlane>, asked: &Asked) -> Response<Content> {
    let snapshot = tokio::task::block_in_place(|| plane.snapshot());
    let typed = asked.filter();
    let status = if typed.wrong.is_none() { StatusCode::OK } else { StatusCode::BAD_REQUEST };
    page(status, &tokio::task::block_in_place(|| hosts(&snapshot, asked, typed)))
}

fn hosts(snapshot: &Snapshot, asked: &Asked, typed: Typed) -> Hosts {
    let filter = &typed.filter;
    let cells = if typed.wrong.is_none() { snapshot.cells(filter) } else { Vec::new() };
    let (first, last) = (asked.get("first"), asked.get("last"));
    let names: Vec<&str> = cells.iter().map(|(name, _)| *name).filter(|name| *name >= first && (last.is_empty() || *name <= last)).collect();
    let after = if asked.get("after").is_empty() { before(&cells, first) } else { Some(asked.get("after")) };
    let found = if typed.wrong.is_none() { snapshot.page(filter, after, PAGE).hosts } else { Vec::new() };
    let found = found.into_iter().filter(|host| last.is_empty() || host.name.as_str() <= last);
    let lines: Vec<Line> = found.map(|host| Line { sign: sign(&host.state), seen: ago(host.seen, now()), host }).collect();
    let behind = lines.last().filter(|line| names.last().is_some_and(|last| *last > line.host.name.as_str()));
    let place = |name: &str, value: &str| if value.is_empty() { String::new() } else { format!("&{name}={}", escaped(value)) };
    let next = behind
        .map(|line| format!("/hosts?q={}{}{}&after={}", escaped(&typed.text), place("first", first), place("last", last), escaped(&line.host.name)));
    let why = typed.wrong.is_none().then(|| snapshot.why(filter, SUPPORT, CORNERS_MAX));
    Hosts {
        wrong: typed.wrong.as_ref().map(|wrong| format!("{}\n{}", wrong.shown(&typed.text), wrong.hint)).unwrap_or_default(),
        total: names.len(),
        all: snapshot.cells(&Filter::default()).len(),
        corners: why.map(|why| corner::lines(why.corners, LINES_MAX)).unwrap_or_default(),
        ties: ties(snapshot, filter),
        keys: keys(snapshot),
        between: (!first.is_empty() || !last.is_empty()).then(|| [first.to_string(), last.to_string()]),
        is_first: asked.get("after").is_empty(),
        around: Around::new("Hosts", "hosts", asked),
        lines,
        next,
        typed,
    }
}

/// The host before a name, behind which a page that begins with it begins.
fn before<'a>(cells: &[(&'a str, service::fleet::State)], first: &str) -> Option<&'a str> {
    let place = cells.partition_point(|(name, _)| *name < first);
    cells.get(place.checked_sub(1)?).map(|(name, _)| *name)
}

/// How the hosts of a filter are spread over what is worth knowing first.
fn ties(snapshot: &Snapshot, filter: &Filter) -> Vec<Tie> {
    let labels = snapshot.other_keys();
    let keys = ["state", "code"].into_iter().map(ToOwned::to_owned).chain(labels).chain(["os", "kernel", "egress", "clock"].map(ToOwned::to_owned));
    let (total, mut spread) = snapshot.spread(filter);
    let base = filter.to_string();
    let tie = |key: String| {
        let mut values = spread.remove(&key).unwrap_or_default();
        let more = values.len().saturating_sub(6);
        values.truncate(6);
        let share = |(value, hosts): (String, usize)| {
            let term = format!("{key}={}", protocol::filter::quoted(&value));
            let narrowed = if base.is_empty() { term } else { format!("{base} {term}") };
            Share { link: format!("/hosts?q={}", escaped(&narrowed)), percent: percent(hosts, total), value, hosts }
        };
        let values: Vec<Share> = values.into_iter().map(share).collect();
        Tie { key, values, more }
    };
    keys.map(tie).filter(|tie| tie.values.len() > 1).collect()
}

/// Terms to begin with, for whoever types.
fn keys(snapshot: &Snapshot) -> Vec<String> {
    let of = |key: &str, parsed: &Key| {
        let values = snapshot.values(parsed).into_iter().take(VALUES_MAX);
        values.map(|value| format!("{key}={}", protocol::filter::quoted(&value))).collect::<Vec<_>>()
    };
    let states = protocol::filter::STATES.iter().map(|state| format!("state={state}"));
    let facts = FACTS.iter().flat_map(|fact| of(fact, &Key::Fact((*fact).into())));
    let others = snapshot.other_keys().into_iter().flat_map(|key| match key.split_once('.') {
        Some(("label", name)) => of(&key, &Key::Label(name.into())),
        Some((_, name)) => of(&key, &Key::Fact(name.into())),
        None => Vec::new(),
    });
    states.chain(facts).chain(others).collect()
}
