//! How sure a share is, from how many it was seen in.

/// 99 in 100 times the truth lies within.
const Z: f64 = 2.575_829;

/// Wilson's score interval of `hits` in `of`.
#[expect(clippy::cast_precision_loss, reason = "counts of hosts are far below 2^52")]
pub(super) fn wilson(hits: usize, of: usize) -> (f64, f64) {
    if of == 0 {
        return (0.0, 1.0);
    }
    let (n, share) = (of as f64, hits as f64 / of as f64);
    let spread = Z * Z / n;
    let middle = share + spread / 2.0;
    let half = Z * (share * (1.0 - share) / n + spread / (4.0 * n)).sqrt();
    (((middle - half) / (1.0 + spread)).max(0.0), ((middle + half) / (1.0 + spread)).min(1.0))
}

/// A share; 0 of nothing.
#[expect(clippy::cast_precision_loss, reason = "counts of hosts are far below 2^52")]
pub(super) fn share(hits: usize, of: usize) -> f64 {
    if of == 0 { 0.0 } else { hits as f64 / of as f64 }
}

/// The lower end of the interval of the difference of two shares, after Newcombe (1998, method 10): above 0, the first is larger.
pub(super) fn difference_low((hits, of): (usize, usize), (other_hits, other_of): (usize, usize)) -> f64 {
    let (one, other) = (share(hits, of), share(other_hits, other_of));
    let ((low, _), (_, high)) = (wilson(hits, of), wilson(other_hits, other_of));
    one - other - ((one - low).powi(2) + (high - other).powi(2)).sqrt()
}
