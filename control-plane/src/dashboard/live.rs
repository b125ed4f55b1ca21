//! Server-sent events: pages are told that something has changed, and fetch it themselves.
//!
//! WHATWG HTML, section 9.2: lines `event:` and `data:`, ended by an empty one; a line that begins with a colon says nothing.

use super::session::Guest;
use crate::api::{ControlPlane, now, operators};
use bytes::Bytes;
use hyper::body::{Body, Frame};
use std::{
    convert::Infallible,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::{Duration, Instant},
};
use tokio::sync::mpsc::{Receiver, channel};

/// Pages that are told at one time.
const WATCHING_MAX: usize = 256;
/// Between two looks; a page hears of changes no more often.
const PACE: Duration = Duration::from_secs(2);
/// Looks after which something is said, so that nobody on the way takes the connection for dead.
const QUIET_MAX: u32 = 7;

/// A body that goes on.
pub(crate) struct Live(Receiver<Bytes>);

impl Body for Live {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        self.0.poll_recv(context).map(|piece| piece.map(|piece| Ok(Frame::data(piece))))
    }
}

/// Tells of changes until whoever listens leaves, is let in no more, the connection's time is up, or the process drains; `None` where
/// there are too many. A page whose stream has come to an end asks for another.
pub(super) fn watch(plane: &Arc<ControlPlane>, guest: &Guest, session: Option<String>, until: Instant) -> Option<Live> {
    if plane.dashboard.watching.fetch_add(1, Ordering::Relaxed) >= WATCHING_MAX {
        plane.dashboard.watching.fetch_sub(1, Ordering::Relaxed);
        return None;
    }
    let (sender, receiver) = channel(4);
    let (plane, operator) = (Arc::clone(plane), guest.operator.clone());
    tokio::spawn(async move {
        // What has changed since the page was made is told first.
        let (mut known, mut quiet, mut changed_at) = (state(&plane), 0, Some(now()));
        let mut piece = Bytes::from_static(b"retry: 3000\n\n");
        loop {
            let is_over = Instant::now() + PACE > until;
            if (!piece.is_empty() && sender.send(piece).await.is_err()) || is_over {
                break;
            }
            tokio::time::sleep(PACE).await;
            let is_in = session.as_deref().is_none_or(|session| plane.dashboard.sessions.is_alive(session, now()));
            if plane.is_draining() || !is_in || operators::not_banned(&plane, &operator).is_err() {
                break;
            }
            let newest = state(&plane);
            if newest != known {
                (known, changed_at) = (newest, Some(now()));
            }
            // A page is told until what it is made of is from after the change.
            let told = changed_at.is_some();
            if changed_at.is_some_and(|at| tokio::task::block_in_place(|| plane.snapshot()).at > at) {
                changed_at = None;
            }
            (piece, quiet) = match (told, quiet) {
                (true, _) => (Bytes::from_static(b"event: changed\ndata: fleet\n\n"), 0),
                (false, QUIET_MAX) => (Bytes::from_static(b": still here\n\n"), 0),
                (false, quiet) => (Bytes::new(), quiet + 1),
            };
        }
        plane.dashboard.watching.fetch_sub(1, Ordering::Relaxed);
    });
    Some(Live(receiver))
}

/// What pages show changes with one of these.
fn state(plane: &ControlPlane) -> (u64, u64) {
    (plane.telemetry.fleet().changes(), plane.registry.changes())
}
