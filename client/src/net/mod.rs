//! The way to the control plane: resolve, connect, TLS, HTTP.

pub(crate) mod connect;
pub(crate) mod http;
pub(crate) mod resolve;
pub(crate) mod session;
pub(crate) mod tls;
pub(crate) mod way;

use ring::rand::{SecureRandom, SystemRandom};

/// A random number for jitter and message ids; 0 if the kernel has none.
pub(crate) fn random() -> u64 {
    let mut bytes = [0; 8];
    let _ = SystemRandom::new().fill(&mut bytes);
    u64::from_le_bytes(bytes)
}
