//! What hosts told, taken in by pinnaced's own rules, and when each was heard of. It outlives the control plane's process.

use protocol::event::Report;
use rollout::plan::Plan;
use service::{
    drive::Fleet,
    telemetry::{Told, TooMuch},
};

/// All of it, in the order of the hosts' names.
pub(super) struct Telemetry {
    hosts: Vec<Known>,
    changes: u64,
}

struct Known {
    name: String,
    told: Told,
    heard: i64,
    /// The change of the fleet that was the newest here.
    change: u64,
}

impl Telemetry {
    /// Nobody has told anything.
    pub(super) fn of(names: impl IntoIterator<Item = String>) -> Self {
        let known = |name| Known { name, told: Told::default(), heard: 0, change: 0 };
        Self { hosts: names.into_iter().map(known).collect(), changes: 0 }
    }

    pub(super) fn hosts(&self) -> impl Iterator<Item = (&str, &Told)> {
        self.hosts.iter().map(|known| (known.name.as_str(), &known.told))
    }

    /// Takes a report in; gives the number of the newest event on record.
    pub(super) fn take(&mut self, host: usize, report: &Report, now: i64) -> Result<i64, TooMuch> {
        let known = &mut self.hosts[host];
        let fresh = known.told.take(report, now)?;
        self.changes += 1;
        (known.change, known.heard) = (self.changes, now);
        Ok(fresh.taken)
    }

    pub(super) fn hear(&mut self, host: usize, now: i64) {
        self.hosts[host].heard = now;
    }

    /// Another process reads what is on record; what it reads is new to it.
    pub(super) fn restart(&mut self) -> Result<(), String> {
        for known in &mut self.hosts {
            let body = serde_json::to_string(&known.told).map_err(|cause| cause.to_string())?;
            let read: Told = serde_json::from_str(&body).map_err(|cause| cause.to_string())?;
            if read != known.told {
                return Err(format!("what {} told is read as something else than was stored", known.name));
            }
            self.changes += 1;
            (known.told, known.change) = (read, self.changes);
        }
        Ok(())
    }
}

impl Fleet for Telemetry {
    fn is_whole(&self) -> bool {
        true
    }

    fn told_since(&self, change: u64, take: &mut dyn FnMut(&str, &Told)) -> u64 {
        self.hosts.iter().filter(|known| known.change > change).for_each(|known| take(&known.name, &known.told));
        self.changes
    }

    /// Both are in the order of the hosts' names.
    fn heard(&self, plan: &Plan) -> Vec<i64> {
        let mut known = self.hosts.iter();
        plan.places().iter().map(|place| known.find(|known| known.name == place.host).map_or(0, |known| known.heard)).collect()
    }
}
