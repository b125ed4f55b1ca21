//! How many hosts are in which state: a gauge, beside everything else.

use super::Fleet;
use crate::api::{ControlPlane, now};
use std::{sync::Arc, time::Duration};

const PERIOD: Duration = Duration::from_secs(5);
/// After how many intervals without a word a host is silent, in halves.
const SILENT_HALF_INTERVALS: i64 = 5;
/// After how many seconds without a word it is missing.
const MISSING_SECONDS: i64 = 7 * 86_400;

/// Counts again and again, for as long as the process serves.
pub(crate) async fn keep(plane: Arc<ControlPlane>) {
    loop {
        let counting = Arc::clone(&plane);
        // A thread that failed has said so; the next count comes.
        let _ = tokio::task::spawn_blocking(move || {
            let interval = counting.release_rules.interval(counting.policy.load().lifetime_seconds_max());
            let states = count(&counting.telemetry.fleet(), interval, now());
            counting.metrics.hosts_stand(&states);
        })
        .await;
        tokio::time::sleep(PERIOD).await;
    }
}

/// Each host once; whoever has not been heard of lately is never healthy.
fn count(fleet: &Fleet, interval: i64, now: i64) -> [(&'static str, i64); 4] {
    let [mut healthy, mut failing, mut silent, mut missing] = [0; 4];
    for (_, known) in fleet.hosts() {
        let quiet = now.saturating_sub(known.seen);
        let failed = known.told.newest.as_ref().is_some_and(|newest| newest.outcome == "failed");
        *match () {
            () if quiet > MISSING_SECONDS => &mut missing,
            () if quiet.saturating_mul(2) > interval.saturating_mul(SILENT_HALF_INTERVALS) => &mut silent,
            () if failed => &mut failing,
            () => &mut healthy,
        } += 1;
    }
    [("healthy", healthy), ("failing", failing), ("silent", silent), ("missing", missing)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::telemetry::HostRow;

    #[test]
    fn a_host_that_is_not_heard_of_is_silent_then_missing_whatever_it_told_last() {
        let (now, interval) = (10_000_000, 1_800);
        let row = |(number, (quiet, outcome)): (usize, (i64, &str))| {
            let newest = serde_json::json!({"at": 0, "code": "ok", "outcome": outcome, "generation": 1});
            let body = serde_json::json!({"newest": newest}).to_string();
            HostRow { host: format!("web-{number}"), seen: now - quiet, body }
        };
        let mut fleet = Fleet::default();
        let told = [
            (4_500, "delivered"),
            (9, "failed"),
            (4_501, "delivered"),
            (4_501, "failed"),
            (MISSING_SECONDS, "fresh"),
            (MISSING_SECONDS + 1, "failed"),
        ];
        fleet.follow(told.into_iter().enumerate().map(row).collect(), true);
        assert_eq!(count(&fleet, interval, now), [("healthy", 1), ("failing", 1), ("silent", 3), ("missing", 1)]);
    }
}
