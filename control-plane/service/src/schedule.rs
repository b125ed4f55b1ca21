//! When a host fetches next.
//!
//! Every host has a phase of its own in a period of half the credential's life, a stable hash of its name, and each answer sends it
//! to that phase. So however many come at once after an outage, their next fetches are spread over the whole period, and the
//! herd has no echo.

use protocol::crc32;

/// When the next fetch may start and over how long the host spreads it by itself, seconds from the issue: between a quarter and
/// four fifths of the lifetime.
pub fn next_fetch(host: &str, lifetime: i64, now: i64) -> (i64, i64) {
    let period = (lifetime / 2).max(1);
    let phase = i64::from(crc32(host.as_bytes())) % period;
    let earliest = now.saturating_add(lifetime / 4);
    let wait = (phase - earliest).rem_euclid(period);
    (lifetime / 4 + wait, lifetime / 20)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// fleet #3271: echoes of the herd at every interval.
    #[test]
    fn a_herd_is_spread_over_the_whole_period_and_stays_so() {
        let (lifetime, now) = (3600, 1_795_000_000);
        let mut counts = [0_u32; 18];
        for number in 0..18_000 {
            let host = format!("host-{number}");
            let (after, window) = next_fetch(&host, lifetime, now);
            assert!((lifetime / 4..=lifetime * 3 / 4).contains(&after) && after + window <= lifetime * 4 / 5);
            let at = now + after;
            counts[usize::try_from(at % 1800 / 100).unwrap()] += 1;
            let (again, _) = next_fetch(&host, lifetime, at);
            assert_eq!((at + again) % 1800, at % 1800, "its phase is its own");
        }
        assert!(counts.iter().all(|count| (850..1150).contains(count)), "{counts:?}");
        assert_eq!(next_fetch("a", 1, now), (0, 0));
    }
}
