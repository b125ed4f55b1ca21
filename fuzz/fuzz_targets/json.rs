//! What is read as JSON is the same after writing.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(value) = protocol::json::parse(bytes) {
        assert_eq!(protocol::json::parse(value.to_string().as_bytes()), Ok(value));
    }
});
