//! A wave: hosts fetch before their time, so many a second, because what they hold is not good any more.
//!
//! A host whose credential is fresh asks from time to time whether it should fetch. The wave answers yes once the host's own place
//! in it has come, a stable hash of its name, so that the wave is as even as its rate says and has no echo.

use super::{host::Labels, pattern::HostPattern};
use protocol::{crc32, identity::HostId};
use serde::{Deserialize, Serialize};

/// What was ordered, as the store keeps it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wave {
    /// What was issued before is fetched anew, seconds since 1970.
    pub since: i64,
    /// How long it takes until the last host's place has come.
    pub seconds: i64,
    /// The hosts it is for: a name, or a beginning such as `web-*`.
    pub hosts: String,
    /// Only those with all of these labels.
    pub labels: Labels,
}

impl Wave {
    /// Whether a host of it is to fetch at this time what it was issued then.
    pub fn wants(&self, host: &HostId, labels: &Labels, issued_at: i64, now: i64) -> bool {
        let place = i64::from(crc32(host.host().as_bytes())) % self.seconds.max(1);
        issued_at < self.since && now >= self.since.saturating_add(place) && self.is_for(host, labels)
    }

    /// Whether the host is one of those it is for.
    pub fn is_for(&self, host: &HostId, labels: &Labels) -> bool {
        let has = |(name, value): (&String, &String)| labels.get(name) == Some(value);
        HostPattern::parse(&self.hosts).is_ok_and(|pattern| pattern.includes(host)) && self.labels.iter().all(has)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wave_comes_at_its_rate_to_those_it_is_for_and_once() {
        let id = |number| HostId::new("example.org", &format!("web-{number}")).unwrap();
        let labels = Labels::from([("role".into(), "web".into())]);
        let wave = Wave { since: 1000, seconds: 100, hosts: "web-*".into(), labels: labels.clone() };
        let wanted = |now: i64| (0..10_000).filter(|number| wave.wants(&id(*number), &labels, 999, now)).count();
        assert_eq!((wanted(999), wanted(1099)), (0, 10_000));
        for second in 0..100 {
            let new = wanted(1000 + second) - wanted(999 + second);
            assert!((60..140).contains(&new), "{new} in second {second}");
        }
        assert!(!wave.wants(&id(1), &labels, 1000, 2000), "what was issued since is good");
        assert!(!wave.wants(&id(1), &Labels::new(), 0, 2000), "a host without the label");
        assert!(!wave.wants(&HostId::new("example.org", "db-1").unwrap(), &labels, 0, 2000), "another host");
    }
}
