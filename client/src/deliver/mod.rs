//! Hand-over: the credential in its consumer's form, by file, directory, socket, program or standard output.

mod exec;
mod file;
mod socket;

pub(crate) use exec::nowhere;

use crate::{failure::Failure, sys::start};
use host::formats::{Rendered, render};
use protocol::{
    answer::Answer,
    reason::Reason,
    site::{Delivery, Kind, Site},
};
use std::time::Instant;

/// Hands one credential over once.
pub(crate) fn deliver(site: &Site, delivery: &Delivery, answer: &Answer, until: Instant) -> Result<(), Failure> {
    let rendered = in_format(site, delivery, answer)?;
    match (&delivery.kind, &rendered) {
        (Kind::File { path }, Rendered::One(bytes)) => file::put(path, bytes, delivery),
        (Kind::Directory { path }, Rendered::Several(files)) => file::put_directory(path, files, delivery),
        (Kind::Socket { path, peer_uid }, Rendered::One(bytes)) => {
            socket::hand_over(path, *peer_uid, &answer.credential, delivery.format.name(), bytes, until)
        }
        (Kind::Exec { argv }, Rendered::One(bytes)) => exec::feed(argv, bytes, until),
        (Kind::Stdout, Rendered::One(bytes)) => {
            stdout()?;
            start::write_all(1, &[bytes, &b"\n"[..]].concat()).map_err(|error| Failure::io(Reason::DeliveryStdout, "standard output", &error))
        }
        _ => Err(Failure::new(Reason::DeliveryFormat, format!("{} does not go with {}", delivery.format.name(), delivery.kind.name()))),
    }
}

/// Goes the way of a hand-over as far as nobody notices: the credential in place, the agent and the program get nothing.
pub(crate) fn try_out(delivery: &Delivery, until: Instant) -> Result<(), Failure> {
    match &delivery.kind {
        Kind::File { path } | Kind::Directory { path } => file::try_out(path, delivery),
        Kind::Socket { path, peer_uid } => socket::reach(path, *peer_uid, until).map(drop),
        Kind::Exec { argv } => exec::look(argv),
        Kind::Stdout => stdout(),
    }
}

fn stdout() -> Result<(), Failure> {
    if start::has_stdout() { Ok(()) } else { Err(Failure::new(Reason::DeliveryStdout, "standard output was closed at the start")) }
}

/// Whether what is on disk is what was delivered; what cannot be looked at counts as in place.
pub(crate) fn in_place(site: &Site, credential: &protocol::site::Credential, answer: &Answer) -> bool {
    credential.deliveries.iter().all(|delivery| match (&delivery.kind, in_format(site, delivery, answer)) {
        (Kind::File { path }, Ok(Rendered::One(bytes))) => file::holds(path, &bytes),
        (Kind::Directory { path }, Ok(Rendered::Several(files))) => file::directory_holds(path, &files),
        _ => true,
    })
}

fn in_format(site: &Site, delivery: &Delivery, answer: &Answer) -> Result<Rendered, Failure> {
    render(delivery.format, answer, &site.roots_pem)
        .map_err(|unfit| Failure::new(Reason::DeliveryFormat, format!("{}: {}", delivery.format.name(), unfit.because)))
}
