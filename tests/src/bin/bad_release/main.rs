//! A release that goes wrong on purpose, for trials to find out.
//!
//! It is stamped like a client. Its site's name says how it goes wrong; the client that it otherwise goes on as lies beside the
//! site's host file and is called `right`. Everything it does is real: it crashes, hangs, eats and lies by itself.

mod wrong;

use protocol::site::{MAGIC, REGION_BYTES, decode_region};
use std::{
    os::unix::process::CommandExt,
    process::{Command, ExitCode},
};

/// Where `pinnacectl stamp` writes the site.
#[unsafe(link_section = ".pinnace_site")]
#[used]
#[expect(unsafe_code, reason = "a section's name is a promise to the linker")]
static REGION: [u8; REGION_BYTES] = unstamped();

const fn unstamped() -> [u8; REGION_BYTES] {
    let mut region = [0; REGION_BYTES];
    let mut index = 0;
    #[expect(clippy::indexing_slicing, reason = "evaluated by the compiler; the magic is shorter than the region")]
    while index < MAGIC.len() {
        region[index] = MAGIC[index];
        index += 1;
    }
    region
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let Ok(site) = decode_region(std::hint::black_box(&REGION)) else {
        eprintln!("bad-release: not stamped");
        return ExitCode::FAILURE;
    };
    let client = format!("{}/right", site.host_file.rsplit_once('/').map_or("", |(folder, _)| folder));
    let state = arguments.iter().position(|word| word == "--state-dir").and_then(|at| arguments.get(at + 1)).map_or("", String::as_str);
    let call = wrong::Call {
        client: &client,
        arguments: &arguments,
        state,
        is_attempt: arguments.iter().any(|word| word == "--attempt"),
        is_rehearsal: arguments.first().is_some_and(|word| word == "rehearse"),
    };
    if let Some(exit) = wrong::go(&site.name, &call) {
        return exit;
    }
    let error = Command::new(&client).args(&arguments).exec();
    eprintln!("bad-release: {client}: {error}");
    ExitCode::FAILURE
}
