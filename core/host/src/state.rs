//! What a host remembers between runs, and the envelope of every state file.
//!
//! A state file is one line `pinnace-state 1 crc32=XXXXXXXX len=N`, then N bytes of JSON. What does not hold is set aside by
//! the client and rebuilt; it is never an error of the run.

use crate::due::Held;
use alloc::{
    format,
    string::{String, ToString},
    vec::Vec,
};
use core::net::IpAddr;
use protocol::{
    answer::Answer,
    crc32,
    json::{self, Value},
    reason::{Fault, Reason},
};

/// The largest state file that is read.
pub const STATE_BYTES_MAX: usize = 262_144;

/// A state file's bytes for a body.
#[must_use]
pub fn seal(body: &str) -> Vec<u8> {
    format!("pinnace-state 1 crc32={:08x} len={}\n{body}", crc32(body.as_bytes()), body.len()).into_bytes()
}

/// The body of a state file; `None` if it is damaged, cut, or of another version.
#[must_use]
pub fn open(bytes: &[u8]) -> Option<&[u8]> {
    let end = bytes.iter().position(|byte| *byte == b'\n')?;
    let (line, body) = bytes.split_at_checked(end)?;
    let body = body.get(1..)?;
    let line = core::str::from_utf8(line).ok()?;
    let expected = format!("pinnace-state 1 crc32={:08x} len={}", crc32(body), body.len());
    (line == expected).then_some(body)
}

/// The result of the last run, for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Memory {
    /// Addresses that worked, per endpoint host, newest first.
    pub last_good: Vec<(String, IpAddr)>,
    /// When the last run ended, in this host's own seconds.
    pub last_run_at: i64,
    /// How it ended: a code of the table.
    pub last_code: String,
    /// When a run last succeeded.
    pub last_success_at: i64,
    /// The host's clock minus the control plane's, in seconds, when last measured.
    pub clock_skew: i64,
    /// When this host last tried to renew its certificate, in its own seconds.
    pub renewal_tried_at: i64,
    /// When the control plane was last asked whether what is fresh should be fetched, in this host's own seconds.
    pub checked_at: i64,
    /// The generation whose run that was; 0 for the package's own copy.
    pub last_generation: i64,
    /// The generation whose run last succeeded.
    pub last_success_generation: i64,
    /// When the control plane was last told what this host is, in this host's own seconds.
    pub facts_at: i64,
    /// Credentials that are held and not yet handed over everywhere.
    pub pending: Vec<String>,
}

/// How old a run's end may be for a rescue to be about that run.
const RESCUE_SECONDS: i64 = 60;

/// How long what a host is may be taken for known.
const FACTS_SECONDS: i64 = 6 * 3600;

const LAST_GOOD_MAX: usize = 8;

impl Memory {
    /// Puts an address that worked in front.
    pub fn remember(&mut self, endpoint: &str, address: IpAddr) {
        self.last_good.retain(|(host, known)| !(host == endpoint && *known == address));
        self.last_good.insert(0, (endpoint.to_string(), address));
        self.last_good.truncate(LAST_GOOD_MAX);
    }

    /// Why the package's own copy need not run once more after a run that failed: it was that run itself, and what failed it
    /// lies outside this host. Then a second try at once would only double what an outage's end has to bear. Where nothing may
    /// have left the host, its unit's own network may be why, and a second try burdens no control plane.
    #[must_use]
    pub fn needs_no_rescue(&self, now: i64) -> Option<Reason> {
        let is_that_run = (0..=RESCUE_SECONDS).contains(&now.saturating_sub(self.last_run_at));
        let reason = Reason::from_code(&self.last_code)?;
        let stayed = matches!(reason, Reason::ConnectUnreachable | Reason::DnsTimeout | Reason::ProxyUnreachable);
        let elsewhere = matches!(reason.fault(), Fault::Network | Fault::ControlPlane) && !stayed;
        (self.last_generation == 0 && is_that_run && elsewhere).then_some(reason)
    }

    /// As a state file's body.
    #[must_use]
    pub fn to_json(&self) -> String {
        let good = |(host, address): &(String, IpAddr)| json::object([("host", host.as_str().into()), ("address", format!("{address}").into())]);
        json::object([
            ("last_good", Value::Array(self.last_good.iter().map(good).collect())),
            ("last_run_at", self.last_run_at.into()),
            ("last_code", self.last_code.as_str().into()),
            ("last_success_at", self.last_success_at.into()),
            ("clock_skew", self.clock_skew.into()),
            ("renewal_tried_at", self.renewal_tried_at.into()),
            ("checked_at", self.checked_at.into()),
            ("last_generation", self.last_generation.into()),
            ("last_success_generation", self.last_success_generation.into()),
            ("facts_at", self.facts_at.into()),
            ("pending", Value::Array(self.pending.iter().map(|name| name.as_str().into()).collect())),
        ])
        .to_string()
    }

    /// Whether the control plane is to be told what this host is: not for hours, or not since another generation is in charge.
    #[must_use]
    pub fn wants_facts(&self, generation: i64, now: i64) -> bool {
        generation != self.last_generation || self.facts_at == 0 || !(0..FACTS_SECONDS).contains(&now.saturating_sub(self.facts_at))
    }

    /// From a state file's body.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let good = |item: &Value| Some((item.get("host")?.as_str()?.to_string(), item.get("address")?.as_str()?.parse().ok()?));
        Some(Self {
            last_good: value.get("last_good")?.as_array()?.iter().take(LAST_GOOD_MAX).filter_map(good).collect(),
            last_run_at: value.get("last_run_at")?.as_i64()?,
            last_code: value.get("last_code")?.as_str()?.to_string(),
            last_success_at: value.get("last_success_at")?.as_i64()?,
            clock_skew: value.get("clock_skew")?.as_i64()?,
            // Files of releases that knew none of them have none.
            renewal_tried_at: value.get("renewal_tried_at").and_then(Value::as_i64).unwrap_or(0),
            checked_at: value.get("checked_at").and_then(Value::as_i64).unwrap_or(0),
            last_generation: value.get("last_generation").and_then(Value::as_i64).unwrap_or(0),
            last_success_generation: value.get("last_success_generation").and_then(Value::as_i64).unwrap_or(0),
            facts_at: value.get("facts_at").and_then(Value::as_i64).unwrap_or(0),
            pending: value.get("pending")?.as_array()?.iter().filter_map(Value::as_str).map(ToString::to_string).collect(),
        })
    }
}

/// A held credential as a state file's body.
#[must_use]
pub fn held_to_json(held: &Held) -> String {
    format!("{{\"received_at\":{},\"answer\":{}}}", held.received_at, held.answer.to_json())
}

/// A held credential from a state file's body.
#[must_use]
pub fn held_from_json(bytes: &[u8]) -> Option<Held> {
    let value = json::parse(bytes).ok()?;
    let answer = Answer::from_json(value.get("answer")?.to_string().as_bytes()).ok()?;
    Some(Held { answer, received_at: value.get("received_at")?.as_i64()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cut_or_flipped_state_file_is_not_believed() {
        let sealed = seal("{\"a\":1}");
        assert_eq!(open(&sealed), Some(&b"{\"a\":1}"[..]));
        for length in 0..sealed.len() {
            assert_eq!(open(&sealed[..length]), None, "cut to {length}");
        }
        for index in 0..sealed.len() {
            let mut flipped = sealed.clone();
            flipped[index] ^= 1;
            assert_eq!(open(&flipped), None, "flipped at {index}");
        }
    }

    #[test]
    fn a_rescue_is_spared_only_where_the_packages_copy_just_failed_for_others() {
        let failed = Memory { last_run_at: 1000, last_code: "http.timeout".into(), ..Memory::default() };
        assert_eq!(failed.needs_no_rescue(1001), Some(Reason::HttpTimeout));
        assert_eq!(failed.needs_no_rescue(1061), None, "another run failed since, without a word");
        assert_eq!(failed.needs_no_rescue(999), None, "the clock was set");
        assert_eq!(Memory { last_generation: 7, ..failed.clone() }.needs_no_rescue(1001), None, "a release said so");
        assert_eq!(Memory { last_code: "state.unwritable".into(), ..failed.clone() }.needs_no_rescue(1001), None, "the unit's own limits may be why");
        assert_eq!(Memory { last_code: "connect.unreachable".into(), ..failed.clone() }.needs_no_rescue(1001), None, "the unit's own network");
        assert_eq!(Memory { last_code: "ok".into(), ..failed }.needs_no_rescue(1001), None);
    }

    #[test]
    fn memory_round_trips_and_is_bounded() {
        let mut memory = Memory { last_code: "ok".into(), clock_skew: -3, renewal_tried_at: 9, ..Memory::default() };
        for last in 0..20 {
            memory.remember("cp", IpAddr::from([192, 0, 2, last]));
        }
        memory.remember("cp", IpAddr::from([192, 0, 2, 18]));
        assert_eq!(memory.last_good.len(), LAST_GOOD_MAX);
        assert_eq!(memory.last_good[0].1, IpAddr::from([192, 0, 2, 18]));
        let older = memory.to_json().replace("\"renewal_tried_at\":9,", "");
        assert_eq!(Memory::from_json(older.as_bytes()), Some(Memory { renewal_tried_at: 0, ..memory.clone() }));
        assert_eq!(Memory::from_json(memory.to_json().as_bytes()), Some(memory));
    }
}
