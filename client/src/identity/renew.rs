//! Renewal: rides on a run, after everything else, and can only make the identity younger; the run's outcome is settled before.

use crate::{
    failure::Failure,
    identity::{Identity, request::ask_again},
    net::{session::Session, way::Way},
    run::now,
    state::State,
    sys::start,
};
use host::{
    renewal::{self, Renewal},
    state::Memory,
};
use protocol::{membership::Purpose, reason::Reason};
use std::time::{Duration, Instant};

/// The identity that a run had, and the connection it was last shown on.
pub(crate) struct Shown {
    pub(crate) identity: Identity,
    pub(crate) session: Option<Session>,
    /// Whether this run got the identity back.
    pub(crate) came_back: bool,
}

/// What must be left of the deadline for a try to make sense; less than what is left after the last attempt of a failed run.
const LEFT_MIN: Duration = Duration::from_millis(200);

/// Whether this run is to try.
pub(crate) fn is_due(shown: &Shown, memory: &Memory, deadline: Instant) -> bool {
    let time = now().saturating_sub(memory.clock_skew);
    let wanted = shown.identity.life().map_or(Renewal::Keep, |life| renewal::renewal(life, time, memory.renewal_tried_at, now()));
    let possible = match wanted {
        Renewal::Keep => false,
        Renewal::OnTheWay => shown.session.is_some(),
        Renewal::WorthTheWay => true,
    };
    possible && deadline.saturating_duration_since(Instant::now()) >= LEFT_MIN
}

/// Tries once, on the connection that is open or on one of its own.
pub(crate) fn renew(shown: Shown, way: &mut Way<'_>, state: &State) -> Result<(), Failure> {
    let Shown { identity, session, .. } = shown;
    let mut session = match session {
        Some(session) => session,
        None if start::entropy_by(way.deadline) => way.connect_once(Some(&identity))?,
        None => return Err(Failure::new(Reason::NoEntropy, "no key")),
    };
    session.until(way.deadline);
    ask_again(session, &mut || way.connect_once(Some(&identity)), state, &identity, Purpose::Renew).map(|_| ())
}
