//! The table as text, and its place in the documentation.

use super::{Row, Sizes, Tally, case, numbers, policy::NAMES};
use std::{fmt::Write, fs, path::Path};

const BEGIN: &str = "<!-- begin: cargo xtask simulate --table -->";
const END: &str = "<!-- end -->";
const OURS: &str = "**Pinnace**";

/// Both parts of the table.
pub(crate) fn text(good: &[Row], bad: &[Row], sizes: Sizes) -> String {
    let mut text = String::new();
    if !good.is_empty() {
        good_part(&mut text, good, sizes);
    }
    for row in bad {
        bad_part(&mut text, row);
    }
    text
}

/// Replaces what stands between the page's markers.
pub(crate) fn write(page: &Path, text: &str) -> Result<(), String> {
    let name = page.display();
    let old = fs::read_to_string(page).map_err(|cause| format!("cannot read {name}: {cause}"))?;
    let (before, rest) = old.split_once(BEGIN).ok_or(format!("{name} has no line {BEGIN}"))?;
    let (_, after) = rest.split_once(END).ok_or(format!("{name} has no line {END}"))?;
    fs::write(page, format!("{before}{BEGIN}\n\n{text}\n{END}{after}")).map_err(|cause| format!("cannot write {name}: {cause}"))
}

fn names() -> impl Iterator<Item = &'static str> {
    std::iter::once(OURS).chain(NAMES)
}

fn good_part(text: &mut String, rows: &[Row], sizes: Sizes) {
    let _ = writeln!(
        text,
        "**A good release.** Share of rollouts that are pulled although nothing is wrong with the release. Each case: {} rollouts over a\n\
         fleet of {} hosts, for up to two days of quarter-hourly runs; 95 % intervals (Clopper-Pearson).\n",
        sizes.good,
        case::SMALL
    );
    let _ = writeln!(text, "| policy | {} | all |", rows.iter().map(|row| row.case.name).collect::<Vec<_>>().join(" | "));
    let _ = writeln!(text, "|---|{}", "---|".repeat(rows.len() + 1));
    for (index, name) in names().enumerate() {
        let _ = write!(text, "| {name} |");
        let (mut pulled, mut runs) = (0, 0);
        for row in rows {
            let hits = row.policies.get(index).map_or(0, |tally| tally.pulled);
            (pulled, runs) = (pulled + hits, runs + row.runs);
            let _ = write!(text, " {} |", share(hits, row.runs));
        }
        let (low, high) = numbers::interval(pulled, runs);
        let _ = writeln!(text, " {} ({:.2} to {:.2}) |", share(pulled, runs), low * 100.0, high * 100.0);
    }
    let _ = write!(text, "| 95 % interval of Pinnace's |");
    for row in rows {
        let (low, high) = numbers::interval(row.policies.first().map_or(0, |tally| tally.pulled), row.runs);
        let _ = write!(text, " {:.2} to {:.2} % |", low * 100.0, high * 100.0);
    }
    let _ = writeln!(text, " |");
    shares(text, "Pinnace's that were held for doubt for a while", rows.iter().map(|row| share(row.doubted, row.runs)));
    shares(text, "Pinnace's that reached every host within the time", rows.iter().map(|row| share(row.done, row.runs)));
}

fn shares(text: &mut String, name: &str, shares: impl Iterator<Item = String>) {
    let _ = writeln!(text, "| {name} | {} | |", shares.collect::<Vec<_>>().join(" | "));
}

fn bad_part(text: &mut String, row: &Row) {
    let (name, runs, hosts) = (row.case.name, row.runs, row.case.hosts);
    let _ = writeln!(text, "\n**{}.** {runs} rollouts over a fleet of {hosts} hosts, {} ticks.\n", capital(name), row.case.ticks);
    let _ = writeln!(
        text,
        "| policy | pulled | ticks to the pull: median, 95th percentile | hosts exposed | hosts harmed | credentials missed | stratum named first |"
    );
    let _ = writeln!(text, "|---|---|---|---|---|---|---|");
    for (index, (policy, tally)) in names().zip(&row.policies).enumerate() {
        let pulled = match row.held {
            held if index == 0 && held > 0 => format!("{}, held {}", share(tally.pulled, runs), share(held, runs)),
            _ => share(tally.pulled, runs),
        };
        let named = match row.case.stratum {
            Some(_) if index == 0 => share(tally.named_right, tally.pulled),
            _ => "-".to_owned(),
        };
        let _ = writeln!(text, "| {policy} | {pulled} | {} | {named} |", columns(tally));
    }
}

fn columns(tally: &Tally) -> String {
    if tally.pulled == 0 {
        return "- | - | - | -".to_owned();
    }
    let at = |list: &[u64], percent| numbers::quantile(&mut list.to_vec(), percent);
    format!("{}, {} | {} | {} | {}", at(&tally.ticks, 50), at(&tally.ticks, 95), at(&tally.exposed, 50), at(&tally.harmed, 50), at(&tally.missed, 50))
}

fn share(hits: u64, of: u64) -> String {
    let percent = if of == 0 { 0.0 } else { hits as f64 * 100.0 / of as f64 };
    if hits == 0 || hits == of { format!("{percent:.0} %") } else { format!("{percent:.2} %") }
}

fn capital(text: &str) -> String {
    let mut characters = text.chars();
    characters.next().map_or(String::new(), |first| first.to_uppercase().chain(characters).collect())
}
