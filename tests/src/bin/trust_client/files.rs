//! A folder of metadata, and a repository behind HTTP.

use std::{
    fmt::{self, Display},
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};
use trust::{Refused, Repository, Why};

/// What ends a command.
pub(crate) struct Problem(pub(crate) String);

impl Display for Problem {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(&self.0)
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        Self(refused.to_string())
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        Self(error.to_string())
    }
}

/// What `core/trust` walks through.
pub(crate) struct Files {
    pub(crate) folder: PathBuf,
    pub(crate) url: String,
}

impl Repository for Files {
    type Error = Problem;

    fn fetch(&mut self, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Problem> {
        get(&self.url, name, bytes_max)
    }

    fn load(&mut self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(name)).ok()
    }

    fn store(&mut self, name: &str, bytes: &[u8]) -> Result<(), Problem> {
        replace(&self.folder.join(name), bytes)
    }
}

/// A file of at most that many bytes; `None` if the server says that it has none.
pub(crate) fn get(base: &str, name: &str, bytes_max: usize) -> Result<Option<Vec<u8>>, Problem> {
    let url = format!("{}/{}", base.trim_end_matches('/'), trust::quoted(name, "/%"));
    let answer = match ureq::get(&url).call() {
        Ok(answer) => answer,
        Err(ureq::Error::StatusCode(403 | 404)) => return Ok(None),
        Err(error) => return Err(Problem(format!("{url}: {error}"))),
    };
    let mut bytes = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    answer.into_body().into_reader().take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() > bytes_max { Err(Why::TooLarge.about(name).into()) } else { Ok(Some(bytes)) }
}

/// Whole or not at all.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Problem> {
    let fresh = path.with_added_extension("new");
    fs::write(&fresh, bytes)?;
    Ok(fs::rename(&fresh, path)?)
}
