//! The real `pinnaced`, started as an operator starts it, met by real clients: curl, Go, and hostile ones.
#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test that cannot go on should stop")]

mod collector;
mod crash;
mod credentials;
mod drill;
mod enrol;
mod failures;
mod go;
mod hostile;
mod hsm;
mod keyed;
mod keys;
mod lifecycle;
mod names;
mod otlp;
mod rig;
mod ssh;
mod telemetry;
mod tls;
mod tokens;
mod told;
mod traffic;
mod x509;
