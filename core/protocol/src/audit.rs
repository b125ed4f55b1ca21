//! The audit log as it is exported, and how it is verified without the control plane.
//!
//! A line is a record of JSON that begins with its writer and number, with its hash as the last member. A record's hash is the
//! SHA-256 of the hash before it and its own bytes without the hash, so that none can be changed, removed, moved or added
//! without all that follow it. A checkpoint signs the number and hash of a writer's last record, so that none can be cut off.

use crate::{
    hex_decode, hex_encode,
    json::{self, Value},
};
use alloc::{
    collections::BTreeMap,
    format,
    string::{String, ToString},
};

/// A SHA-256.
pub type Hash = [u8; 32];

/// What seals a record: the SHA-256 of the hash before it and its bytes.
pub type Seal = fn(&Hash, &[u8]) -> Hash;

/// A record as it is exported.
#[must_use]
pub fn exported(body: &str, hash: &Hash) -> String {
    let open = body.strip_suffix('}').unwrap_or(body);
    format!("{open},\"hash\":\"{}\"}}", hex_encode(hash))
}

/// The record and the hash in an exported line. A line has one spelling: what does not give the same line again is none.
#[must_use]
pub fn imported(line: &str) -> Option<(String, Hash)> {
    let (open, hash) = line.strip_suffix("\"}")?.rsplit_once(",\"hash\":\"")?;
    let (body, hash) = (format!("{open}}}"), hex_decode(hash)?.try_into().ok()?);
    (exported(&body, &hash) == line).then_some((body, hash))
}

/// The bytes that a checkpoint's signature covers.
#[must_use]
pub fn checkpoint_message(writer: &str, number: i64, hash: &Hash, time: i64) -> String {
    format!("pinnace-audit-v1\n{writer}\n{number}\n{}\n{time}\n", hex_encode(hash))
}

/// A signed end of a writer's chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// The number of the last record.
    pub number: i64,
    /// Its hash.
    pub hash: Hash,
    /// When it was signed, seconds since 1970.
    pub time: i64,
    /// The public key that signed, hexadecimal.
    pub key: String,
    /// The signature over [`checkpoint_message`].
    pub signature: [u8; 64],
}

impl Checkpoint {
    /// As it is exported, behind the records.
    #[must_use]
    pub fn exported(&self, writer: &str) -> String {
        let members = [
            ("writer", writer.into()),
            ("checkpoint", self.number.into()),
            ("hash", hex_encode(&self.hash).into()),
            ("time", self.time.into()),
            ("key", self.key.as_str().into()),
            ("signature", hex_encode(&self.signature).into()),
        ];
        json::object(members).to_string()
    }

    /// The writer and its checkpoint in an exported line, which has one spelling, too.
    #[must_use]
    pub fn imported(line: &str) -> Option<(String, Self)> {
        let value = json::parse(line.as_bytes()).ok()?;
        let text = |key| value.get(key).and_then(Value::as_str);
        let checkpoint = Self {
            number: value.get("checkpoint")?.as_i64()?,
            hash: hex_decode(text("hash")?)?.try_into().ok()?,
            time: value.get("time")?.as_i64()?,
            key: text("key")?.to_string(),
            signature: hex_decode(text("signature")?)?.try_into().ok()?,
        };
        let writer = text("writer")?.to_string();
        (checkpoint.exported(&writer) == line).then_some((writer, checkpoint))
    }
}

/// What was found of one writer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// The number of the last record.
    pub number: i64,
    /// Its hash.
    pub hash: Hash,
    /// The line it stands in, from 1; 0 where there is none.
    pub line: usize,
    /// Where the log says that the chain ends.
    pub checkpoint: Option<Checkpoint>,
    /// The hash of the record that the checkpoint is about.
    pub vouched: Option<Hash>,
}

/// What is wrong with a log, and in which line, from 1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The line.
    pub line: usize,
    /// What does not hold.
    pub because: String,
}

/// Follows every chain in the lines of a log; signatures are for the caller to check.
///
/// # Errors
/// The first line that does not hold.
pub fn follow<'a>(lines: impl Iterator<Item = &'a str> + Clone, seal: Seal) -> Result<BTreeMap<String, Chain>, Broken> {
    let mut chains: BTreeMap<String, Chain> = BTreeMap::new();
    let numbered = |lines| core::iter::zip(1.., lines);
    for (line, text) in numbered(lines.clone()) {
        if let Some((writer, checkpoint)) = Checkpoint::imported(text) {
            let chain = chains.entry(writer).or_default();
            if chain.checkpoint.replace(checkpoint).is_some() {
                return Err(Broken { line, because: "a second checkpoint of the same writer: one was added".to_string() });
            }
        } else if imported(text).is_none() {
            return Err(Broken { line, because: "it is neither a record nor a checkpoint".to_string() });
        }
    }
    for (line, text) in numbered(lines) {
        if let Some((body, hash)) = imported(text).filter(|_| Checkpoint::imported(text).is_none()) {
            step(&mut chains, line, &body, &hash, seal).map_err(|because| Broken { line, because })?;
        }
    }
    Ok(chains)
}

fn step(chains: &mut BTreeMap<String, Chain>, line: usize, body: &str, hash: &Hash, seal: Seal) -> Result<(), String> {
    let value = json::parse(body.as_bytes()).map_err(|error| format!("it is not JSON: {error}"))?;
    let writer = value.get("writer").and_then(Value::as_str).ok_or("it names no writer")?;
    let number = value.get("number").and_then(Value::as_i64).ok_or("it has no number")?;
    let chain = chains.entry(writer.to_string()).or_default();
    if number != chain.number + 1 {
        return Err(format!("record {number} of {writer} follows record {}: one was removed, added or moved", chain.number));
    }
    if seal(&chain.hash, body.as_bytes()) != *hash {
        return Err(format!("record {number} of {writer} is not what was sealed: it or one before it was changed"));
    }
    (chain.number, chain.hash, chain.line) = (number, *hash, line);
    if chain.checkpoint.as_ref().is_some_and(|checkpoint| checkpoint.number == number) {
        chain.vouched = Some(*hash);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec::Vec;

    /// Not a SHA-256, but every byte counts.
    fn seal(before: &Hash, body: &[u8]) -> Hash {
        let mut hash = *before;
        for (at, byte) in body.iter().enumerate() {
            let place = &mut hash[at % 32];
            *place = place.rotate_left(3) ^ byte.wrapping_add(u8::try_from(at % 251).unwrap());
        }
        hash
    }

    fn log(records: i64) -> Vec<String> {
        let mut before = [0; 32];
        let mut lines = Vec::new();
        for number in 1..=records {
            let body = format!("{{\"writer\":\"a\",\"number\":{number},\"event\":\"issued\"}}");
            before = seal(&before, body.as_bytes());
            lines.push(exported(&body, &before));
        }
        let signature = hex_encode(&[0; 64]);
        lines.push(format!(
            "{{\"writer\":\"a\",\"checkpoint\":{records},\"hash\":\"{}\",\"time\":1,\"key\":\"00\",\"signature\":\"{signature}\"}}",
            hex_encode(&before)
        ));
        lines
    }

    fn follow(lines: &[String]) -> Result<BTreeMap<String, Chain>, Broken> {
        super::follow(lines.iter().map(String::as_str), seal)
    }

    #[test]
    fn a_whole_log_holds_and_its_end_is_vouched_for() {
        let chains = follow(&log(5)).unwrap();
        let chain = &chains["a"];
        assert_eq!((chain.number, chain.vouched), (5, chain.checkpoint.as_ref().map(|checkpoint| checkpoint.hash)));
    }

    #[test]
    fn every_flipped_byte_removed_moved_or_added_record_is_found() {
        let whole = log(5);
        for line in 0..5 {
            for at in 0..whole[line].len() {
                let mut lines = whole.clone();
                let mut bytes = lines[line].clone().into_bytes();
                bytes[at] ^= 1;
                let Ok(text) = String::from_utf8(bytes) else { continue };
                lines[line] = text;
                assert!(follow(&lines).is_err(), "line {line} byte {at}");
            }
            let mut removed = whole.clone();
            removed.remove(line);
            let cut = line == 4 && follow(&removed).is_ok_and(|chains| chains["a"].vouched.is_none());
            assert!(cut || follow(&removed).is_err(), "removed {line}: a cut end has nobody who vouches for it");
            let mut twice = whole.clone();
            twice.insert(line, whole[line].clone());
            assert!(follow(&twice).is_err());
        }
        let mut moved = whole;
        moved.swap(1, 2);
        assert_eq!(follow(&moved).unwrap_err().line, 2);
        assert_eq!(follow(&["junk".into()]).unwrap_err().line, 1);
    }
}
