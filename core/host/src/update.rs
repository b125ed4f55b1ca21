//! Which release a host takes: what it remembers of updates, and what a release must say of itself.

use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use protocol::{
    json::{self, Value},
    reason::Reason,
    release::{PULLED_MAX, Release, floor},
};
use trust::{Targets, Why};

/// Bytes of releases that a run fetches at most; the next run goes on from there.
pub const RUN_BYTES_MAX: usize = 2 << 20;
/// Bytes of releases that a day may bring after a file was not what was signed.
pub const FAILED_DAY_BYTES_MAX: i64 = 8 << 20;
/// The largest release.
pub const RELEASE_BYTES_MAX: usize = 16 << 20;
/// As many as the control plane names, and as many that were unfit here.
const DENIED_MAX: usize = 2 * PULLED_MAX;
const DAY_SECONDS: i64 = 86_400;

/// What is remembered of updates.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Record {
    /// Whether somebody on the host wants no updates.
    pub pinned: bool,
    /// SHA-256 of the releases that this host does not take, newest first.
    pub denied: Vec<String>,
    /// The lowest generation ever demanded.
    pub floor: i64,
    /// The day, counted from 1970 by this host's clock, on which a file was last not what was signed.
    pub failed_day: i64,
    /// Bytes fetched on that day since.
    pub failed_bytes: i64,
    /// What came of the last update, a code of the table, and when.
    pub last_code: String,
    /// When, in this host's own seconds.
    pub last_at: i64,
}

impl Record {
    /// As a state file's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("pinned", self.pinned.into()),
            ("denied", Value::Array(self.denied.iter().map(|hash| hash.as_str().into()).collect())),
            ("floor", self.floor.into()),
            ("failed_day", self.failed_day.into()),
            ("failed_bytes", self.failed_bytes.into()),
            ("last_code", self.last_code.as_str().into()),
            ("last_at", self.last_at.into()),
        ])
        .to_string()
    }

    /// From a state file's body.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let number = |name| value.get(name).and_then(Value::as_i64);
        let denied = value.get("denied")?.as_array()?.iter().map(|hash| hash.as_str().map(ToString::to_string));
        Some(Self {
            pinned: value.get("pinned")?.as_bool()?,
            denied: denied.collect::<Option<_>>()?,
            floor: number("floor")?,
            failed_day: number("failed_day")?,
            failed_bytes: number("failed_bytes")?,
            last_code: value.get("last_code")?.as_str()?.to_string(),
            last_at: number("last_at")?,
        })
    }

    /// Takes a release by its hash from no control plane any more.
    pub fn deny(&mut self, hash: &str) {
        self.denied.retain(|known| known != hash);
        self.denied.insert(0, hash.to_string());
        self.denied.truncate(DENIED_MAX);
    }

    /// Whether a release is one that this host does not take.
    #[must_use]
    pub fn denies(&self, hash: &str) -> bool {
        self.denied.iter().any(|denied| denied == hash)
    }

    /// Counts bytes that turned out not to be what was signed, or that came on such a day.
    pub fn spend(&mut self, bytes: usize, failed: bool, now: i64) {
        let day = now.div_euclid(DAY_SECONDS);
        if failed && self.failed_day != day {
            (self.failed_day, self.failed_bytes) = (day, 0);
        }
        if self.failed_day == day {
            self.failed_bytes = self.failed_bytes.saturating_add(i64::try_from(bytes).unwrap_or(i64::MAX));
        }
    }

    /// Bytes that this run may fetch.
    #[must_use]
    pub fn allowance(&self, now: i64) -> usize {
        if self.failed_day != now.div_euclid(DAY_SECONDS) || self.failed_bytes == 0 {
            return RUN_BYTES_MAX;
        }
        usize::try_from(FAILED_DAY_BYTES_MAX.saturating_sub(self.failed_bytes)).unwrap_or(0).min(RUN_BYTES_MAX)
    }
}

/// The lowest generation that targets allow.
#[must_use]
pub fn floor_of(targets: &Targets) -> i64 {
    let releases: Vec<Release> = targets.targets().iter().filter_map(|(_, target)| Release::from_custom(target.custom.as_ref()?)).collect();
    floor(releases.iter())
}

/// Whether this host may take a release.
///
/// # Errors
/// The reason why not.
pub fn fits(release: &Release, hash: &str, platform: &str, floor: i64, record: &Record) -> Result<(), Reason> {
    if release.platform != platform {
        Err(Reason::UpdateWrongPlatform)
    } else if release.generation < floor.max(record.floor).max(release.minimum) {
        Err(Reason::UpdateBelowFloor)
    } else if record.denies(hash) {
        Err(Reason::UpdateDenied)
    } else {
        Ok(())
    }
}

/// The folder of a release on a host.
#[must_use]
pub fn folder_of(generation: i64, hash: &str) -> String {
    format!("{generation}-{hash}")
}

/// Generation and hash from a folder's name; `None` for a name of another form.
#[must_use]
pub fn parse_folder(name: &str) -> Option<(i64, &str)> {
    let (generation, hash) = name.split_once('-')?;
    let fits = hash.len() == 64 && hash.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    let generation = generation.parse().ok().filter(|generation| *generation > 0)?;
    (fits && folder_of(generation, hash) == name).then_some((generation, hash))
}

/// The table's reason for what trust refused.
#[must_use]
pub fn reason_of(why: Why) -> Reason {
    match why {
        Why::NotMetadata => Reason::UpdateNotMetadata,
        Why::Malformed => Reason::UpdateMalformed,
        Why::TooLarge => Reason::UpdateTooLarge,
        Why::Unsigned => Reason::UpdateUnsigned,
        Why::WrongVersion => Reason::UpdateWrongVersion,
        Why::Rollback => Reason::UpdateRollback,
        Why::Expired => Reason::UpdateExpired,
        Why::Mixed => Reason::UpdateMixed,
        Why::Missing => Reason::UpdateMissing,
        Why::NoSuchTarget => Reason::UpdateNoSuchTarget,
        Why::TooDeep | Why::TooManyRoots => Reason::UpdateTooDeep,
        Why::WrongTarget => Reason::UpdateWrongFile,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn release() -> Release {
        Release { generation: 7, channel: "stable".into(), minimum: 3, platform: "x86_64-linux".into(), version: "1".into() }
    }

    #[test]
    fn a_record_round_trips_and_bounds_what_it_denies() {
        let mut record = Record { pinned: true, floor: 4, last_code: "ok".into(), last_at: 9, ..Record::default() };
        (0..40).for_each(|number| record.deny(&format!("{number:064}")));
        assert_eq!(record.denied.len(), DENIED_MAX);
        assert_eq!(Record::from_json(record.to_json().as_bytes()), Some(record));
        assert_eq!(Record::from_json(b"{}"), None);
    }

    #[test]
    fn as_many_as_the_control_plane_names_push_out_none_that_was_unfit_here() {
        let mut record = Record::default();
        record.deny("unfit here");
        (0..PULLED_MAX).for_each(|number| record.deny(&format!("{number:064}")));
        assert!(record.denies("unfit here"));
    }

    #[test]
    fn platform_floor_and_denial_each_have_their_reason() {
        let mut record = Record::default();
        let hash = "ab".repeat(32);
        assert_eq!(fits(&release(), &hash, "x86_64-linux", 7, &record), Ok(()));
        assert_eq!(fits(&release(), &hash, "aarch64-linux", 0, &record), Err(Reason::UpdateWrongPlatform));
        assert_eq!(fits(&release(), &hash, "x86_64-linux", 8, &record), Err(Reason::UpdateBelowFloor));
        record.floor = 8;
        assert_eq!(fits(&release(), &hash, "x86_64-linux", 0, &record), Err(Reason::UpdateBelowFloor), "the floor is remembered");
        record.floor = 0;
        record.deny(&hash);
        assert_eq!(fits(&release(), &hash, "x86_64-linux", 0, &record), Err(Reason::UpdateDenied));
    }

    /// fleet #14176: a broken package fetched every 30 s for ever.
    #[test]
    fn after_a_failure_a_day_has_an_end() {
        let mut record = Record::default();
        assert_eq!(record.allowance(100), RUN_BYTES_MAX);
        record.spend(1_000_000, false, 100);
        assert_eq!(record.allowance(100), RUN_BYTES_MAX, "nothing has failed");
        for _ in 0..8 {
            record.spend(1_200_000, true, 100);
        }
        assert_eq!(record.allowance(100), 0);
        assert_eq!(record.allowance(100 + DAY_SECONDS), RUN_BYTES_MAX, "the next day tries again");
    }

    #[test]
    fn folders_name_generation_and_hash() {
        let hash = "0f".repeat(32);
        assert_eq!(parse_folder(&folder_of(7, &hash)), Some((7, hash.as_str())));
        for name in
            ["", "7", "7-", "07-", "-1-ab", &format!("0-{hash}"), &format!("07-{hash}"), &format!("7-{hash}/"), &format!("7-{}", "AB".repeat(32))]
        {
            assert_eq!(parse_folder(name), None, "{name}");
        }
    }
}
