//! Where a run's time went.

use crate::json::Value;
use alloc::{format, string::String, vec::Vec};

/// The longest time that is told, milliseconds: a day.
pub const PHASE_MS_MAX: i64 = 86_400_000;

/// A part of a run, in their order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// From names to addresses.
    Resolve,
    /// Until a connection was there; through a proxy, from its name to its answer.
    Connect,
    /// The handshake, with the proof of the time where the host's clock was in doubt.
    Tls,
    /// From requests to their answers, and what the host does to believe them.
    Request,
    /// Handing credentials over.
    Deliver,
}

impl Phase {
    /// All of them, in their order.
    pub const ALL: [Self; 5] = [Self::Resolve, Self::Connect, Self::Tls, Self::Request, Self::Deliver];

    /// In logs, on pages, and before `_ms` on the wire.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Resolve => "resolve",
            Self::Connect => "connect",
            Self::Tls => "tls",
            Self::Request => "request",
            Self::Deliver => "deliver",
        }
    }
}

/// Milliseconds in each phase, all attempts of a run together; none for a phase that it did not come to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Phases([Option<i64>; Phase::ALL.len()]);

impl Phases {
    /// With the times of these phases.
    pub fn new(times: impl IntoIterator<Item = (Phase, i64)>) -> Self {
        let mut phases = Self::default();
        for (phase, milliseconds) in times {
            if let Some(place) = phases.0.get_mut(phase as usize) {
                *place = Some(milliseconds.clamp(0, PHASE_MS_MAX));
            }
        }
        phases
    }

    /// Those that the run came to, in their order.
    pub fn iter(&self) -> impl Iterator<Item = (Phase, i64)> + '_ {
        Phase::ALL.into_iter().zip(self.0).filter_map(|(phase, time)| Some((phase, time?)))
    }

    /// As it goes over the wire; `None` where there is nothing to say.
    #[must_use]
    pub fn to_value(&self) -> Option<Value> {
        let members: Vec<(String, Value)> = self.iter().map(|(phase, time)| (format!("{}_ms", phase.name()), time.into())).collect();
        (!members.is_empty()).then_some(Value::Object(members))
    }

    /// From the wire; phases of other versions are passed over. `None` if a time is none.
    #[must_use]
    pub fn from_value(value: &Value) -> Option<Self> {
        value.as_object()?;
        let told = Phase::ALL.into_iter().filter_map(|phase| Some((phase, value.get(&format!("{}_ms", phase.name()))?)));
        let time = |value: &Value| value.as_i64().filter(|time| (0..=PHASE_MS_MAX).contains(time));
        told.map(|(phase, value)| Some((phase, time(value)?))).collect::<Option<Vec<_>>>().map(Self::new)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::parse;

    #[test]
    fn what_a_run_did_not_come_to_is_left_out_and_what_is_not_known_passed_over() {
        let phases = Phases::new([(Phase::Connect, 7), (Phase::Tls, i64::MAX), (Phase::Deliver, -1)]);
        let value = phases.to_value().unwrap();
        assert_eq!(format!("{value}"), "{\"connect_ms\":7,\"tls_ms\":86400000,\"deliver_ms\":0}");
        assert_eq!(Phases::from_value(&value), Some(phases));
        assert_eq!((Phases::default().to_value(), Phases::from_value(&parse(b"{\"queue_ms\":3}").unwrap())), (None, Some(Phases::default())));
    }

    #[test]
    fn what_is_no_time_is_no_phase() {
        for text in ["[]", "7", "{\"tls_ms\":-1}", "{\"tls_ms\":\"7\"}", "{\"tls_ms\":86400001}"] {
            assert_eq!(Phases::from_value(&parse(text.as_bytes()).unwrap()), None, "{text}");
        }
    }
}
