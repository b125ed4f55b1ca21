//! When a host asks for its next certificate.
//!
//! The certificate's own dates are compared with the control plane's time, as far as the host knows it. A wrong clock can make
//! a renewal early or late; it can never make it repeat, because one try is followed by an hour without.

/// From when until when a certificate holds, in seconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Life {
    /// Its first second.
    pub begins: i64,
    /// Its last second.
    pub ends: i64,
}

/// What is to be done about a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Renewal {
    /// Nothing.
    Keep,
    /// It is past half of its life: renew it on a connection that is open anyway.
    OnTheWay,
    /// It is past three quarters: a connection for it alone is worth it.
    WorthTheWay,
}

/// How long after one try the next may be made.
pub const PAUSE_SECONDS: i64 = 3600;

/// What is to be done at `time`, the control plane's. The last try was made at `tried_at` and it is `now`, both by the host's
/// own clock. A certificate that has ended cannot be renewed; the control plane's refusal starts the return.
#[must_use]
pub fn renewal(life: Life, time: i64, tried_at: i64, now: i64) -> Renewal {
    let (whole, lived) = (life.ends.saturating_sub(life.begins), time.saturating_sub(life.begins));
    let paused = (0..PAUSE_SECONDS).contains(&now.saturating_sub(tried_at));
    if paused || time >= life.ends || lived < whole / 2 {
        Renewal::Keep
    } else if lived < whole / 4 * 3 {
        Renewal::OnTheWay
    } else {
        Renewal::WorthTheWay
    }
}

/// The control plane's second at which half of a life is over.
#[must_use]
pub fn due_at(life: Life) -> i64 {
    life.begins.saturating_add(life.ends.saturating_sub(life.begins) / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFE: Life = Life { begins: 1_000_000, ends: 1_400_000 };

    #[test]
    fn half_and_three_quarters_of_a_life_are_what_count() {
        for (time, expected) in [
            (0, Renewal::Keep),
            (1_199_999, Renewal::Keep),
            (1_200_000, Renewal::OnTheWay),
            (1_299_999, Renewal::OnTheWay),
            (1_300_000, Renewal::WorthTheWay),
            (1_399_999, Renewal::WorthTheWay),
            (1_400_000, Renewal::Keep),
            (i64::MAX, Renewal::Keep),
            (i64::MIN, Renewal::Keep),
        ] {
            assert_eq!(renewal(LIFE, time, 0, time), expected, "{time}");
        }
        assert_eq!(due_at(LIFE), 1_200_000);
    }

    #[test]
    fn a_clock_never_triggers_a_loop_of_renewals() {
        let at = |tried_at, now| renewal(LIFE, 1_250_000, tried_at, now);
        assert_eq!(at(1_250_000, 1_250_000), Renewal::Keep);
        assert_eq!(at(1_250_000, 1_250_000 + PAUSE_SECONDS - 1), Renewal::Keep);
        assert_eq!(at(1_250_000, 1_250_000 + PAUSE_SECONDS), Renewal::OnTheWay);
        assert_eq!(at(4_000_000_000, 1_250_000), Renewal::OnTheWay, "a clock that stepped back does not stop renewal for years");
    }

    #[test]
    fn dates_that_make_no_sense_do_no_harm() {
        for life in [Life { begins: i64::MIN, ends: i64::MAX }, Life { begins: i64::MAX, ends: i64::MIN }, Life { begins: 0, ends: 0 }] {
            for time in [i64::MIN, 0, i64::MAX] {
                let _ = (renewal(life, time, i64::MIN, i64::MAX), due_at(life));
            }
        }
    }
}
