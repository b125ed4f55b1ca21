//! Times as they are written, and the signed time: how a host whose clock is wrong learns the hour from a control plane it has otherwise
//! verified.
//!
//! The host sends a fresh nonce; the time key signs nonce and time together (Ed25519, RFC 8032), so an old answer is useless.

use crate::json::{self, Value};
use alloc::{
    format,
    string::{String, ToString},
};

/// The answer to `GET /v1/time?nonce=...`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeAnswer {
    /// Seconds since 1970-01-01T00:00:00Z.
    pub time: i64,
    /// The nonce as it was sent.
    pub nonce: String,
    /// The public key that signed, hexadecimal.
    pub key: String,
    /// The signature over [`message`], hexadecimal.
    pub signature: String,
}

/// The bytes that the time key signs.
#[must_use]
pub fn message(nonce: &str, time: i64) -> String {
    format!("pinnace-time-v1\n{nonce}\n{time}\n")
}

/// Whether a nonce has the form the control plane answers: 16 to 64 lower-case hexadecimal characters.
#[must_use]
pub fn is_nonce(text: &str) -> bool {
    (16..=64).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

impl TimeAnswer {
    /// As it goes over the wire.
    #[must_use]
    pub fn to_json(&self) -> String {
        json::object([
            ("version", 1.into()),
            ("time", self.time.into()),
            ("nonce", self.nonce.as_str().into()),
            ("key", self.key.as_str().into()),
            ("signature", self.signature.as_str().into()),
        ])
        .to_string()
    }

    /// From the wire; unknown members are ignored, a missing one makes it `None`.
    #[must_use]
    pub fn from_json(bytes: &[u8]) -> Option<Self> {
        let value = json::parse(bytes).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str).map(ToString::to_string);
        Some(Self { time: value.get("time")?.as_i64()?, nonce: text("nonce")?, key: text("key")?, signature: text("signature")? })
    }
}

/// A time as RFC 3339 has it, in UTC to the second.
#[must_use]
pub fn rfc3339(unix: i64) -> String {
    let (days, seconds) = (unix.div_euclid(86_400), unix.rem_euclid(86_400));
    // Days since 0000-03-01, in eras of 400 years (the proleptic Gregorian calendar).
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A span as a person says it, in the largest unit of which there are at least two.
#[must_use]
pub fn span(seconds: i64) -> String {
    match seconds.unsigned_abs() {
        0..120 => format!("{seconds} s"),
        120..7_200 => format!("{} min", seconds / 60),
        7_200..172_800 => format!("{} h", seconds / 3_600),
        172_800..63_072_000 => format!("{} d", seconds / 86_400),
        _ => format!("{} years", seconds / 31_536_000),
    }
}

/// A clock that is so many seconds past the right time.
#[must_use]
pub fn off(seconds: i64) -> String {
    match seconds {
        0 => "0 s off".into(),
        1.. => format!("{} ahead", span(seconds)),
        _ => format!("{} behind", span(seconds.saturating_neg())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_answer_round_trips() {
        let answer = TimeAnswer { time: 1_795_000_000, nonce: "00ff".into(), key: "aa".into(), signature: "bb".into() };
        assert_eq!(TimeAnswer::from_json(answer.to_json().as_bytes()), Some(answer));
        assert_eq!(TimeAnswer::from_json(b"{\"time\":1}"), None);
    }

    #[test]
    fn times_match_known_dates() {
        for (unix, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (4_102_444_799, "2099-12-31T23:59:59Z"),
            (-1, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(rfc3339(unix), text);
        }
    }

    #[test]
    fn spans_are_in_units_that_a_person_takes_in() {
        for (seconds, text) in [
            (0, "0 s"),
            (119, "119 s"),
            (-30, "-30 s"),
            (120, "2 min"),
            (7_199, "119 min"),
            (7_200, "2 h"),
            (172_800, "2 d"),
            (63_071_999, "729 d"),
            (63_072_000, "2 years"),
            (i64::MIN, "-292471208677 years"),
        ] {
            assert_eq!(span(seconds), text);
        }
        let clocks = [0, 40, -238_000_000, i64::MIN].map(off);
        assert_eq!(clocks, ["0 s off", "40 s ahead", "7 years behind", "292471208677 years behind"]);
    }
}
