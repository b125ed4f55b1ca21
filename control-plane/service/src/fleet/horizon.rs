//! When hosts fail if the control plane stops now.

use super::snapshot::{Row, Snapshot};
use schemars::JsonSchema;
use serde::Serialize;

/// Seconds from now at which is told how many are without a credential.
const STEPS: [i64; 7] = [900, 3_600, 3 * 3_600, 6 * 3_600, 12 * 3_600, 86_400, 7 * 86_400];

/// When credentials end that nobody renews.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Horizon {
    /// When the first host is without a credential, seconds since 1970; `null` where none is known to hold one.
    pub first_at: Option<i64>,
    /// That host.
    pub first_host: Option<String>,
    /// Hosts that hold something that has not ended.
    pub holding: usize,
    /// Hosts that were issued something, and all of it has ended.
    pub ended: usize,
    /// How many of those that hold something have lost a credential by then.
    pub steps: Vec<HorizonStep>,
}

/// One moment of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct HorizonStep {
    /// Seconds since 1970.
    pub at: i64,
    /// Hosts.
    pub hosts: usize,
}

impl Horizon {
    /// Of some hosts.
    pub(super) fn of<'a>(snapshot: &Snapshot, rows: impl Iterator<Item = &'a Row>) -> Self {
        let (mut ends, mut ended): (Vec<(i64, &str)>, usize) = (Vec::new(), 0);
        for row in rows {
            ended += usize::from(row.ended);
            if row.ends > 0 {
                ends.push((row.ends, &row.name));
            }
        }
        ends.sort_unstable();
        let step = |after: &i64| {
            let at = snapshot.at.saturating_add(*after);
            HorizonStep { at, hosts: ends.partition_point(|(ends, _)| *ends <= at) }
        };
        Self {
            first_at: ends.first().map(|(at, _)| *at),
            first_host: ends.first().map(|(_, name)| (*name).to_string()),
            holding: ends.len(),
            ended,
            steps: STEPS.iter().map(step).collect(),
        }
    }
}
