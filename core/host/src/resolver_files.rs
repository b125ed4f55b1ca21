//! The host's own small files, read as text: resolv.conf, hosts, passwd, group. Junk in them is passed over.

use alloc::vec::Vec;
use core::net::IpAddr;

const SERVERS_MAX: usize = 3;
const RESOLV_CONF_BYTES_MAX: usize = 65_536;

/// The name servers of a resolv.conf (resolv.conf(5)): at most three, scope ids dropped,
/// from the first 64 KiB.
#[must_use]
pub fn nameservers(resolv_conf: &[u8]) -> Vec<IpAddr> {
    let server = |line: &str| {
        let mut words = line.split_ascii_whitespace();
        let address = if words.next() == Some("nameserver") { words.next()? } else { return None };
        address.split('%').next()?.parse().ok()
    };
    let head = resolv_conf.get(..RESOLV_CONF_BYTES_MAX).unwrap_or(resolv_conf);
    lines(head).filter_map(server).take(SERVERS_MAX).collect()
}

/// The addresses of a name in a hosts file (hosts(5)).
#[must_use]
pub fn hosts(file: &[u8], name: &str) -> Vec<IpAddr> {
    let address = |line: &str| {
        let mut words = line.split('#').next()?.split_ascii_whitespace();
        let address = words.next()?.split('%').next()?.parse().ok()?;
        words.any(|word| word.eq_ignore_ascii_case(name)).then_some(address)
    };
    lines(file).filter_map(address).collect()
}

/// The number of a name in a passwd or group file: the third field.
#[must_use]
pub fn id_of(passwd_or_group: &[u8], name: &str) -> Option<u32> {
    lines(passwd_or_group).find_map(|line| {
        let mut fields = line.split(':');
        if fields.next()? == name { fields.nth(1)?.parse().ok() } else { None }
    })
}

fn lines(file: &[u8]) -> impl Iterator<Item = &str> {
    file.split(|byte| *byte == b'\n').filter_map(|line| core::str::from_utf8(line).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_with_junk_in_them_still_answer() {
        let resolv = b"# x\noptions rotate\nnameserver fe80::1%eth0\n\xff\nnameserver bad\n nameserver 192.0.2.53\nnameserver 192.0.2.54\nnameserver 192.0.2.55\n";
        assert_eq!(nameservers(resolv).len(), 3);
        assert_eq!(hosts(b"127.0.0.1 localhost\n192.0.2.1 CP.example # cp\n#192.0.2.2 cp.example", "cp.example"), [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(id_of(b"root:x:0:0::/:\nagent:x:77:88::/:", "agent"), Some(77));
        assert_eq!(id_of(b"agent", "agent"), None);
    }
}
