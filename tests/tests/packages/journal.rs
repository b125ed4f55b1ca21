//! What a run says to the journal: entries with their fields, counted to the unit that ran; and a journal that takes none.

use super::{
    guest::{Ground, Guest, TOKEN},
    systems::{self, BOOKWORM, System},
};
use serde_json::Value;
use std::net::TcpListener;

/// By which what was done, and what failed, is found; people have them in their scripts.
const DONE: &str = "7eb9e606c6ad484688c02dc5bebdedc6";
const FAILED: &str = "03aef80350084996b85c4a2cb36757aa";

/// What a script asks the journal for, by the names of the files it leaves in the lab's folder.
const ASKED: &str = "\
journalctl --sync
journalctl -q -b --no-pager -o json MESSAGE_ID=$done >journal-done
journalctl -q -b --no-pager -o json MESSAGE_ID=$failed >journal-failed
journalctl -q -b --no-pager -o json -u pinnace.service MESSAGE_ID=$done >journal-unit
journalctl -q -b --no-pager -o short -x MESSAGE_ID=$failed >journal-explained
";

/// The same with the kinds' ids in it.
pub(crate) fn asked() -> String {
    ASKED.replace("$done", DONE).replace("$failed", FAILED)
}

/// The entries of a file in the lab's folder.
fn entries(guest: &Guest<'_>, name: &str) -> Vec<Value> {
    guest.said(&format!("lab/{name}")).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Fails unless every run that delivered is an entry with its fields, and all of them are the unit's.
pub(crate) fn check_done(system: &System, guest: &Guest<'_>) {
    let done = entries(guest, "journal-done");
    let whole = || format!("systemd {}: {done:#?}", system.systemd);
    let delivered = done.iter().filter(|entry| entry["PINNACE_OUTCOME"] == "delivered").count();
    assert!(delivered >= 2, "{}", whole());
    let has = |entry: &Value, phase: &str| entry[format!("PINNACE_{phase}_MS")].is_string();
    let fetched = |entry: &Value| ["RESOLVE", "CONNECT", "TLS", "REQUEST", "DELIVER"].iter().all(|phase| has(entry, phase));
    assert!(done.first().is_some_and(fetched), "{}", whole());
    for entry in &done {
        let fixed =
            [("PRIORITY", "6"), ("SYSLOG_IDENTIFIER", "pinnace"), ("PINNACE_EVENT", "run"), ("PINNACE_CODE", "ok"), ("PINNACE_GENERATION", "0")];
        assert!(fixed.iter().all(|(name, value)| entry[name] == *value), "{}", whole());
        assert!(entry["MESSAGE"].as_str().unwrap().contains(" in ") && entry["PINNACE_ELAPSED_MS"].is_string(), "{}", whole());
        assert_eq!(entry["_SYSTEMD_UNIT"], "pinnace.service", "{}", whole());
    }
    assert_eq!(entries(guest, "journal-unit").len(), done.len(), "{}", whole());
}

/// Fails unless failed runs are entries with their reasons, and the catalog explains them.
pub(crate) fn check_failed(system: &System, guest: &Guest<'_>, codes: &[&str]) {
    let failed = entries(guest, "journal-failed");
    for code in codes {
        let entry = failed.iter().find(|entry| entry["PINNACE_CODE"] == *code);
        let entry = entry.unwrap_or_else(|| panic!("systemd {}: no entry says {code}: {failed:#?}", system.systemd));
        assert_eq!((entry["PRIORITY"].as_str(), entry["PINNACE_OUTCOME"].as_str()), (Some("3"), Some("failed")), "{entry}");
        let message: Vec<&str> = entry["MESSAGE"].as_str().unwrap().lines().collect();
        assert!(matches!(message[..], [error, _, _, last] if error.starts_with("error: ") && last.contains(code)), "{entry}");
        assert!(entry["PINNACE_BECAUSE"].is_string() && entry["PINNACE_HINT"].is_string(), "{entry}");
    }
    let explained = guest.said("lab/journal-explained");
    assert!(explained.contains("What helps: ") && explained.contains("\"pinnace explain "), "systemd {}: {explained}", system.systemd);
}

/// A journal that stands still costs a run no credential; one that is full costs it the fields, and the line is there.
#[test]
fn a_journal_that_takes_nothing_costs_no_run_anything_and_the_line_is_said_all_the_same() {
    let test = "a journal that takes nothing";
    if systems::may_boot(test) {
        let ground = Ground::new(&["1.4.0"]);
        let guest = Guest::new(&ground, &BOOKWORM, &BOOKWORM.root().unwrap(), "journal");
        guest.boot(&(STANDSTILL.to_owned() + &asked()));
        let all = guest.said("lab/all");
        for name in ["token-waiting", "token-full"] {
            assert!(guest.said(&format!("lab/{name}")).starts_with("eyJ"), "{name}: {all}");
        }
        assert!(guest.said("lab/filled").contains("full"), "{all}");
        let delivered: Vec<Value> = entries(&guest, "journal-done").into_iter().filter(|entry| entry["PINNACE_OUTCOME"] == "delivered").collect();
        assert_eq!(delivered.len(), 1, "of two runs one found room in the queue: {all}");
        let lines = all.lines().filter(|line| line.starts_with("{\"event\":\"run\",\"outcome\":\"delivered\"")).count();
        assert_eq!(lines, 1, "and the other said its line: {all}");
    }
}

/// A run while nobody reads, one more when the queue is full; then the journal goes on.
const STANDSTILL: &str = "\
systemctl stop pinnace.timer
run() {
    rm -f /var/lib/pinnace/credential-db /var/lib/agent/db.token
    systemctl start pinnace.service
    cp /var/lib/agent/db.token $1
}
pid=$(systemctl show -p MainPID systemd-journald.service)
kill -STOP ${pid#MainPID=}
run token-waiting
until ! NOTIFY_SOCKET=/run/systemd/journal/socket timeout 1 systemd-notify --no-block MESSAGE=filling; do :; done
echo full >filled
run token-full
kill -CONT ${pid#MainPID=}
journalctl --sync
journalctl -q -b --no-pager -o cat -t pinnace >all
";

/// What the watchdog says when a run stands still goes the same way.
#[test]
fn the_last_words_of_a_run_that_stands_still_are_an_entry() {
    let test = "a run's last words in the journal";
    if systems::may_boot(test) {
        let ground = Ground::new(&["1.4.0"]);
        let guest = Guest::new(&ground, &BOOKWORM, &BOOKWORM.root().unwrap(), "last-words");
        // It lets everybody in and answers nobody.
        let silent = TcpListener::bind((ground.address, 0)).unwrap();
        guest.put("etc/pinnace.toml", format!("proxy = \"{}\"\n", silent.local_addr().unwrap()).as_bytes());
        guest.boot(&(LAST_WORDS.to_owned() + &asked()));
        check_failed(&BOOKWORM, &guest, &["run.deadline"]);
        assert!(guest.said(TOKEN).starts_with("eyJ"), "the next run delivers: {}", guest.said("lab/said"));
    }
}

const LAST_WORDS: &str = "\
systemctl stop pinnace.timer
systemctl start --no-block pinnace.service
until [ \"$(systemctl show -p ActiveState pinnace.service)\" = ActiveState=activating ]; do sleep 0.05; done
sleep 1
rm /etc/pinnace.toml
systemctl kill -s ALRM pinnace.service
while [ \"$(systemctl show -p ActiveState pinnace.service)\" = ActiveState=activating ]; do sleep 0.05; done
systemctl start pinnace.service
";
