//! Whether and when a failed attempt is made again inside one run.

/// How many attempts one run makes at most.
pub const ATTEMPTS_MAX: u32 = 6;
const FIRST_WAIT_MS: u64 = 200;
const ATTEMPT_MIN_MS: u64 = 300;

/// The milliseconds to wait before the next attempt; `None` when the run should end with what it has.
///
/// `attempts` were made, `elapsed_ms` of `deadline_ms` have passed, the server asked for `retry_after_s`, and `dice` is any
/// random number: the wait doubles and is spread over its upper half, so that a fleet does not come back in step.
#[must_use]
pub fn wait_ms(attempts: u32, elapsed_ms: u64, deadline_ms: u64, retry_after_s: Option<u64>, dice: u64) -> Option<u64> {
    if attempts >= ATTEMPTS_MAX {
        return None;
    }
    let backoff = FIRST_WAIT_MS << attempts.min(5);
    let jittered = backoff / 2 + dice % (backoff / 2);
    let wait = retry_after_s.map_or(jittered, |seconds| seconds.saturating_mul(1000).saturating_add(dice % 250));
    let fits = elapsed_ms.saturating_add(wait).saturating_add(ATTEMPT_MIN_MS) <= deadline_ms;
    fits.then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_and_stay_inside_the_deadline() {
        assert!((200..400).contains(&wait_ms(1, 0, 10_000, None, 7).unwrap()));
        assert!((400..800).contains(&wait_ms(2, 0, 10_000, None, u64::MAX).unwrap()));
        assert_eq!(wait_ms(1, 9_600, 10_000, None, 7), None);
        assert_eq!(wait_ms(ATTEMPTS_MAX, 0, 10_000, None, 7), None);
    }

    #[test]
    fn retry_after_is_honoured_or_ends_the_run() {
        assert!(wait_ms(1, 0, 10_000, Some(2), 0).unwrap() >= 2_000);
        assert_eq!(wait_ms(1, 0, 10_000, Some(30), 0), None);
        assert_eq!(wait_ms(1, 0, 10_000, Some(u64::MAX), 0), None);
    }
}
