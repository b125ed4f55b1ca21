//! DNS messages, as far as a stub resolver needs them (RFC 1035): one question out, its addresses back.

use alloc::{string::String, vec::Vec};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const ADDRESSES_MAX: usize = 16;
const ALIASES_MAX: usize = 8;
const JUMPS_MAX: usize = 16;
const RECORDS_MAX: usize = 128;

/// Which addresses are asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Family {
    /// A records.
    V4,
    /// AAAA records.
    V6,
}

/// What a server says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// At least one address.
    Addresses(Vec<IpAddr>),
    /// NXDOMAIN.
    NameNotFound,
    /// Another response code than "no error".
    ServerFailure(u8),
    /// The answer is cut; ask over TCP.
    Truncated,
    /// The name exists and has no such address.
    NoAddress,
}

/// A packet that is no answer to the question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// It answers another message.
    WrongId,
    /// It answers another question.
    WrongQuestion,
    /// It is not DNS.
    Garbage,
}

/// A query for one name and family; `None` if the text is no DNS name.
#[must_use]
pub fn query(id: u16, name: &str, family: Family) -> Option<Vec<u8>> {
    let mut packet = Vec::with_capacity(name.len() + 18);
    packet.extend(id.to_be_bytes());
    packet.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    let name = name.strip_suffix('.').unwrap_or(name);
    if name.len() > 253 || !name.bytes().all(|byte| byte.is_ascii_graphic()) {
        return None;
    }
    for label in name.split('.') {
        let length = u8::try_from(label.len()).ok().filter(|length| (1..=63).contains(length))?;
        packet.push(length);
        packet.extend(label.bytes());
    }
    packet.extend([0, 0, kind(family), 0, 1]);
    Some(packet)
}

/// Reads the answer to [`query`] with the same arguments.
///
/// # Errors
/// When it is no answer to that question.
pub fn reply(packet: &[u8], id: u16, name: &str, family: Family) -> Result<Reply, Malformed> {
    let mut reader = Reader { packet, at: 0 };
    if reader.number() != Some(id) {
        return Err(Malformed::WrongId);
    }
    let flags = reader.number().filter(|flags| flags & 0x8000 != 0).ok_or(Malformed::Garbage)?;
    let (questions, answers) = reader.number().zip(reader.number()).ok_or(Malformed::Garbage)?;
    reader.at = 12;
    let asked = reader.name().zip(reader.number()).ok_or(Malformed::Garbage)?;
    reader.number().ok_or(Malformed::Garbage)?;
    let name = name.strip_suffix('.').unwrap_or(name);
    if questions != 1 || !asked.0.eq_ignore_ascii_case(name) || asked.1 != u16::from(kind(family)) {
        return Err(Malformed::WrongQuestion);
    }
    match flags & 15 {
        0 if flags & 0x0200 != 0 => Ok(Reply::Truncated),
        0 => addresses(&mut reader, usize::from(answers), name, family).ok_or(Malformed::Garbage),
        3 => Ok(Reply::NameNotFound),
        code => Ok(Reply::ServerFailure(u8::try_from(code).unwrap_or(15))),
    }
}

fn kind(family: Family) -> u8 {
    match family {
        Family::V4 => 1,
        Family::V6 => 28,
    }
}

enum Record {
    Address(IpAddr),
    Alias(String),
}

fn addresses(reader: &mut Reader<'_>, count: usize, name: &str, family: Family) -> Option<Reply> {
    let mut records = Vec::new();
    for _ in 0..count.min(RECORDS_MAX) {
        let owner = reader.name()?;
        let (of, class) = (reader.number()?, reader.number()?);
        reader.at = reader.at.checked_add(4)?;
        let length = usize::from(reader.number()?);
        let end = reader.at.checked_add(length)?;
        let data = reader.packet.get(reader.at..end)?;
        let record = match (of, class) {
            (5, 1) => Some(Record::Alias(reader.name()?)),
            (1, 1) if family == Family::V4 => Some(Record::Address(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?).into())),
            (28, 1) if family == Family::V6 => Some(Record::Address(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?).into())),
            _ => None,
        };
        records.extend(record.map(|record| (owner, record)));
        reader.at = end;
    }
    Some(follow(&records, name))
}

/// Follows aliases from the name to its addresses; records of other names are none of ours.
fn follow(records: &[(String, Record)], name: &str) -> Reply {
    let mut name = name;
    for _ in 0..=ALIASES_MAX {
        let mine = || records.iter().filter(|(owner, _)| owner.eq_ignore_ascii_case(name)).map(|(_, record)| record);
        let found: Vec<IpAddr> =
            mine().filter_map(|record| if let Record::Address(address) = record { Some(*address) } else { None }).take(ADDRESSES_MAX).collect();
        if !found.is_empty() {
            return Reply::Addresses(found);
        }
        match mine().find_map(|record| if let Record::Alias(target) = record { Some(target) } else { None }) {
            Some(target) => name = target,
            None => return Reply::NoAddress,
        }
    }
    Reply::NoAddress
}

struct Reader<'a> {
    packet: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn number(&mut self) -> Option<u16> {
        let bytes = self.packet.get(self.at..)?.first_chunk::<2>()?;
        self.at += 2;
        Some(u16::from_be_bytes(*bytes))
    }

    /// A name, with compression pointers that only lead backwards (RFC 1035 section 4.1.4).
    fn name(&mut self) -> Option<String> {
        let mut name = String::new();
        let mut at = self.at;
        let mut jumps = 0;
        let mut behind = None;
        loop {
            let length = usize::from(*self.packet.get(at)?);
            if length & 0xC0 == 0xC0 {
                let target = (length & 0x3F) << 8 | usize::from(*self.packet.get(at + 1)?);
                behind.get_or_insert(at + 2);
                jumps += 1;
                if target >= at || jumps > JUMPS_MAX {
                    return None;
                }
                at = target;
                continue;
            }
            if length > 63 {
                return None;
            }
            at += 1;
            if length == 0 {
                self.at = behind.unwrap_or(at);
                return Some(name);
            }
            let label = self.packet.get(at..at + length)?;
            if !name.is_empty() {
                name.push('.');
            }
            for byte in label {
                // A dot inside a label is escaped (RFC 1035 section 5.1), or it would pass for a boundary of two labels.
                name.extend(matches!(byte, b'.' | b'\\').then_some('\\'));
                name.push(char::from(*byte));
            }
            if name.len() > 1024 {
                return None;
            }
            at += length;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::vec;

    fn answer(flags: u8, code: u8, records: &[&[u8]]) -> Vec<u8> {
        let mut packet = query(7, "cp.example.org", Family::V4).unwrap();
        packet[2] = 0x80 | flags;
        packet[3] = code;
        packet[7] = u8::try_from(records.len()).unwrap();
        packet.extend(records.concat());
        packet
    }

    const A: &[u8] = &[0xC0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];

    #[test]
    fn reads_addresses_over_aliases() {
        let read = |packet: &[u8]| reply(packet, 7, "CP.example.org", Family::V4);
        let address = Reply::Addresses(vec![IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(read(&answer(0, 0, &[A])), Ok(address.clone()));
        let alias: &[u8] = &[0xC0, 12, 0, 5, 0, 1, 0, 0, 0, 60, 0, 4, 1, b'x', 0xC0, 15];
        let other: &[u8] = &[1, b'x', 0xC0, 15, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
        assert_eq!(read(&answer(0, 0, &[alias, other])), Ok(address));
        assert_eq!(read(&answer(0, 0, &[other])), Ok(Reply::NoAddress), "a record for another name");
        assert_eq!(read(&answer(2, 0, &[])), Ok(Reply::Truncated));
        assert_eq!(read(&answer(0, 3, &[])), Ok(Reply::NameNotFound));
        assert_eq!(read(&answer(0, 2, &[])), Ok(Reply::ServerFailure(2)));
        assert_eq!(read(&answer(0, 0, &[&[0xC0, 40]])), Err(Malformed::Garbage), "a pointer forwards");
        assert_eq!(reply(&answer(0, 0, &[A]), 8, "cp.example.org", Family::V4), Err(Malformed::WrongId));
        assert_eq!(reply(&answer(0, 0, &[A]), 7, "cp.example.org", Family::V6), Err(Malformed::WrongQuestion));
        assert_eq!(query(1, "a..b", Family::V4), None);
        assert_eq!(query(1, "a b", Family::V4), None);
    }

    #[test]
    fn a_dot_inside_a_label_is_no_boundary() {
        let mut other = vec![10];
        other.extend(b"cp.example\x03org\0");
        other.extend([0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 66]);
        assert_eq!(reply(&answer(0, 0, &[&other]), 7, "cp.example.org", Family::V4), Ok(Reply::NoAddress));
    }

    #[test]
    fn no_cut_or_flip_of_a_packet_breaks_the_reader() {
        let packet = answer(0, 0, &[A]);
        for length in 0..packet.len() {
            let _ = reply(&packet[..length], 7, "cp.example.org", Family::V4);
        }
        for index in 0..packet.len() {
            for value in 0..=255 {
                let mut changed = packet.clone();
                changed[index] = value;
                let _ = reply(&changed, 7, "cp.example.org", Family::V4);
            }
        }
    }
}
