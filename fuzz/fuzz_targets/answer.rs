//! A credential answer, in every format.
#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(answer) = protocol::answer::Answer::from_json(bytes) {
        for format in protocol::site::Format::ALL {
            let _ = host::formats::render(format, &answer, "ROOT");
        }
        let _ = host::accept::accept(bytes, &answer.credential, &answer.subject, None);
        let held = host::due::Held { answer, received_at: 0 };
        let _ = (host::due::due(Some(&held), "h", 1), host::due::remaining(&held, i64::MAX));
    }
});
