//! What host and control plane say about identities, and an OpenSSH certificate.
#![no_main]

use libfuzzer_sys::fuzz_target;
use protocol::membership::{Identity, KeyRequest, Request, Whoami};

fuzz_target!(|bytes: &[u8]| {
    let _ = (Identity::from_json(bytes), Whoami::from_json(bytes), host::key_files::SshCertificate::from_blob(bytes));
    if let Some(request) = Request::from_json(bytes) {
        assert!(Request::from_json(request.to_json().as_bytes()) == Some(request));
    }
    if let Some(request) = KeyRequest::from_json(bytes) {
        assert!(KeyRequest::from_json(request.to_json().as_bytes()) == Some(request));
    }
});
