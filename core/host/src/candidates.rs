//! Which address first: stable for a host, spread over a fleet.

use alloc::vec::Vec;
use core::net::IpAddr;
use protocol::{site::Endpoint, stable_hash};

const ADDRESSES_MAX: usize = 16;

/// The addresses in this host's own order (rendezvous hashing), families interleaved (RFC 8305 section 4), duplicates dropped, at most 16.
#[must_use]
pub fn order(host: &str, addresses: &[IpAddr]) -> Vec<IpAddr> {
    let mut ranked: Vec<IpAddr> = addresses.to_vec();
    ranked.sort_unstable_by_key(|address| stable_hash(&[host, &alloc::format!("{address}")]));
    ranked.dedup();
    let (mut first, mut second): (Vec<IpAddr>, Vec<IpAddr>) = ranked.iter().partition(|address| address.is_ipv6());
    if ranked.first().is_some_and(IpAddr::is_ipv4) {
        core::mem::swap(&mut first, &mut second);
    }
    let rounds = first.len().max(second.len());
    (0..rounds).flat_map(|round| [first.get(round), second.get(round)]).flatten().copied().take(ADDRESSES_MAX).collect()
}

/// The endpoints' indices in this host's own order.
#[must_use]
pub fn order_endpoints(host: &str, endpoints: &[Endpoint]) -> Vec<usize> {
    let mut indices: Vec<usize> = (0..endpoints.len()).collect();
    indices.sort_unstable_by_key(|index| {
        endpoints.get(*index).map(|endpoint| stable_hash(&[host, &endpoint.host, &alloc::format!("{}", endpoint.port)]))
    });
    indices
}

#[cfg(test)]
mod tests {
    use super::*;
    use alloc::{format, vec};

    #[test]
    fn order_is_stable_per_host_and_spread_over_the_fleet() {
        let addresses: Vec<IpAddr> = (1..=4).map(|last| IpAddr::from([192, 0, 2, last])).collect();
        assert_eq!(order("a", &addresses), order("a", &addresses));
        let mut firsts = vec![0; 4];
        for host in 0..400 {
            let first = order(&format!("host-{host}"), &addresses)[0];
            firsts[addresses.iter().position(|address| *address == first).unwrap()] += 1;
        }
        assert!(firsts.iter().all(|count| (60..140).contains(count)), "{firsts:?}");
    }

    #[test]
    fn families_are_interleaved_and_duplicates_dropped() {
        let addresses: Vec<IpAddr> =
            ["192.0.2.1", "192.0.2.2", "2001:db8::1", "2001:db8::2", "192.0.2.1"].iter().map(|text| text.parse().unwrap()).collect();
        let ordered = order("h", &addresses);
        assert_eq!(ordered.len(), 4);
        assert!(ordered.windows(2).all(|pair| pair[0].is_ipv4() != pair[1].is_ipv4()), "{ordered:?}");
    }
}
