//! Which release a host is to run. The control plane can only choose: what is not signed for the host's platform, or is below the
//! floor, or has ended, is no choice.

use super::host::Labels;
use protocol::release::{Release, Terms, floor, is_path};
use serde::Deserialize;
use trust::Targets;

/// The label of hosts that get releases of the channel `canary` too.
const CHANNEL: (&str, &str) = ("channel", "canary");

/// How releases reach hosts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rules {
    /// By a rollout alone; otherwise each goes to every host of its channel at once.
    pub(crate) rollouts: bool,
    /// Clean runs of a trial; 0 for none.
    trial_runs: u32,
    /// How long a trial takes at least.
    trial_seconds: u32,
    /// How often a host fetches.
    pub(crate) interval_seconds: u32,
}

impl Default for Rules {
    fn default() -> Self {
        Self { rollouts: true, trial_runs: 6, trial_seconds: 3600, interval_seconds: 1800 }
    }
}

impl Rules {
    /// How a release earns a host; `None` if it goes live at once.
    pub(crate) fn terms(&self) -> Option<Terms> {
        (self.trial_runs > 0).then(|| Terms { runs: self.trial_runs.into(), seconds: self.trial_seconds.into() })
    }

    /// What a host would not take for terms, in words.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        match self {
            Self { trial_runs: 1_001.., .. } => Err("trial_runs is over 1000"),
            Self { trial_seconds: 2_592_001.., .. } => Err("trial_seconds is over 30 days"),
            Self { interval_seconds: 0, .. } => Err("interval_seconds of 0 is no interval"),
            _ => Ok(()),
        }
    }
}

/// The releases that there are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Catalog {
    releases: Vec<(String, Release)>,
    floor: i64,
    ends: i64,
}

impl Catalog {
    /// From targets that were believed.
    pub(crate) fn of(targets: &Targets) -> Self {
        let release = |(path, target): &(String, trust::Target)| Some((path.clone(), Release::from_custom(target.custom.as_ref()?)?));
        let releases: Vec<_> = targets.targets().iter().filter(|(path, _)| is_path(path)).filter_map(release).collect();
        let floor = floor(releases.iter().map(|(_, release)| release));
        Self { releases, floor, ends: targets.expires() }
    }

    /// The paths of all of them.
    pub(crate) fn newest_first(&self) -> Vec<&str> {
        let mut releases: Vec<&(String, Release)> = self.releases.iter().collect();
        releases.sort_by_key(|(_, release)| std::cmp::Reverse(release.generation));
        releases.into_iter().map(|(path, _)| path.as_str()).collect()
    }

    /// What a host that runs `generation` on `platform` is to run; `None` if that is what it runs, or there is nothing.
    pub(crate) fn choose(&self, platform: &str, generation: i64, labels: &Labels, now: i64) -> Option<&str> {
        if now >= self.ends {
            return None;
        }
        let canary = labels.get(CHANNEL.0).is_some_and(|channel| channel == CHANNEL.1);
        let fits = |release: &Release| release.platform == platform && release.generation >= self.floor && (canary || release.channel == "stable");
        let newest = self.releases.iter().filter(|(_, release)| fits(release)).max_by_key(|(_, release)| release.generation);
        newest.filter(|(_, release)| release.generation != generation).map(|(path, _)| path.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn catalog(floor: i64) -> Catalog {
        let release = |generation: i64, channel: &str, platform: &str| {
            let release = Release { generation, channel: channel.into(), minimum: floor, platform: platform.into(), version: "1".into() };
            (format!("pinnace/{generation}/{platform}"), release)
        };
        let releases = vec![
            release(5, "stable", "x86_64-linux"),
            release(6, "stable", "x86_64-linux"),
            release(7, "canary", "x86_64-linux"),
            release(9, "stable", "aarch64-linux"),
        ];
        Catalog { releases, floor, ends: 1_000 }
    }

    #[test]
    fn a_host_gets_the_newest_of_its_channel_and_platform() {
        let canary = Labels::from([("channel".to_string(), "canary".to_string())]);
        let choose = |platform, generation, labels: &Labels| catalog(0).choose(platform, generation, labels, 0).map(ToOwned::to_owned);
        assert_eq!(choose("x86_64-linux", 5, &Labels::new()).as_deref(), Some("pinnace/6/x86_64-linux"));
        assert_eq!(choose("x86_64-linux", 6, &Labels::new()), None, "it runs that");
        assert_eq!(choose("x86_64-linux", 6, &canary).as_deref(), Some("pinnace/7/x86_64-linux"));
        assert_eq!(choose("x86_64-linux", 8, &Labels::new()).as_deref(), Some("pinnace/6/x86_64-linux"), "8 was withdrawn");
        assert_eq!(choose("riscv64-linux", 0, &Labels::new()), None);
    }

    /// fleet #41169: floors are the server's to enforce.
    #[test]
    fn nothing_below_the_floor_and_nothing_that_has_ended_is_chosen() {
        assert_eq!(catalog(7).choose("x86_64-linux", 0, &Labels::new(), 0), None);
        assert_eq!(catalog(9).choose("aarch64-linux", 0, &Labels::new(), 0), Some("pinnace/9/aarch64-linux"));
        assert_eq!(catalog(0).choose("x86_64-linux", 0, &Labels::new(), 1_000), None);
    }
}
