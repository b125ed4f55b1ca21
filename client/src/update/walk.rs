//! Metadata over the run's own connection, and in the state directory.

use super::crypto::Ring;
use crate::{
    failure::Failure,
    net::{http::Request, session::Session},
    state::State,
};
use protocol::reason::Reason;
use trust::{Limits, Refused, Repository, Root};

/// Less than others read: a host has little memory, and the next run goes on where this one ended.
pub(super) const LIMITS: Limits =
    Limits { roots: 32, root_bytes: 65_536, timestamp_bytes: 16_384, snapshot_bytes: 262_144, targets_bytes: 1_048_576, delegations: 8 };

/// The walk of one run.
pub(super) struct Walk<'a> {
    pub(super) session: &'a mut Session,
    state: &'a State,
    stamped: &'a str,
    stamped_version: i64,
}

impl<'a> Walk<'a> {
    /// Begins at the newer of the stamped root and the one kept: a release may bring a newer root than its predecessor saw.
    pub(super) fn new(session: &'a mut Session, state: &'a State, stamped: &'a str) -> Result<Self, Failure> {
        let root = Root::anchor(stamped.as_bytes(), &Ring);
        let root = root.map_err(|why| Failure::new(Reason::UpdateRootInvalid, why.about("the stamped root").to_string()))?;
        Ok(Self { session, state, stamped, stamped_version: root.version() })
    }
}

impl Repository for Walk<'_> {
    type Error = Failure;

    fn fetch(&mut self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Failure> {
        match self.session.send(&Request { bytes_max, ..Request::get(&format!("/v1/releases/metadata/{name}")) }) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(failure) => match failure.reason {
                Reason::HttpNotFound => Ok(None),
                Reason::HttpTooLarge => Err(Failure::new(Reason::UpdateTooLarge, format!("{name}: {}", failure.because))),
                Reason::HttpNotJson => Err(Failure::new(Reason::UpdateNotMetadata, format!("{name}: {}", failure.because))),
                Reason::HttpTimeout => Err(Failure::new(Reason::UpdateSlow, name)),
                _ => Err(failure),
            },
        }
    }

    fn load(&mut self, name: &str) -> Option<Vec<u8>> {
        let kept = self.state.trusted(name);
        if name != trust::ROOT {
            return kept;
        }
        let is_newer = |kept: &Vec<u8>| Root::anchor(kept, &Ring).is_ok_and(|root| root.version() >= self.stamped_version);
        kept.filter(is_newer).or_else(|| Some(self.stamped.as_bytes().to_vec()))
    }

    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.state.put_trusted(name, bytes)
    }
}

impl From<Refused> for Failure {
    fn from(refused: Refused) -> Self {
        Failure::new(host::update::reason_of(refused.why), refused.to_string())
    }
}
