//! Which release a host is to run. The control plane can only choose: what is not signed for the host's platform, or is below the
//! floor, or has ended, is no choice.

use super::host::Labels;
use protocol::release::{Release, Terms, floor, is_path};
use rollout::plan::Wave;
use serde::Deserialize;
use trust::Targets;

/// The label of hosts that get releases of the channel `canary` too.
const CHANNEL: (&str, &str) = ("channel", "canary");

/// How often a host fetches where no policy says it.
const INTERVAL_SECONDS: i64 = 1_800;

/// Clean runs of a trial, and the intervals it takes at least: what docs/trial.md was measured with.
const TRIAL_RUNS: u32 = 10;
const TRIAL_INTERVALS: i64 = 28;
const TRIAL_SECONDS_MAX: u32 = 30 * 86_400;

/// How releases reach hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Rules {
    /// By a rollout alone; otherwise each goes to every host of its channel at once.
    pub rollouts: bool,
    /// Clean runs of a trial; 0 for none.
    trial_runs: u32,
    /// How long a trial takes at least; `None` for the usual.
    trial_seconds: Option<u32>,
    /// How often a host fetches; `None` for what the policy says.
    interval_seconds: Option<u32>,
    /// For how many intervals each wave is watched at least; `None` for the usual.
    soak_intervals: Option<u32>,
}

impl Default for Rules {
    fn default() -> Self {
        Self { rollouts: true, trial_runs: TRIAL_RUNS, trial_seconds: None, interval_seconds: None, soak_intervals: None }
    }
}

impl Rules {
    /// How a release earns a host that fetches so often; `None` if it goes live at once.
    pub fn terms(&self, interval: i64) -> Option<Terms> {
        let usual = || interval.saturating_mul(TRIAL_INTERVALS).min(TRIAL_SECONDS_MAX.into());
        let seconds = self.trial_seconds.map_or_else(usual, i64::from);
        (self.trial_runs > 0).then(|| Terms { runs: self.trial_runs.into(), seconds })
    }

    /// How often a host fetches, where the longest credential of the policy lives for so many seconds: at half of that.
    pub fn interval(&self, lifetime_seconds: Option<i64>) -> i64 {
        let of_policy = || lifetime_seconds.map_or(INTERVAL_SECONDS, |lifetime| (lifetime / 2).max(1));
        self.interval_seconds.map_or_else(of_policy, i64::from)
    }

    /// The waves of a rollout.
    pub fn waves(&self, usual: Vec<Wave>, interval: i64) -> Vec<Wave> {
        let Some(intervals) = self.soak_intervals else { return usual };
        let soak_seconds = interval.saturating_mul(intervals.into());
        usual.into_iter().map(|wave| Wave { soak_seconds, ..wave }).collect()
    }

    /// What a host would not take for terms, in words.
    pub fn check(&self) -> Result<(), &'static str> {
        match self {
            Self { trial_runs: 1_001.., .. } => Err("trial_runs is over 1000"),
            Self { trial_seconds: Some(seconds), .. } if *seconds > TRIAL_SECONDS_MAX => Err("trial_seconds is over 30 days"),
            Self { interval_seconds: Some(0), .. } => Err("interval_seconds of 0 is no interval"),
            _ => Ok(()),
        }
    }
}

/// The releases that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Catalog {
    offers: Vec<Offer>,
    floor: i64,
    ends: i64,
}

/// One signed file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Offer {
    /// Its path.
    pub path: String,
    /// Its SHA-256, hexadecimal.
    pub sha256: String,
    /// What it is.
    pub release: Release,
}

impl Catalog {
    /// From targets that were believed. A release without a SHA-256 cannot be named to a host, and is none.
    pub fn of(targets: &Targets) -> Self {
        let offer = |(path, target): &(String, trust::Target)| {
            let sha256 = protocol::hex_encode(target.hashes.sha256.as_ref()?);
            Some(Offer { path: path.clone(), sha256, release: Release::from_custom(target.custom.as_ref()?)? })
        };
        let offers: Vec<_> = targets.targets().iter().filter(|(path, _)| is_path(path)).filter_map(offer).collect();
        let floor = floor(offers.iter().map(|offer| &offer.release));
        Self { offers, floor, ends: targets.expires() }
    }

    /// The paths of all of them.
    pub fn newest_first(&self) -> Vec<&str> {
        let mut offers: Vec<&Offer> = self.offers.iter().collect();
        offers.sort_by_key(|offer| std::cmp::Reverse(offer.release.generation));
        offers.into_iter().map(|offer| offer.path.as_str()).collect()
    }

    /// The newest release that a host on `platform` with these labels may run, but for those that were pulled.
    pub fn newest(&self, platform: &str, labels: &Labels, pulled: &[String], now: i64) -> Option<&Offer> {
        let fits = |offer: &&Offer| offer.release.platform == platform && is_for(&offer.release.channel, labels) && !pulled.contains(&offer.sha256);
        self.choices(now).filter(fits).max_by_key(|offer| offer.release.generation)
    }

    /// A generation for a platform.
    pub fn find(&self, platform: &str, generation: i64, now: i64) -> Option<&Offer> {
        self.of_generation(generation, now).find(|offer| offer.release.platform == platform)
    }

    /// A generation for every platform that it is there for.
    pub fn of_generation(&self, generation: i64, now: i64) -> impl Iterator<Item = &Offer> {
        self.choices(now).filter(move |offer| offer.release.generation == generation)
    }

    fn choices(&self, now: i64) -> impl Iterator<Item = &Offer> {
        let in_time = now < self.ends;
        self.offers.iter().filter(move |offer| in_time && offer.release.generation >= self.floor)
    }
}

/// Whether releases of a channel are for hosts with these labels.
pub fn is_for(channel: &str, labels: &Labels) -> bool {
    channel == "stable" || labels.get(CHANNEL.0).is_some_and(|label| label == CHANNEL.1 && channel == CHANNEL.1)
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Generations 5 and 6 for everybody, 7 for canaries, and 9 for another platform.
    pub(crate) fn catalog(floor: i64) -> Catalog {
        let offer = |generation: i64, channel: &str, platform: &str| {
            let release = Release { generation, channel: channel.into(), minimum: floor, platform: platform.into(), version: "1".into() };
            Offer { path: format!("pinnace/{generation}/{platform}"), sha256: format!("{generation:064x}"), release }
        };
        let offers = vec![
            offer(5, "stable", "x86_64-linux"),
            offer(6, "stable", "x86_64-linux"),
            offer(7, "canary", "x86_64-linux"),
            offer(9, "stable", "aarch64-linux"),
        ];
        Catalog { offers, floor, ends: 1_000 }
    }

    pub(crate) fn canary() -> Labels {
        Labels::from([("channel".to_string(), "canary".to_string())])
    }

    #[test]
    fn a_host_gets_the_newest_of_its_channel_and_platform() {
        let newest = |platform, labels: &Labels, pulled: &[String]| catalog(0).newest(platform, labels, pulled, 0).map(|offer| offer.path.clone());
        assert_eq!(newest("x86_64-linux", &Labels::new(), &[]).as_deref(), Some("pinnace/6/x86_64-linux"));
        assert_eq!(newest("x86_64-linux", &canary(), &[]).as_deref(), Some("pinnace/7/x86_64-linux"));
        assert_eq!(newest("x86_64-linux", &Labels::new(), &[format!("{:064x}", 6)]).as_deref(), Some("pinnace/5/x86_64-linux"));
        assert_eq!(newest("riscv64-linux", &Labels::new(), &[]), None);
    }

    /// fleet #41169: floors are the server's to enforce.
    #[test]
    fn nothing_below_the_floor_and_nothing_that_has_ended_is_chosen() {
        let newest = |floor, platform, now| catalog(floor).newest(platform, &Labels::new(), &[], now).map(|offer| offer.release.generation);
        assert_eq!(newest(7, "x86_64-linux", 0), None);
        assert_eq!(newest(9, "aarch64-linux", 0), Some(9));
        assert_eq!(newest(0, "x86_64-linux", 1_000), None);
        assert_eq!(catalog(6).find("x86_64-linux", 5, 0), None);
    }
}
