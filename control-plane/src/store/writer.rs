//! The one writer of the audit log: a thread that commits whatever has gathered since the last commit.
//!
//! A commit costs the same for one record as for a hundred. A record that comes alone is committed at once; records that come
//! together wait up to [`PACE`] for each other.

use super::{Record, schema};
use crate::{failure::Failure, metrics::Metrics};
use rusqlite::Connection;
use std::{
    path::Path,
    sync::{
        Arc,
        mpsc::{Receiver, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};
use tokio::sync::oneshot;

const GROUP_MAX: usize = 512;
const QUEUE_MAX: usize = 4096;
/// The least time from one commit's start to the next's, while records come faster than one at a time.
const PACE: Duration = Duration::from_millis(8);

/// Why a record is not durable; the credential must not leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotRecorded {
    /// More records wait than the queue holds.
    Full,
    /// The commit failed.
    Failed,
    /// The commit did not end in time.
    Late,
}

/// The way in; cheap to share.
pub(crate) struct Audit {
    queue: SyncSender<Entry>,
    wait_max: Duration,
}

struct Entry {
    record: Record,
    done: oneshot::Sender<bool>,
}

impl Audit {
    /// Opens the log and starts its writer, which ends once every `Audit` is dropped and all is written.
    pub(crate) fn open(path: &Path, wait_max: Duration, metrics: Arc<Metrics>) -> Result<(Self, JoinHandle<()>), Failure> {
        let connection = schema::open(path)?;
        let (queue, entries) = sync_channel(QUEUE_MAX);
        let writer = thread::Builder::new()
            .name("audit".into())
            .spawn(move || write_all(connection, &entries, &metrics))
            .map_err(|error| Failure::new("cannot start the audit writer", error, "check the limits on threads and memory"))?;
        Ok((Self { queue, wait_max }, writer))
    }

    /// Returns once the record is on the disk.
    pub(crate) async fn record(&self, record: Record) -> Result<(), NotRecorded> {
        let (done, wait) = oneshot::channel();
        self.queue.try_send(Entry { record, done }).map_err(|_| NotRecorded::Full)?;
        match tokio::time::timeout(self.wait_max, wait).await {
            Ok(Ok(true)) => Ok(()),
            Ok(_) => Err(NotRecorded::Failed),
            Err(_) => Err(NotRecorded::Late),
        }
    }
}

fn write_all(mut connection: Connection, entries: &Receiver<Entry>, metrics: &Metrics) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    let mut next = Instant::now();
    while let Ok(first) = entries.recv() {
        thread::sleep(next.saturating_duration_since(Instant::now()));
        group.push(first);
        group.extend(entries.try_iter().take(GROUP_MAX - 1));
        let started = Instant::now();
        next = if group.len() == 1 { started } else { started + PACE };
        let outcome = commit(&mut connection, &group);
        metrics.audit_committed(group.len(), started.elapsed(), outcome.is_ok());
        if let Err(error) = &outcome {
            tracing::error!(event = "audit-failed", because = %error, records = group.len(), hint = "check the disk of the audit database");
        }
        for entry in group.drain(..) {
            let _ = entry.done.send(outcome.is_ok());
        }
    }
}

/// All of the group or none of it: a failed statement drops the transaction, which rolls back.
fn commit(connection: &mut Connection, group: &[Entry]) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    {
        let mut insert = transaction.prepare_cached("INSERT INTO audit (time, host, credential, jti, expires_at) VALUES (?1, ?2, ?3, ?4, ?5)")?;
        for Entry { record, .. } in group {
            insert.execute((record.time, &record.host, &record.credential, &record.jti, record.expires_at))?;
        }
    }
    transaction.commit()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::each_record;

    const TOGETHER: usize = 8;
    const TURNS: usize = 20;

    /// And each caller is answered after its own record is there for another reader.
    #[tokio::test(flavor = "multi_thread")]
    async fn records_that_come_together_share_commits() {
        let path = std::env::temp_dir().join(format!("pinnaced-writer-{}.db", std::process::id()));
        schema::create(&path).unwrap();
        let metrics = Arc::new(Metrics::new());
        let (audit, writer) = Audit::open(&path, Duration::from_secs(5), Arc::clone(&metrics)).unwrap();
        let audit = Arc::new(audit);
        let callers: Vec<_> = (0..TOGETHER).map(|caller| tokio::spawn(call(Arc::clone(&audit), path.clone(), caller))).collect();
        for caller in callers {
            caller.await.unwrap();
        }
        let commits = commits_of(&metrics);
        assert!(commits <= TOGETHER * TURNS / 3, "{commits} commits");
        drop(audit);
        writer.join().unwrap();
        for end in ["", "-wal", "-shm"] {
            let _ = std::fs::remove_file(format!("{}{end}", path.display()));
        }
    }

    async fn call(audit: Arc<Audit>, path: std::path::PathBuf, caller: usize) {
        for turn in 0..TURNS {
            let expected = record(caller, turn);
            audit.record(expected.clone()).await.unwrap();
            let mut found = false;
            each_record(&path, |_, record| {
                found |= *record == expected;
                Ok(())
            })
            .unwrap();
            assert!(found);
        }
    }

    fn record(caller: usize, turn: usize) -> Record {
        Record { time: 1, host: format!("host-{caller}"), credential: "db".into(), jti: turn.to_string(), expires_at: 2 }
    }

    fn commits_of(metrics: &Metrics) -> usize {
        let text = metrics.text();
        text.lines().find_map(|line| line.strip_prefix("pinnaced_audit_group_records_count ")).and_then(|count| count.parse().ok()).unwrap()
    }
}
