//! The fleet as pages, at the operators' listener: made here, with every script and style of our own, and nothing from elsewhere.
//!
//! Whoever comes with an operator's certificate is known by it; a browser without one opens a link that `pinnacectl dashboard` asked
//! for, once, and is known by a session. What may be seen and done is what the table of the operators' interface says: changes go
//! through it, so that none is made here that could not be made there. Everything that hosts say is text to these pages.

mod act;
mod asset;
mod charts;
mod door;
mod live;
mod map;
mod page;
mod session;
mod show;

pub(crate) use door::answer;

use bytes::Bytes;
use http_body_util::{Either, Full};
use std::sync::atomic::AtomicUsize;

/// What an answer holds: all of it, or what goes on.
pub(crate) type Content = Either<Full<Bytes>, live::Live>;

/// What the dashboard remembers from one request to the next.
#[derive(Default)]
pub(crate) struct Dashboard {
    /// Who may look.
    pub(crate) sessions: session::Sessions,
    /// Pages that are told of changes.
    watching: AtomicUsize,
}

/// Whether a path is a page's; all others are the interface's.
pub(crate) fn is_page(path: &str) -> bool {
    path != "/v1" && !path.starts_with("/v1/")
}
