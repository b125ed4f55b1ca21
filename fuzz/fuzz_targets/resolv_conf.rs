//! The host's own text files.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|file: &[u8]| {
    assert!(host::resolver_files::nameservers(file).len() <= 3);
    let _ = host::resolver_files::hosts(file, "cp.example.org");
    let _ = host::resolver_files::id_of(file, "root");
});
