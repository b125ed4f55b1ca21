//! An exported log, verified without the control plane.

use crate::{ask::Ask, failure::Failure};
use aws_lc_rs::{
    digest::{Context, SHA256},
    signature::{ED25519, UnparsedPublicKey},
};
use protocol::{
    audit::{Chain, Hash, checkpoint_message, follow},
    time::rfc3339,
};
use serde_json::json;
use std::{collections::BTreeMap, fs, path::Path, str};

/// The command.
pub(super) fn run(ask: &Ask, file: &Path, key: &Path, allow_open_end: bool) -> Result<(), Failure> {
    let read = |path: &Path| {
        fs::read(path).map_err(|cause| Failure::new("file.unreadable", format!("cannot read {}", path.display()), cause, "check the path"))
    };
    let (log, key) = (read(file)?, read(key)?);
    let chains = holds(&log, String::from_utf8_lossy(&key).trim(), allow_open_end).map_err(|because| {
        let hint = "keep the file, and find out who could write to it or to the database";
        Failure::new("audit.broken", format!("{} does not hold", file.display()), because, hint)
    })?;
    let writer = |(name, chain): (&String, &Chain)| {
        let signed_at = chain.checkpoint.as_ref().map(|checkpoint| checkpoint.time);
        json!({"writer": name, "records": chain.number, "signed_at": signed_at})
    };
    let answer = json!({"version": 1, "holds": true, "writers": chains.iter().map(writer).collect::<Vec<_>>()});
    ask.show(&answer, |_| print!("{}", summary(&chains)));
    Ok(())
}

/// What holds of a log, or the first thing that does not, and where.
fn holds(log: &[u8], key: &str, allow_open_end: bool) -> Result<BTreeMap<String, Chain>, String> {
    let lines = lines(log)?;
    let chains = follow(lines.iter().copied(), seal).map_err(|found| format!("line {}: {}", found.line, found.because))?;
    if chains.is_empty() {
        return Err("there is no record in it".into());
    }
    for (writer, chain) in &chains {
        signed(writer, chain, key, allow_open_end).map_err(|because| match chain.line {
            0 => format!("there is no record of {writer}: {because}"),
            line => format!("line {line}, the last record of {writer}: {because}"),
        })?;
    }
    Ok(chains)
}

/// Every byte counts, those between the lines too.
fn lines(log: &[u8]) -> Result<Vec<&str>, String> {
    let log = log.strip_suffix(b"\n").unwrap_or(log);
    let line = |(bytes, number): (_, usize)| str::from_utf8(bytes).map_err(|_| format!("line {number}: it is not UTF-8"));
    log.split(|byte| *byte == b'\n').zip(1..).map(line).collect()
}

fn seal(before: &Hash, body: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(before);
    context.update(body);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// The end of a chain must be where the audit key says.
fn signed(writer: &str, chain: &Chain, key: &str, allow_open_end: bool) -> Result<(), String> {
    let checkpoint = chain.checkpoint.as_ref().ok_or("nobody signs for it: the checkpoint is missing, and records behind it may be, too")?;
    if checkpoint.key != key {
        return Err(format!("the checkpoint is signed by {}, and the key given is {key}", checkpoint.key));
    }
    let public = protocol::hex_decode(key).ok_or("the key given is not hexadecimal")?;
    let message = checkpoint_message(writer, checkpoint.number, &checkpoint.hash, checkpoint.time);
    let signed = UnparsedPublicKey::new(&ED25519, public).verify(message.as_bytes(), &checkpoint.signature);
    signed.map_err(|_| "the signature of the checkpoint does not hold")?;
    if chain.number < checkpoint.number {
        return Err(format!("the end was cut: this is record {}, and the checkpoint says {}", chain.number, checkpoint.number));
    }
    if chain.vouched != Some(checkpoint.hash) {
        return Err(format!("record {} is not the one that the checkpoint signs", checkpoint.number));
    }
    let open = chain.number - checkpoint.number;
    if open > 0 && !allow_open_end {
        return Err(format!("nobody signs for the last {open} records yet; export again, or say --allow-open-end"));
    }
    Ok(())
}

fn summary(chains: &BTreeMap<String, Chain>) -> String {
    let line = |(writer, chain): (&String, &Chain)| {
        let at = chain.checkpoint.as_ref().map_or_else(String::new, |checkpoint| rfc3339(checkpoint.time));
        format!("{writer}: {} records hold, signed at {at}\n", chain.number)
    };
    chains.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair};
    use protocol::{
        audit::{Checkpoint, exported},
        hex_encode,
    };

    const WRITERS: [&str; 2] = ["one", "two"];

    struct Signer(Ed25519KeyPair);

    impl Signer {
        fn public(&self) -> String {
            hex_encode(self.0.public_key().as_ref())
        }

        fn checkpoint(&self, writer: &str, number: i64, hash: Hash) -> String {
            let signature = self.0.sign(checkpoint_message(writer, number, &hash, 7).as_bytes());
            Checkpoint { number, hash, time: 7, key: self.public(), signature: signature.as_ref().try_into().unwrap() }.exported(writer)
        }

        /// Three records of each writer, and then the checkpoints.
        fn log(&self) -> Vec<String> {
            let (mut records, mut checkpoints) = (Vec::new(), Vec::new());
            for writer in WRITERS {
                let mut hash = [0; 32];
                for number in 1..=3 {
                    let body = format!("{{\"writer\":\"{writer}\",\"number\":{number},\"event\":\"issued\",\"host\":\"web-1\"}}");
                    hash = seal(&hash, body.as_bytes());
                    records.push(exported(&body, &hash));
                }
                checkpoints.push(self.checkpoint(writer, 3, hash));
            }
            [records, checkpoints].concat()
        }
    }

    fn signer() -> Signer {
        Signer(Ed25519KeyPair::generate().unwrap())
    }

    fn judge(signer: &Signer, lines: &[String]) -> Result<(), String> {
        holds(lines.join("\n").as_bytes(), &signer.public(), false).map(drop)
    }

    fn broken(signer: &Signer, lines: &[String], words: &[&str]) {
        let because = judge(signer, lines).unwrap_err();
        assert!(words.iter().all(|word| because.contains(word)), "{because:?} does not say {words:?}");
    }

    #[test]
    fn a_whole_log_holds_with_its_key_and_no_other() {
        let signer = signer();
        let log = signer.log();
        let all = "one: 3 records hold, signed at 1970-01-01T00:00:07Z\ntwo: 3 records hold, signed at 1970-01-01T00:00:07Z\n";
        assert_eq!(summary(&holds(log.join("\n").as_bytes(), &signer.public(), false).unwrap()), all);
        assert_eq!(judge(&signer, &log), Ok(()));
        let text = log.join("\n") + "\n";
        assert!(holds(text.as_bytes(), &signer.public(), false).is_ok());
        assert!(holds(text.as_bytes(), &self::signer().public(), false).is_err());
    }

    #[test]
    fn every_flipped_bit_of_records_and_checkpoints_is_found() {
        let signer = signer();
        let text = signer.log().join("\n").into_bytes();
        for at in 0..text.len() {
            for bit in 0..8 {
                let mut flipped = text.clone();
                flipped[at] ^= 1 << bit;
                assert!(holds(&flipped, &signer.public(), true).is_err(), "byte {at} bit {bit}");
            }
        }
    }

    #[test]
    fn a_changed_record_is_named_with_its_line() {
        let signer = signer();
        let mut log = signer.log();
        log[4] = log[4].replace("web-1", "web-2");
        broken(&signer, &log, &["line 5", "record 2 of two", "changed"]);
    }

    #[test]
    fn a_removed_added_or_moved_record_is_named_with_its_line() {
        let signer = signer();
        let whole = signer.log();
        let mut removed = whole.clone();
        removed.remove(1);
        broken(&signer, &removed, &["line 2", "record 3 of one follows record 1"]);
        let mut added = whole.clone();
        added.insert(2, whole[1].clone());
        broken(&signer, &added, &["line 3", "record 2 of one follows record 2"]);
        let mut moved = whole.clone();
        moved.swap(0, 1);
        broken(&signer, &moved, &["line 1", "record 2 of one follows record 0"]);
        let mut first = whole;
        first.remove(0);
        broken(&signer, &first, &["line 1"]);
    }

    #[test]
    fn a_cut_tail_is_found_with_and_without_its_checkpoint() {
        let signer = signer();
        let whole = signer.log();
        let mut cut = whole.clone();
        cut.remove(2);
        broken(&signer, &cut, &["line 2", "the last record of one", "record 2, and the checkpoint says 3"]);
        broken(&signer, &whole[..7], &["line 6", "the last record of two", "checkpoint is missing"]);
        broken(&signer, &whole[..4], &["checkpoint is missing"]);
        let no_records: Vec<String> = whole.iter().filter(|line| !line.contains("\"two\",\"number")).cloned().collect();
        broken(&signer, &no_records, &["there is no record of two", "the checkpoint says 3"]);
        broken(&signer, &[String::new()], &["line 1"]);
    }

    #[test]
    fn a_chain_that_was_written_anew_needs_the_key() {
        let (signer, forger) = (signer(), signer());
        broken(&signer, &forger.log(), &["is signed by"]);
        let mut log = forger.log();
        log.iter_mut().for_each(|line| *line = line.replace(&forger.public(), &signer.public()));
        broken(&signer, &log, &["the signature of the checkpoint does not hold"]);
        let mut twice = signer.log();
        twice.push(twice[6].clone());
        broken(&signer, &twice, &["line 9", "second checkpoint"]);
    }

    #[test]
    fn records_that_nobody_signs_for_yet_are_taken_only_where_that_is_said() {
        let signer = signer();
        let mut log = signer.log();
        let (_, hash) = protocol::audit::imported(&log[1]).unwrap();
        log[6] = signer.checkpoint("one", 2, hash);
        broken(&signer, &log, &["line 3", "the last 1 records"]);
        assert!(holds(log.join("\n").as_bytes(), &signer.public(), true).is_ok());
    }
}
