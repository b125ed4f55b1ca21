//! Answers about the fleet as a person reads them.

use crate::{failure::harmless, print};
use protocol::{phases::Phase, time::span};
use serde_json::Value;
use std::fmt::Write;
use time::OffsetDateTime;

/// A list under its headings.
pub(super) struct Rows {
    pub(super) headings: &'static [&'static str],
    pub(super) rows: Vec<Vec<String>>,
}

impl Rows {
    /// Prints them.
    pub(super) fn table(self) {
        print::table(self.headings, self.rows);
    }
}

/// Groups shown of a list.
const SHOWN: usize = 8;

/// How the fleet is.
pub(super) fn status(status: &Value) -> String {
    let mut text = String::new();
    let (failing, known) = (&status["failing"], &status["known"]);
    let _ = writeln!(
        text,
        "{}: {} hosts; {failing} of {known} heard of lately fail ({})",
        print::time(status, "at"),
        status["hosts"],
        percent(&status["failure_rate"])
    );
    if status["whole"] == false {
        text.push_str("the record is still being read: the counts are not whole yet\n");
    }
    for group in print::items(status, "states") {
        let count = group["hosts"].as_u64().unwrap_or(0);
        let list = if count > 0 { format!("   pinnacectl fleet hosts {}", print::text(group, "filter")) } else { String::new() };
        let _ = writeln!(text, "  {:<12}{count:>8}{list}", print::text(group, "word"));
    }
    for (title, member, between) in [("failing with", "codes", " "), ("generations", "generations", " on "), ("clocks off by", "clocks", " ")] {
        let groups: Vec<String> =
            print::items(status, member).take(SHOWN).map(|group| format!("{}{between}{}", print::text(group, "word"), group["hosts"])).collect();
        if !groups.is_empty() {
            let more = print::items(status, member).count().saturating_sub(SHOWN);
            let more = if more > 0 { format!(", and {more} more") } else { String::new() };
            let _ = writeln!(text, "{title}: {}{more}", groups.join(", "));
        }
    }
    text.push_str(&horizon(status));
    if status["hosts_with_holes"] != 0 {
        let _ = writeln!(
            text,
            "holes: {} host(s) dropped {} event(s) for want of room; the counts lack them",
            status["hosts_with_holes"], status["dropped_events"]
        );
    }
    harmless(&text) + "\n"
}

fn horizon(status: &Value) -> String {
    let horizon = &status["horizon"];
    let mut text = match (print::time(horizon, "first_at"), horizon["first_host"].as_str()) {
        (at, Some(host)) if !at.is_empty() => {
            let left = horizon["first_at"].as_i64().unwrap_or(0) - status["at"].as_i64().unwrap_or(0);
            format!("if the control plane stopped now, the first host fails at {at} (in {}): {host}\n", span(left))
        }
        _ => "if the control plane stopped now: no host is known to hold a credential\n".to_string(),
    };
    let base = status["at"].as_i64().unwrap_or(0);
    let steps = print::items(horizon, "steps").map(|step| format!("{} {}", span(step["at"].as_i64().unwrap_or(0) - base), step["hosts"]));
    let steps: Vec<String> = steps.collect();
    if horizon["holding"] != 0 {
        let _ = writeln!(text, "  hosts without, after: {}; of {} that hold one", steps.join(", "), horizon["holding"]);
    }
    if horizon["ended"] != 0 {
        let _ = writeln!(text, "  {} host(s) hold nothing that has not ended", horizon["ended"]);
    }
    text
}

/// The states, as rows.
pub(super) fn status_rows(status: &Value) -> Rows {
    let of = |kind: &str, member| {
        let kind = kind.to_string();
        print::items(status, member)
            .map(move |group| vec![kind.clone(), print::text(group, "word"), print::text(group, "hosts"), print::text(group, "filter")])
    };
    let rows = of("state", "states").chain(of("code", "codes")).chain(of("generation", "generations")).chain(of("clock", "clocks"));
    Rows { headings: &["KIND", "WORD", "HOSTS", "FILTER"], rows: rows.collect() }
}

/// What those that fail have in common.
pub(super) fn why(why: &Value) {
    println!("{} of {} hosts ({})", why["cases"], why["of"], percent(&why["rate"]));
    let codes: Vec<String> = print::items(why, "codes").take(SHOWN).map(|group| format!("{} {}", word(group), group["hosts"])).collect();
    if !codes.is_empty() {
        println!("{}", harmless(&codes.join(", ")));
    }
    why_rows(why).table();
    if why["corners"].as_array().is_some_and(|corners| !corners.is_empty()) {
        println!("lift: the code's rate there over its rate in all; from ... to: Wilson's interval, 99 %; {} in all", why["total"]);
    }
}

fn word(group: &Value) -> String {
    Some(print::text(group, "word")).filter(|word| !word.is_empty()).unwrap_or_else(|| "no code".into())
}

/// Its corners, as rows.
pub(super) fn why_rows(why: &Value) -> Rows {
    let number = |value: &Value| value.as_f64().map_or_else(String::new, |number| format!("{number:.1}"));
    let row = |corner: &Value| {
        vec![
            print::text(corner, "code"),
            print::text(corner, "fact"),
            format!("{} of {}", corner["cases"], corner["of"]),
            percent(&corner["rate"]),
            number(&corner["lift"]),
            number(&corner["lift_low"]),
            number(&corner["lift_high"]),
            percent(&corner["explains"]),
            print::time(corner, "since"),
        ]
    };
    Rows {
        headings: &["CODE", "WHERE", "FAIL", "RATE", "LIFT", "FROM", "TO", "OF THE CODE", "SINCE"],
        rows: print::items(why, "corners").map(row).collect(),
    }
}

/// A list of hosts.
pub(super) fn hosts(answer: &Value) {
    let shown = print::items(answer, "hosts").count();
    host_rows(answer).table();
    if answer["total"] != shown {
        println!("{shown} of {}", answer["total"]);
    }
}

/// Hosts, as rows.
pub(super) fn host_rows(answer: &Value) -> Rows {
    let row = |host: &Value| {
        let fact = |name: &str| print::text(&host["facts"], name);
        vec![
            print::text(host, "name"),
            print::text(host, "state"),
            print::text(host, "code"),
            print::text(host, "generation"),
            print::time(host, "seen"),
            print::time(host, "failing_since"),
            print::time(host, "ends"),
            fact("os"),
            fact("kernel"),
            print::text(host, "labels"),
        ]
    };
    Rows {
        headings: &["NAME", "STATE", "CODE", "GENERATION", "SEEN", "FAILING SINCE", "FIRST END", "OS", "KERNEL", "LABELS"],
        rows: print::items(answer, "hosts").map(row).collect(),
    }
}

/// One host.
pub(super) fn host(answer: &Value) {
    let host = &answer["host"];
    let line = |name: &str, value: &str| {
        if !value.is_empty() {
            println!("{name:<18}{}", harmless(value));
        }
    };
    for name in ["name", "state"] {
        line(name, &print::text(host, name));
    }
    let reason = print::text(answer, "status_reason");
    line("status", &[print::text(answer, "status"), reason].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(": "));
    line("code", &print::text(host, "code"));
    line("means", &print::text(answer, "means"));
    line("hint", &print::text(answer, "hint"));
    line("failing since", &print::time(host, "failing_since"));
    line("seen", &print::time(host, "seen"));
    line("generation", &print::text(host, "generation"));
    line("update", &print::text(answer, "update"));
    line("stratum", &print::text(answer, "stratum"));
    line("facts", &print::text(host, "facts"));
    line("labels", &print::text(host, "labels"));
    line("certificate ends", &print::time(answer, "certificate_ends"));
    for (name, _) in answer["holds"].as_object().into_iter().flatten() {
        line("credential ends", &format!("{name} {}", print::time(&answer["holds"], name)));
    }
    for (name, rule) in answer["policy"].as_object().into_iter().flatten() {
        line("granted", &format!("{name}, by the rule for {}", rule.as_str().unwrap_or_default()));
    }
    for trial in print::items(answer, "trials") {
        let verdict = Some(print::text(trial, "verdict")).filter(|verdict| !verdict.is_empty()).unwrap_or_else(|| "under way".into());
        let release: String = print::text(trial, "release").chars().take(12).collect();
        line("trial", &format!("{release} {verdict}: {} clean, {} bad, {} good", trial["clean"], trial["bad"], trial["good"]));
    }
    if answer["dropped"] != 0 {
        line("holes", &format!("{} event(s) dropped for want of room, as it last said {}", answer["dropped"], print::time(answer, "dropped_at")));
    }
    println!();
    event_rows(answer).table();
}

/// Its runs, as rows.
pub(super) fn event_rows(answer: &Value) -> Rows {
    let row = |event: &Value| {
        let mut cells = vec![print::time(event, "at")];
        cells.extend(["outcome", "code", "elapsed_ms"].map(|member| print::text(event, member)));
        cells.extend(Phase::ALL.map(|phase| print::text(&event["phases"], &format!("{}_ms", phase.name()))));
        cells.extend(["attempts", "generation", "update", "identity", "verdict"].map(|member| print::text(event, member)));
        cells
    };
    Rows {
        headings: &[
            "AT",
            "OUTCOME",
            "CODE",
            "MS",
            "RESOLVE",
            "CONNECT",
            "TLS",
            "REQUEST",
            "DELIVER",
            "ATTEMPTS",
            "GENERATION",
            "UPDATE",
            "IDENTITY",
            "VERDICT",
        ],
        rows: print::items(answer, "events").map(row).collect(),
    }
}

/// Runs over time, as rows.
pub(super) fn series_rows(answer: &Value) -> Rows {
    let row = |point: &Value| {
        let count = |member| print::text(point, member);
        vec![print::time(point, "at"), count("runs"), count("failed"), percent(&point["failure_rate"]), count("elapsed_ms"), count("dropped")]
    };
    Rows { headings: &["FROM", "RUNS", "FAILED", "RATE", "MEAN MS", "DROPPED"], rows: print::items(answer, "points").map(row).collect() }
}

fn percent(share: &Value) -> String {
    let share = share.as_f64().unwrap_or(0.0) * 100.0;
    if share > 0.0 && share < 1.0 { format!("{share:.2} %") } else { format!("{share:.1} %") }
}

/// The time of day here and now, for a drawing.
pub(super) fn clock() -> String {
    let now = OffsetDateTime::now_utc();
    format!("{:02}:{:02}:{:02}", now.hour(), now.minute(), now.second())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn every_phase_of_a_run_stands_under_its_heading() {
        let phases: serde_json::Map<_, _> =
            Phase::ALL.into_iter().zip(11..).map(|(phase, time)| (format!("{}_ms", phase.name()), json!(time))).collect();
        let rows = event_rows(&json!({"events": [{"outcome": "failed", "phases": phases}]}));
        let row = rows.rows[0].clone();
        for (phase, time) in Phase::ALL.into_iter().zip(11..) {
            let column = rows.headings.iter().position(|heading| *heading == phase.name().to_uppercase()).unwrap();
            assert_eq!(row[column], time.to_string(), "{}", phase.name());
        }
        assert_eq!(row.len(), rows.headings.len());
    }
}
