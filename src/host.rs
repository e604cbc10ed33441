//! Names of hosts, as `Host` and `Origin` have them. Pure.

use std::net::IpAddr;

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

#[cfg(test)]
mod tests {
    use super::*;

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
