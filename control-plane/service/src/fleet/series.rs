//! What runs came to over time, from the counts per minute.

use super::{MISSING_SECONDS, interval::share};
use crate::telemetry::FAILED;
use protocol::filter::{Filter, Key, Test};
use schemars::JsonSchema;
use serde::Serialize;

/// Points of a series, at most.
pub(crate) const POINTS_MAX: i64 = 2_016;
/// The dimension of what hosts dropped.
pub const DROPPED: &str = "dropped";

/// Runs over time.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
pub struct Series {
    /// The version of this answer.
    pub version: u8,
    /// Seconds of a point.
    pub step_seconds: i64,
    /// The points, the oldest first.
    pub points: Vec<Point>,
}

/// The runs that ended in one step.
#[derive(Clone, Debug, Default, PartialEq, Serialize, JsonSchema)]
pub struct Point {
    /// When the step begins, seconds since 1970.
    pub at: i64,
    /// Runs.
    pub runs: i64,
    /// Those that failed, with the code that the filter asks for.
    pub failed: i64,
    /// The one as a share of the other.
    pub failure_rate: f64,
    /// How long a run took in the mean.
    pub elapsed_ms: i64,
    /// Events that hosts dropped, as they said in this step: the rest counts what was told.
    pub dropped: i64,
}

/// A count of one minute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// Minutes since 1970.
    pub minute: i64,
    /// What the runs came to; empty for what was dropped.
    pub outcome: String,
    /// How they ended.
    pub code: String,
    /// How many.
    pub events: i64,
    /// How long they took in all.
    pub elapsed_ms: i64,
}

/// The counts that a filter is about: history is kept by one fact at a time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slice {
    /// Such as `os`; empty for all.
    pub dimension: String,
    /// The value in it.
    pub value: String,
    tests: Vec<(Key, Test)>,
}

impl Slice {
    /// Of a filter.
    ///
    /// # Errors
    /// In words, for a filter that history cannot answer.
    pub fn of(filter: &Filter) -> Result<Self, String> {
        let mut slice = Self::default();
        for term in filter.terms() {
            match (&term.key, &term.test) {
                (Key::Outcome | Key::Code, test) => slice.tests.push((term.key.clone(), test.clone())),
                (Key::Fact(_) | Key::Generation, Test::Is(patterns)) if slice.dimension.is_empty() => match patterns.as_slice() {
                    [pattern] if !pattern.text().contains('*') => {
                        slice.dimension = term.key.to_string();
                        slice.value = pattern.text().into();
                    }
                    _ => return Err("history is kept by one fact with one value at a time, such as os=rhel7".into()),
                },
                _ => return Err(format!("history is kept by one fact at a time, by code and by outcome, and not by {}", term.key)),
            }
        }
        Ok(slice)
    }

    fn counts(&self, count: &Count) -> bool {
        self.tests.iter().all(|(key, test)| test.holds(if *key == Key::Code { &count.code } else { &count.outcome }))
    }
}

impl Series {
    /// Whole minutes of a step over so many seconds: about as many as were asked for, and no more points than are told.
    pub fn step(since: i64, step: i64) -> i64 {
        step.clamp(60, MISSING_SECONDS).max((since / POINTS_MAX + 59) / 60 * 60) / 60 * 60
    }

    /// From the counts between `from` and `to`, seconds since 1970.
    pub fn of(slice: &Slice, counts: &[Count], (from, to): (i64, i64), step: i64) -> Self {
        let first = from.div_euclid(step);
        let mut points: Vec<Point> = (first..=to.div_euclid(step)).map(|number| Point { at: number * step, ..Point::default() }).collect();
        for count in counts {
            let index = usize::try_from((count.minute * 60).div_euclid(step) - first);
            let Some(point) = index.ok().and_then(|index| points.get_mut(index)) else { continue };
            match count.outcome.as_str() {
                "" => point.dropped += count.events,
                // What became of a release is no run.
                "update" | "rescued" => (),
                outcome => {
                    point.runs += count.events;
                    point.elapsed_ms += count.elapsed_ms;
                    point.failed += if outcome == FAILED && slice.counts(count) { count.events } else { 0 };
                }
            }
        }
        for point in &mut points {
            let number = |count: i64| usize::try_from(count).unwrap_or(0);
            point.failure_rate = share(number(point.failed), number(point.runs));
            point.elapsed_ms /= point.runs.max(1);
        }
        Self { version: 1, step_seconds: step, points }
    }
}
