//! The machine's own network addresses.

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Most addresses that are advertised to a browser; each costs it connectivity checks.
const ADDRESSES_MAX: usize = 8;

/// Where a server that listens on `ip` can be reached, in order of preference: never empty.
pub(super) fn reachable_at(ip: IpAddr) -> Vec<IpAddr> {
    if !ip.is_unspecified() {
        return vec![ip];
    }
    let found = of_interfaces().into_iter();
    let mut found = by_turns(found.filter(|found| ip.is_ipv6() || found.is_ipv4()));
    found.truncate(ADDRESSES_MAX);
    if found.is_empty() {
        found.push(IpAddr::V4(Ipv4Addr::LOCALHOST));
    }
    found
}

/// Each once, IPv6 and IPv4 by turns from IPv6 on, so that a family that does not carry costs a
/// browser one check before it tries the other (RFC 8421 section 4).
fn by_turns(addresses: impl Iterator<Item = IpAddr>) -> Vec<IpAddr> {
    let addresses: BTreeSet<IpAddr> = addresses.collect();
    let (v6, v4): (Vec<IpAddr>, Vec<IpAddr>) = addresses.into_iter().partition(IpAddr::is_ipv6);
    let places = 0..v6.len().max(v4.len());
    let turns = places.flat_map(|place| [v6.get(place), v4.get(place)]);
    turns.flatten().copied().collect()
}

/// Addresses of interfaces that are up, loopback and link-local ones left out.
pub fn of_interfaces() -> Vec<IpAddr> {
    let mut list: *mut libc::ifaddrs = std::ptr::null_mut();
    // SAFETY: the call writes a list that is freed below, or fails and writes nothing.
    if unsafe { libc::getifaddrs(&raw mut list) } != 0 {
        return Vec::new();
    }
    let mut found = Vec::new();
    let mut next = list;
    // SAFETY: every node stays valid until the list is freed.
    while let Some(node) = unsafe { next.as_ref() } {
        // SAFETY: the address of a node is null or of the length that its family says.
        if let Some(ip) = unsafe { ip_of(node.ifa_addr) }
            && is_advertised(ip)
        {
            found.push(ip);
        }
        next = node.ifa_next;
    }
    // SAFETY: it came from getifaddrs, and nothing refers to it any more.
    unsafe { libc::freeifaddrs(list) };
    found
}

/// # Safety
/// `address` is null or points to a socket address of the length that its family says.
unsafe fn ip_of(address: *const libc::sockaddr) -> Option<IpAddr> {
    // SAFETY: as promised by the caller.
    let family = i32::from(unsafe { address.as_ref() }?.sa_family);
    if family == libc::AF_INET {
        // SAFETY: the family says so.
        let address = unsafe { address.cast::<libc::sockaddr_in>().read_unaligned() };
        return Some(Ipv4Addr::from(u32::from_be(address.sin_addr.s_addr)).into());
    }
    if family == libc::AF_INET6 {
        // SAFETY: the family says so.
        let address = unsafe { address.cast::<libc::sockaddr_in6>().read_unaligned() };
        return Some(Ipv6Addr::from(address.sin6_addr.s6_addr).into());
    }
    None
}

fn is_advertised(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => !ip.is_loopback() && !ip.is_link_local(),
        IpAddr::V6(ip) => !ip.is_loopback() && !ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_is_reachable_where_it_listens() {
        let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(reachable_at(loopback), [loopback]);
        let everywhere = reachable_at(IpAddr::V4(Ipv4Addr::UNSPECIFIED));
        assert!(!everywhere.is_empty() && everywhere.iter().all(IpAddr::is_ipv4));
    }

    #[test]
    fn families_take_turns_and_ipv6_begins() {
        let ordered = |addresses: &[&str]| -> Vec<String> {
            let parsed = addresses.iter().map(|address| address.parse().unwrap());
            let ordered = by_turns(parsed);
            ordered.iter().map(IpAddr::to_string).collect()
        };
        let mixed = [
            "10.0.0.2",
            "2001:db8::2",
            "10.0.0.1",
            "2001:db8::1",
            "10.0.0.3",
        ];
        let turns = [
            "2001:db8::1",
            "10.0.0.1",
            "2001:db8::2",
            "10.0.0.2",
            "10.0.0.3",
        ];
        assert_eq!(ordered(&mixed), turns);
        assert_eq!(ordered(&["10.0.0.1", "10.0.0.1"]), ["10.0.0.1"]);
    }
}
