//! Who looks, where the browser has no certificate: a link that opens once, and the session it opens.
//!
//! Both are bearer tokens of 32 random bytes, known here by their SHA-256 alone, in memory, and bounded: whoever restarts the process
//! or reads its memory's image later finds none that opens anything. A session never ends after the certificate that asked for it.

use crate::api::operators::Operator;
use service::host::Fingerprint;
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// For how long a link may be opened.
const LINK_SECONDS: i64 = 120;
/// For how long a session lasts at most, and how long it may be left alone.
const SESSION_SECONDS: i64 = 8 * 3_600;
const IDLE_SECONDS: i64 = 3_600;
/// Links and sessions that there are at one time; of one operator's, the oldest make room.
const LINKS_MAX: usize = 256;
const LINKS_EACH_MAX: usize = 4;
const SESSIONS_MAX: usize = 256;
const SESSIONS_EACH_MAX: usize = 8;

/// All links and sessions of this process.
pub(crate) struct Sessions {
    links: Mutex<HashMap<String, Pass>>,
    sessions: Mutex<HashMap<String, Pass>>,
    /// What the tokens against forgery are made with, for those who come with a certificate.
    secret: Option<String>,
}

/// Whom a token stands for.
#[derive(Clone, Debug)]
struct Pass {
    operator: Operator,
    /// When the operator's certificate ends.
    certificate_ends: i64,
    made_at: i64,
    used_at: i64,
    ends: i64,
    forgery: String,
}

/// An operator at the dashboard.
#[derive(Clone, Debug)]
pub(crate) struct Guest {
    /// Who it is.
    pub(crate) operator: Operator,
    /// What every form of theirs must bring back, so that no other site's form passes for one.
    pub(crate) forgery: String,
    /// Whether it came by a session, which can be ended.
    pub(crate) session: bool,
}

/// Who asks in an operator's name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// Themselves: they follow a link, load a page, press a button.
    Hand,
    /// A page of ours that they have left open.
    Script,
}

impl Default for Sessions {
    fn default() -> Self {
        Self { links: Mutex::default(), sessions: Mutex::default(), secret: token() }
    }
}

impl Sessions {
    /// A link's token and its end; `None` without randomness or room.
    pub(crate) fn link(&self, operator: &Operator, certificate_ends: i64, now: i64) -> Option<(String, i64)> {
        let ends = (now + LINK_SECONDS).min(certificate_ends);
        let pass = Pass { operator: operator.clone(), certificate_ends, made_at: now, used_at: now, ends, forgery: token()? };
        Some((put(&mut lock(&self.links), pass, [LINKS_MAX, LINKS_EACH_MAX], now)?, ends))
    }

    /// Spends a link: of all who open it, one gets a session's token.
    pub(crate) fn open(&self, link: &str, now: i64) -> Option<(String, Operator)> {
        let pass = lock(&self.links).remove(&name(link)).filter(|pass| now < pass.ends)?;
        let ends = (now + SESSION_SECONDS).min(pass.certificate_ends);
        let operator = pass.operator.clone();
        let pass = Pass { made_at: now, used_at: now, ends, forgery: token()?, ..pass };
        Some((put(&mut lock(&self.sessions), pass, [SESSIONS_MAX, SESSIONS_EACH_MAX], now)?, operator))
    }

    /// Whether a link could be opened; asking spends nothing.
    pub(crate) fn is_link(&self, link: &str, now: i64) -> bool {
        lock(&self.links).get(&name(link)).is_some_and(|pass| now < pass.ends)
    }

    /// Whose session it is; one that nobody's hand has used for long is over, whatever an open page still fetches.
    pub(crate) fn guest(&self, session: &str, now: i64, by: By) -> Option<Guest> {
        let mut sessions = lock(&self.sessions);
        let name = name(session);
        if sessions.get(&name).is_some_and(|pass| !pass.is_alive(now)) {
            sessions.remove(&name);
        }
        let pass = sessions.get_mut(&name)?;
        if by == By::Hand {
            pass.used_at = now;
        }
        Some(Guest { operator: pass.operator.clone(), forgery: pass.forgery.clone(), session: true })
    }

    /// Whether a session goes on; asking is no use of it.
    pub(crate) fn is_alive(&self, session: &str, now: i64) -> bool {
        lock(&self.sessions).get(&name(session)).is_some_and(|pass| pass.is_alive(now))
    }

    /// Somebody who came with a certificate.
    pub(crate) fn certified(&self, operator: Operator) -> Option<Guest> {
        let forgery = name(&format!("{} {operator}", self.secret.as_ref()?));
        Some(Guest { operator, forgery, session: false })
    }

    /// Ends a session.
    pub(crate) fn close(&self, session: &str) {
        lock(&self.sessions).remove(&name(session));
    }
}

impl Pass {
    fn is_alive(&self, now: i64) -> bool {
        now < self.ends && now < self.used_at + IDLE_SECONDS
    }
}

/// Keeps a pass under a new token. Those that are over go first, then the operator's oldest; where others fill the room, there is none.
fn put(passes: &mut HashMap<String, Pass>, pass: Pass, [most, each]: [usize; 2], now: i64) -> Option<String> {
    passes.retain(|_, pass| pass.is_alive(now));
    let same = |known: &Pass| known.operator == pass.operator;
    while passes.values().filter(|known| same(known)).count() >= each {
        let oldest = passes.iter().filter(|(_, known)| same(known)).min_by_key(|(_, known)| known.made_at)?.0.clone();
        passes.remove(&oldest);
    }
    if passes.len() >= most {
        return None;
    }
    let token = token()?;
    passes.insert(name(&token), pass);
    Some(token)
}

fn token() -> Option<String> {
    let mut bytes = [0; 32];
    aws_lc_rs::rand::fill(&mut bytes).ok()?;
    Some(protocol::hex_encode(&bytes))
}

/// What a token is known by: comparing it tells nobody how much of a guess was right.
fn name(token: &str) -> String {
    Fingerprint::of(token.as_bytes()).to_string()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        sync::{Arc, Barrier},
        thread,
    };

    const LATER: i64 = 1_000_000;

    fn ann() -> Operator {
        Operator::parse("spiffe://example.org/operator/viewer/ann", "example.org").unwrap()
    }

    #[test]
    fn of_many_who_open_a_link_at_once_one_comes_in() {
        for _ in 0..50 {
            let sessions = Arc::new(Sessions::default());
            let (link, _) = sessions.link(&ann(), LATER, 0).unwrap();
            let start = Arc::new(Barrier::new(8));
            let open = |_| {
                let (sessions, link, start) = (Arc::clone(&sessions), link.clone(), Arc::clone(&start));
                thread::spawn(move || {
                    start.wait();
                    sessions.open(&link, 1).is_some()
                })
            };
            let all: Vec<_> = (0..8).map(open).collect();
            assert_eq!(all.into_iter().map(|one| usize::from(one.join().unwrap())).sum::<usize>(), 1);
        }
    }

    #[test]
    fn links_and_sessions_end_in_time_and_with_the_certificate() {
        let sessions = Sessions::default();
        let link = |certificate_ends, now| sessions.link(&ann(), certificate_ends, now).unwrap().0;
        let late = link(LATER, 0);
        assert!(sessions.is_link(&late, LINK_SECONDS - 1) && sessions.open(&late, LINK_SECONDS).is_none());
        let (session, operator) = sessions.open(&link(LATER, 0), 1).unwrap();
        assert_eq!(operator, ann());
        assert!(sessions.guest(&session, IDLE_SECONDS, By::Hand).is_some());
        assert!(sessions.guest(&session, 2 * IDLE_SECONDS - 1, By::Hand).is_some(), "it was used");
        assert!(sessions.guest(&session, 3 * IDLE_SECONDS - 2, By::Script).is_some(), "an open page is kept current,");
        assert!(sessions.guest(&session, 3 * IDLE_SECONDS - 1, By::Script).is_none(), "and keeps no session alive");
        let (session, _) = sessions.open(&link(100, 0), 1).unwrap();
        assert!(sessions.guest(&session, 99, By::Hand).is_some() && sessions.guest(&session, 100, By::Hand).is_none());
        let (session, _) = sessions.open(&link(LATER, 0), 0).unwrap();
        for now in (0..SESSION_SECONDS).step_by(1_000) {
            assert!(sessions.guest(&session, now, By::Hand).is_some());
        }
        assert!(sessions.guest(&session, SESSION_SECONDS, By::Hand).is_none());
    }

    #[test]
    fn one_operator_fills_no_room_of_others_and_a_closed_session_is_over() {
        let sessions = Sessions::default();
        let open = |now| sessions.open(&sessions.link(&ann(), LATER, now).unwrap().0, now).unwrap().0;
        let first = open(0);
        let all: Vec<_> = (1..=i64::try_from(SESSIONS_EACH_MAX).unwrap()).map(open).collect();
        assert!(sessions.guest(&first, 20, By::Hand).is_none(), "the oldest made room");
        assert!(all.iter().all(|session| sessions.guest(session, 20, By::Hand).is_some()));
        sessions.close(&all[0]);
        assert!(sessions.guest(&all[0], 20, By::Hand).is_none());
        assert!(sessions.guest("", 20, By::Hand).is_none() && sessions.open("", 20).is_none());
    }

    #[test]
    fn what_forms_bring_back_differs_from_one_to_the_next() {
        let sessions = Sessions::default();
        let other = Operator::parse("spiffe://example.org/operator/admin/bob", "example.org").unwrap();
        let forgery = |operator| sessions.certified(operator).unwrap().forgery;
        assert_eq!(forgery(ann()), forgery(ann()));
        assert_ne!(forgery(ann()), forgery(other));
        assert_ne!(forgery(ann()), Sessions::default().certified(ann()).unwrap().forgery);
    }
}
