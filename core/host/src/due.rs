//! When a host fetches again.
//!
//! All spans count from the moment of delivery on this host's own clock, so a clock that is wrong by years changes nothing, and
//! one that steps back only makes a fetch due sooner.

use protocol::{answer::Answer, stable_hash};

/// A credential in place, and when it came, in this host's own seconds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Held {
    /// The credential.
    pub answer: Answer,
    /// When it came.
    pub received_at: i64,
}

/// What the clock says about a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Due {
    /// A fetch is due.
    Yes,
    /// Not before this many seconds have passed.
    In(i64),
}

/// Whether a host's credential is due for a fetch.
#[must_use]
pub fn due(held: Option<&Held>, host: &str, now: i64) -> Due {
    let Some(held) = held else { return Due::Yes };
    let Some(age) = now.checked_sub(held.received_at).filter(|age| *age >= 0) else { return Due::Yes };
    match next_fetch_after(&held.answer, host).saturating_sub(age) {
        wait if wait > 0 => Due::In(wait),
        _ => Due::Yes,
    }
}

/// Seconds from delivery to the next fetch: the window's start, and this host's own place in the window; never past the end.
#[must_use]
pub fn next_fetch_after(answer: &Answer, host: &str) -> i64 {
    let width = u64::try_from(answer.fetch_window).unwrap_or(0).saturating_add(1);
    let place = i64::try_from(stable_hash(&[host, &answer.credential]) % width).unwrap_or(0);
    answer.fetch_after.saturating_add(place).min(answer.expires_in)
}

/// Whether the control plane is to be asked if a credential that is not due should be fetched all the same: so long after it came,
/// and after it was asked last.
#[must_use]
pub fn is_check_due(held: &Held, checked_at: i64, now: i64) -> bool {
    let Some(after) = held.answer.check_after else { return false };
    // A clock that stepped back makes it sooner.
    !(0..after).contains(&now.saturating_sub(held.received_at.max(checked_at)))
}

/// Seconds until the credential ends, by this host's own clock; `None` when that clock has stepped back behind the delivery.
#[must_use]
pub fn remaining(held: &Held, now: i64) -> Option<i64> {
    let age = now.checked_sub(held.received_at).filter(|age| *age >= 0)?;
    Some(held.answer.expires_in.saturating_sub(age))
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};
    use protocol::answer::Kind;

    fn held() -> Held {
        let answer = Answer {
            credential: "db".into(),
            kind: Kind::Secret,
            subject: "s".into(),
            issued_at: 1_000_000,
            expires_at: 1_003_600,
            expires_in: 3600,
            fetch_after: 1800,
            fetch_window: 360,
            check_after: None,
            token_subject: None,
            token: "".into(),
            fields: vec![("k".into(), "v".into())],
        };
        Held { answer, received_at: 50 }
    }

    #[test]
    fn a_fresh_credential_costs_no_network_however_wrong_the_clock() {
        assert_eq!(due(None, "a", 0), Due::Yes);
        assert!(matches!(due(Some(&held()), "a", 60), Due::In(wait) if wait >= 1790));
        assert_eq!(due(Some(&held()), "a", 50 + 1800 + 360), Due::Yes);
        assert_eq!(due(Some(&held()), "a", 49), Due::Yes, "a step back makes it due");
        assert_eq!(due(Some(&held()), "a", i64::MIN), Due::Yes);
    }

    #[test]
    fn hosts_spread_over_the_window_and_keep_their_place() {
        let places: vec::Vec<i64> = (0..200).map(|host| next_fetch_after(&held().answer, &format!("host-{host}"))).collect();
        assert!(places.iter().all(|place| (1800..=2160).contains(place)));
        assert!(places.iter().any(|place| *place < 1890) && places.iter().any(|place| *place > 2070));
        assert_eq!(next_fetch_after(&held().answer, "host-7"), places[7]);
    }
}
