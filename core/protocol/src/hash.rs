//! A hash that says the same everywhere: for places in a window, orders of addresses, coins and draws. It keeps no secret.

/// The same on every host and release: FNV-1a (64 bit) over the parts, each ended by a zero, then `SplitMix64`'s finaliser.
#[must_use]
pub fn stable_hash(parts: &[&str]) -> u64 {
    let step = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    let mut hash = parts.iter().fold(0xcbf2_9ce4_8422_2325, |hash, part| step(part.bytes().fold(hash, step), 0));
    hash = (hash ^ (hash >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    hash = (hash ^ (hash >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    hash ^ (hash >> 31)
}
