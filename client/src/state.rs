//! What this host remembers, on disk: read with suspicion, written atomically, never fatal.

use crate::{
    failure::Failure,
    site::read_all,
    sys::file::{Directory, Look},
};
use host::{
    due::Held,
    outbox::Outbox,
    state::{self, Memory, STATE_BYTES_MAX},
    trial::{Probation, Trial},
    update::Record,
};
use protocol::reason::Reason;

/// A torn state file is found by its checksum and rebuilt, so none waits for the disk.
const PRIVATE: Look = Look { mode: 0o600, owner: None, keep_previous: false, durable: false };
/// A key that is lost, or half of one, would cost the host its way back.
const DURABLE: Look = Look { durable: true, ..PRIVATE };
/// The host's key and certificates.
pub(crate) const IDENTITY: &str = "identity.pem";
/// What is remembered of earlier runs.
pub(crate) const MEMORY: &str = "state";
const NEXT_KEY: &str = "identity-next.pem";
const UPDATE: &str = "update";
const TRIAL: &str = "trial";
const PROBATION: &str = "probation";
const OUTBOX: &str = "outbox";
/// What believed metadata's names begin with.
pub(crate) const TRUSTED: &str = "release-";
const TRUSTED_BYTES_MAX: usize = 1 << 20;
const IDENTITY_BYTES_MAX: usize = 65_536;

/// A credential's state file.
pub(crate) fn file_of(credential: &str) -> String {
    format!("credential-{credential}")
}

/// The state directory of a host; without one a run still works, and remembers nothing.
pub(crate) struct State {
    directory: Option<Directory>,
    path: String,
    pub(crate) warnings: Vec<Failure>,
}

impl State {
    /// Opens the directory, makes it if it can.
    pub(crate) fn open(path: &str) -> Self {
        let mut warnings = Vec::new();
        let directory = Directory::open_or_make(path, 0o700);
        let directory = directory.map_err(|error| warnings.push(Failure::io(Reason::StateUnwritable, path, &error))).ok();
        Self { directory, path: path.to_owned(), warnings }
    }

    /// Takes the state for this run alone.
    pub(crate) fn lock(&mut self) -> Result<(), Failure> {
        match self.directory.as_ref().map(Directory::lock) {
            Some(Ok(false)) => Err(Failure::new(Reason::AlreadyRunning, format!("another process holds {}", self.path))),
            Some(Err(error)) => {
                self.warnings.push(Failure::io(Reason::StateUnwritable, "lock", &error));
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// The host's key and certificates, PEM.
    pub(crate) fn identity(&self) -> Result<Vec<u8>, Failure> {
        let path = format!("{}/identity.pem", self.path);
        let missing = || Failure::new(Reason::IdentityMissing, format!("{path} does not exist"));
        let unopened = || self.warnings.first().filter(|warning| warning.reason == Reason::OutOfDescriptors).cloned().unwrap_or_else(missing);
        let file = self.directory.as_ref().ok_or_else(unopened)?.read(IDENTITY);
        file.and_then(|file| read_all(&file, IDENTITY_BYTES_MAX)).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => missing(),
            _ => Failure::io(Reason::IdentityUnreadable, &path, &error),
        })
    }

    /// The key that is prepared for the next certificate, PEM.
    pub(crate) fn next_key(&self) -> Option<Vec<u8>> {
        let file = self.directory.as_ref()?.read(NEXT_KEY).ok()?;
        read_all(&file, IDENTITY_BYTES_MAX).ok()
    }

    /// Prepares a key; it is on the disk when this returns.
    pub(crate) fn put_next_key(&self, pem: &[u8]) -> Result<(), Failure> {
        self.put(NEXT_KEY, pem)
    }

    /// Puts an identity in place of the one there, then lets go of the prepared key.
    pub(crate) fn put_identity(&self, pem: &[u8]) -> Result<(), Failure> {
        if pem.len() > IDENTITY_BYTES_MAX {
            return Err(Failure::new(Reason::CredentialMalformed, format!("{} bytes of certificates", pem.len())));
        }
        self.put(IDENTITY, pem)?;
        if let Some(directory) = &self.directory {
            directory.remove(NEXT_KEY);
        }
        Ok(())
    }

    fn put(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        let directory = self.directory()?;
        directory.replace(name, bytes, DURABLE).map_err(|error| Failure::io(Reason::StateUnwritable, &format!("{}/{name}", self.path), &error))
    }

    /// What is remembered of earlier runs.
    pub(crate) fn memory(&mut self) -> Memory {
        Self::read(self.directory.as_ref(), MEMORY, &mut self.warnings, Memory::from_json).unwrap_or_default()
    }

    /// The credential in place.
    pub(crate) fn held(&mut self, name: &str) -> Option<Held> {
        Self::read(self.directory.as_ref(), &file_of(name), &mut self.warnings, state::held_from_json)
    }

    /// Remembers the result of a run.
    pub(crate) fn save_memory(&mut self, memory: &Memory) {
        Self::write(self.directory.as_ref(), MEMORY, &memory.to_json(), &mut self.warnings);
    }

    /// Remembers a credential.
    pub(crate) fn save_held(&mut self, held: &Held) {
        Self::write(self.directory.as_ref(), &file_of(&held.answer.credential), &state::held_to_json(held), &mut self.warnings);
    }

    /// What is remembered of updates.
    pub(crate) fn record(&mut self) -> Record {
        Self::read(self.directory.as_ref(), UPDATE, &mut self.warnings, Record::from_json).unwrap_or_default()
    }

    /// Remembers what came of an update.
    pub(crate) fn save_record(&mut self, record: &Record) {
        Self::write(self.directory.as_ref(), UPDATE, &record.to_json(), &mut self.warnings);
    }

    /// The trial under way.
    pub(crate) fn trial(&mut self) -> Option<Trial> {
        Self::read(self.directory.as_ref(), TRIAL, &mut self.warnings, Trial::from_json)
    }

    /// Remembers a trial; it is on the disk when this returns.
    pub(crate) fn save_trial(&self, trial: &Trial) -> Result<(), Failure> {
        self.put(TRIAL, &state::seal(&trial.to_json()))
    }

    /// Forgets the trial.
    pub(crate) fn end_trial(&self) {
        if let Some(directory) = &self.directory {
            directory.remove(TRIAL);
        }
    }

    /// What is remembered of rescues.
    pub(crate) fn probation(&mut self) -> Probation {
        Self::read(self.directory.as_ref(), PROBATION, &mut self.warnings, Probation::from_json).unwrap_or_default()
    }

    /// Remembers a rescue.
    pub(crate) fn save_probation(&mut self, probation: &Probation) {
        Self::write(self.directory.as_ref(), PROBATION, &probation.to_json(), &mut self.warnings);
    }

    /// What was not told yet; `None` if everything was.
    pub(crate) fn outbox(&mut self) -> Option<Outbox> {
        Self::read(self.directory.as_ref(), OUTBOX, &mut self.warnings, Outbox::from_json)
    }

    /// Keeps what was not told yet; `None` where everything was. What a trial has shown waits for the disk.
    pub(crate) fn save_outbox(&mut self, outbox: Option<&Outbox>) {
        let Some(outbox) = outbox else {
            if let Some(directory) = &self.directory {
                directory.remove(OUTBOX);
            }
            return;
        };
        let durable = outbox.events.iter().any(|event| !event.crossovers.is_empty() || !event.verdict.is_empty());
        let look = if durable { DURABLE } else { PRIVATE };
        let written = self.directory.as_ref().map(|directory| directory.replace(OUTBOX, &state::seal(&outbox.to_json()), look));
        if let Some(Err(error)) = written {
            self.warnings.push(Failure::io(Reason::StateUnwritable, OUTBOX, &error));
        }
    }

    /// Release metadata that was believed; it is believed anew each time.
    pub(crate) fn trusted(&self, name: &str) -> Option<Vec<u8>> {
        let file = self.directory.as_ref()?.read(&format!("{TRUSTED}{name}")).ok()?;
        read_all(&file, TRUSTED_BYTES_MAX).ok()
    }

    /// Keeps release metadata.
    pub(crate) fn put_trusted(&self, name: &str, bytes: &[u8]) -> Result<(), Failure> {
        self.put(&format!("{TRUSTED}{name}"), bytes)
    }

    /// The directory's path.
    pub(crate) fn path(&self) -> &str {
        &self.path
    }

    /// The directory, where it could be opened.
    pub(crate) fn directory(&self) -> Result<&Directory, Failure> {
        let unopened = || Failure::new(Reason::StateUnwritable, format!("{} cannot be opened", self.path));
        self.directory.as_ref().ok_or_else(|| self.warnings.first().cloned().unwrap_or_else(unopened))
    }

    fn read<T>(directory: Option<&Directory>, name: &str, warnings: &mut Vec<Failure>, parse: fn(&[u8]) -> Option<T>) -> Option<T> {
        let directory = directory?;
        let bytes = match directory.read(name).and_then(|file| read_all(&file, STATE_BYTES_MAX)) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => {
                warnings.push(Failure::io(Reason::StateCorrupt, name, &error));
                if matches!(error.kind(), std::io::ErrorKind::FileTooLarge | std::io::ErrorKind::IsADirectory) {
                    directory.set_aside(name);
                }
                return None;
            }
        };
        let value = state::open(&bytes).and_then(parse);
        if value.is_none() {
            warnings.push(Failure::new(Reason::StateCorrupt, format!("{name} was damaged; it is kept as {name}.corrupt")));
            directory.set_aside(name);
        }
        value
    }

    fn write(directory: Option<&Directory>, name: &str, body: &str, warnings: &mut Vec<Failure>) {
        if let Some(Err(error)) = directory.map(|directory| directory.replace(name, &state::seal(body), PRIVATE)) {
            warnings.push(Failure::io(Reason::StateUnwritable, name, &error));
        }
    }
}
