//! Who is answered first when there are more requests than turns.
//!
//! A request that finds no turn waits, and whoever's credential ends first goes first. The waiting room is bounded too: when it is
//! full, whoever has the most time left is sent away and told when to come again. Turns are counted by identity and never by
//! address, because a thousand hosts may stand behind one.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::sync::oneshot;

/// Turns that one host may hold or wait for: one run needs one, and an eighth of all is no harm.
const TURNS_PER_HOST: usize = 32;
/// Under this name come all that are not known yet.
pub(crate) const STRANGERS: &str = "";
/// Turns for all of them together.
const TURNS_FOR_STRANGERS: usize = 64;
/// The longest wait for a turn: well inside a host's own deadline.
const WAIT_MAX: Duration = Duration::from_secs(3);
/// Over how many seconds the return of those sent away is spread: a quarter of the time they have left, within these.
const SPREAD_SECONDS_MIN: u64 = 8;
const SPREAD_SECONDS_MAX: u64 = 120;

/// Turns, and those who wait for one.
#[derive(Debug)]
pub(crate) struct Room {
    state: Mutex<State>,
    waiting_max: usize,
}

#[derive(Debug, Default)]
struct State {
    free: usize,
    arrivals: u64,
    /// By how long the credential held is good, then by arrival.
    waiting: BTreeMap<(u64, u64), oneshot::Sender<Turn>>,
    /// How many turns each holds or waits for.
    guests: HashMap<String, usize>,
}

/// The right to be answered; when it is dropped, it goes to whoever needs it most.
#[derive(Debug)]
pub(crate) struct Turn(Option<Arc<Room>>);

/// A guest in the room, waiting or being answered.
#[derive(Debug)]
pub(crate) struct Guest {
    room: Arc<Room>,
    who: String,
    turn: Option<Turn>,
}

/// There is no turn; what to tell the host.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentAway {
    /// Over how many seconds its return is to be spread.
    pub(crate) spread_seconds: u64,
}

impl Room {
    /// With so many turns at one time, and so much room to wait.
    pub(crate) fn new(turns: usize, waiting_max: usize) -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State { free: turns, ..State::default() }), waiting_max })
    }

    /// How many wait.
    #[cfg(test)]
    fn waiting(&self) -> usize {
        self.lock().waiting.len()
    }

    /// A turn for a host whose credential is good for `left` seconds more.
    pub(crate) async fn enter(self: &Arc<Self>, who: &str, left: u64) -> Result<Guest, SentAway> {
        let sent_away = SentAway { spread_seconds: (left / 4).clamp(SPREAD_SECONDS_MIN, SPREAD_SECONDS_MAX) };
        let mut guest = self.register(who).ok_or(sent_away)?;
        guest.turn = match self.ask(left) {
            Asked::Turn(turn) => Some(turn),
            Asked::Full => None,
            Asked::Wait(key, mut called) => match tokio::time::timeout(WAIT_MAX, &mut called).await {
                Ok(called) => called.ok(),
                Err(_) => {
                    self.lock().waiting.remove(&key);
                    // The call may have come in the last moment.
                    called.try_recv().ok()
                }
            },
        };
        if guest.turn.is_some() { Ok(guest) } else { Err(sent_away) }
    }

    fn register(self: &Arc<Self>, who: &str) -> Option<Guest> {
        let most = if who == STRANGERS { TURNS_FOR_STRANGERS } else { TURNS_PER_HOST };
        let mut state = self.lock();
        let count = state.guests.entry(who.to_string()).or_default();
        if *count >= most {
            return None;
        }
        *count += 1;
        Some(Guest { room: Arc::clone(self), who: who.into(), turn: None })
    }

    fn ask(self: &Arc<Self>, left: u64) -> Asked {
        let mut state = self.lock();
        if state.free > 0 {
            state.free -= 1;
            return Asked::Turn(Turn(Some(Arc::clone(self))));
        }
        if state.waiting.len() >= self.waiting_max {
            match state.waiting.last_key_value() {
                // Whose sender is dropped is sent away.
                Some(((longest, _), _)) if *longest > left => drop(state.waiting.pop_last()),
                _ => return Asked::Full,
            }
        }
        state.arrivals += 1;
        let key = (left, state.arrivals);
        let (sender, called) = oneshot::channel();
        state.waiting.insert(key, sender);
        Asked::Wait(key, called)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

enum Asked {
    Turn(Turn),
    Wait((u64, u64), oneshot::Receiver<Turn>),
    Full,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let Some(room) = self.0.take() else { return };
        let mut turn = Turn(Some(Arc::clone(&room)));
        let mut state = room.lock();
        while let Some((_, waiting)) = state.waiting.pop_first() {
            match waiting.send(turn) {
                Ok(()) => return,
                // It does not wait any more.
                Err(back) => turn = back,
            }
        }
        state.free += 1;
        turn.0 = None;
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let mut state = self.room.lock();
        if let Some(count) = state.guests.get_mut(&self.who) {
            *count -= 1;
            if *count == 0 {
                state.guests.remove(&self.who);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// SPIRE #4490: a burst of reconnecting agents ran the server out of memory.
    #[tokio::test(start_paused = true)]
    async fn whose_credential_ends_first_goes_first_and_who_has_most_time_is_sent_away() {
        let room = Room::new(1, 2);
        let first = room.enter("a", 0).await.unwrap();
        let order = Arc::new(Mutex::new(Vec::new()));
        let arrive = |who: &'static str, left| {
            let (room, order) = (Arc::clone(&room), Arc::clone(&order));
            tokio::spawn(async move {
                let guest = room.enter(who, left).await;
                order.lock().unwrap().push((who, guest.is_ok()));
                tokio::time::sleep(Duration::from_millis(10)).await;
            })
        };
        let mut guests = Vec::new();
        for (who, left) in [("plenty", 900), ("some", 400), ("none", 0), ("more", 950)] {
            guests.push(arrive(who, left));
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        drop(first);
        for guest in guests {
            guest.await.unwrap();
        }
        let order = order.lock().unwrap().clone();
        assert_eq!(order, [("plenty", false), ("more", false), ("none", true), ("some", true)]);
        assert_eq!(room.lock().guests.len(), 0);
        assert_eq!(room.lock().free, 1);
    }

    /// SPIRE #4265: limits by address hurt whoever is behind one.
    #[tokio::test(start_paused = true)]
    async fn one_host_gets_no_more_than_its_share_and_waits_for_some_seconds_at_most() {
        let room = Room::new(TURNS_PER_HOST, 8);
        let mut turns = Vec::new();
        for _ in 0..TURNS_PER_HOST {
            turns.push(room.enter("greedy", 0).await.unwrap());
        }
        assert_eq!(room.enter("greedy", 0).await.unwrap_err(), SentAway { spread_seconds: 8 });
        assert_eq!(room.enter("modest", 2000).await.unwrap_err(), SentAway { spread_seconds: 120 });
        assert_eq!(room.waiting(), 0);
        turns.pop();
        assert!(room.enter("modest", 2000).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_turn_given_to_somebody_who_has_left_goes_on_to_the_next() {
        let room = Room::new(1, 8);
        let first = room.enter("a", 0).await.unwrap();
        let gone = {
            let room = Arc::clone(&room);
            tokio::spawn(async move { room.enter("gone", 0).await.map(drop) })
        };
        let next = {
            let room = Arc::clone(&room);
            tokio::spawn(async move { room.enter("next", 5).await.is_ok() })
        };
        tokio::time::sleep(Duration::from_millis(1)).await;
        gone.abort();
        let _ = gone.await;
        drop(first);
        assert!(next.await.unwrap());
        assert_eq!(room.lock().free, 1);
    }
}
