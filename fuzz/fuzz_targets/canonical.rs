//! Canonical JSON: the same value gives the same bytes, however it was written.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Ok(value) = protocol::json::parse(data) else { return };
    let again = protocol::json::parse(value.to_string().as_bytes()).expect("what is written is read");
    assert_eq!(trust::canonical(&again), trust::canonical(&value));
});
