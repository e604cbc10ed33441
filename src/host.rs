//! Names of hosts, as `Host` and `Origin` have them, and whose an address is. Pure.

use std::net::{IpAddr, Ipv6Addr};

/// The name of `name:port`.
#[must_use]
pub fn name_of(host: &str) -> Option<&str> {
    match host.strip_prefix('[') {
        Some(rest) => rest.split_once(']').map(|(name, _)| name),
        None => host.split(':').next(),
    }
}

/// Whether `name` or `name:port` is this machine as it calls itself.
#[must_use]
pub fn is_loopback(host: &str) -> bool {
    let Some(name) = name_of(host) else { return false };
    name.eq_ignore_ascii_case("localhost") || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// Whom limits count an address to: an IPv6 one to its /64, of which each customer has a whole (RFC
/// 6177), and an IPv4 one, also written as IPv6, to itself.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_go_by_the_network_of_an_ipv6_address_and_by_an_ipv4_address_itself() {
        for (address, whose) in [
            ("203.0.113.7", "203.0.113.7"),
            ("::ffff:203.0.113.7", "203.0.113.7"),
            ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::"),
            ("2001:db8:1:2::1", "2001:db8:1:2::"),
            ("2001:db8:1:3::1", "2001:db8:1:3::"),
        ] {
            assert_eq!(network(address.parse().unwrap()).to_string(), whose, "{address}");
        }
    }

    #[test]
    fn loopback_is_what_this_machine_calls_itself() {
        for host in ["localhost", "LocalHost:3000", "127.0.0.1", "127.1.2.3:80", "[::1]", "[::1]:3000"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in [
            "",
            "localhost.example.org",
            "127.0.0.1.example.org",
            "10.0.0.1:3000",
            "[::2]:3000",
            "evil@localhost",
            "[::1",
        ] {
            assert!(!is_loopback(host), "{host}");
        }
    }
}
