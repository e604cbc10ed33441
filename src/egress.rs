//! To which addresses this server connects on somebody's behalf: an account's proxy, an address that
//! a request names. Only here it is decided.
//!
//! What a user writes may be no way into the operator's own network: an address that is not of the
//! public internet is refused, and a name is resolved here, so that what is connected to is what was
//! checked. An operator who wants such addresses reached says so in the settings.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use ipnet::{Ipv4Net, Ipv6Net};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

const fn v4(a: u8, b: u8, c: u8, length: u8) -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, 0), length)
}

const fn v6(a: u16, b: u16, length: u8) -> Ipv6Net {
    Ipv6Net::new_assert(Ipv6Addr::new(a, b, 0, 0, 0, 0, 0, 0), length)
}

/// What is not of the public internet: the IANA IPv4 Special-Purpose Address Registry (RFC 6890),
/// blocks as a whole, and multicast (RFC 5771).
const SPECIAL_V4: &[Ipv4Net] = &[
    v4(0, 0, 0, 8),       // this network
    v4(10, 0, 0, 8),      // private use
    v4(100, 64, 0, 10),   // shared: carrier-grade NAT
    v4(127, 0, 0, 8),     // loopback
    v4(169, 254, 0, 16),  // link-local; clouds' metadata
    v4(172, 16, 0, 12),   // private use
    v4(192, 0, 0, 24),    // protocol assignments
    v4(192, 0, 2, 24),    // documentation
    v4(192, 88, 99, 24),  // 6to4 relays, deprecated
    v4(192, 168, 0, 16),  // private use
    v4(198, 18, 0, 15),   // benchmarking
    v4(198, 51, 100, 24), // documentation
    v4(203, 0, 113, 24),  // documentation
    v4(224, 0, 0, 4),     // multicast
    v4(240, 0, 0, 4),     // reserved, and broadcast
];
/// The one block of which global unicast addresses are given out (IANA IPv6 Global Unicast Address
/// Space): what is outside is not public …
const UNICAST_V6: Ipv6Net = v6(0x2000, 0, 3);
/// … and what inside is not either (IANA IPv6 Special-Purpose Address Registry).
const SPECIAL_V6: &[Ipv6Net] = &[
    v6(0x2001, 0, 23),     // protocol assignments; Teredo
    v6(0x2001, 0xdb8, 32), // documentation
    v6(0x2002, 0, 16),     // 6to4: any IPv4 address may be inside
    v6(0x3fff, 0, 20),     // documentation
];
/// Where networks without IPv4 find it (NAT64, RFC 6052): the last 32 bits are the address.
const NAT64: Ipv6Net = v6(0x64, 0xff9b, 96);

/// Whether the address is one of the public internet.
#[must_use]
pub fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => !SPECIAL_V4.iter().any(|block| block.contains(&address)),
        IpAddr::V6(address) if NAT64.contains(&address) => {
            let [.., a, b, c, d] = address.octets();
            is_public(Ipv4Addr::new(a, b, c, d).into())
        }
        IpAddr::V6(address) => {
            UNICAST_V6.contains(&address) && !SPECIAL_V6.iter().any(|block| block.contains(&address))
        }
    }
}

/// Why a host is not connected to.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// It is, or its name leads to, an address that is not of the public internet.
    #[error("{0} is not an address of the public internet")]
    Private(String),
    /// The name can't be resolved now.
    #[error("the name can't be resolved: {0}")]
    Unknown(#[from] io::Error),
}

/// What may be connected to.
#[derive(Debug, Clone, Copy)]
pub struct Egress {
    allows_private: bool,
}

impl Egress {
    /// With `allows_private` anything, otherwise the public internet.
    #[must_use]
    pub fn new(allows_private: bool) -> Self {
        Self { allows_private }
    }

    /// Refuses a host that needs no resolving to be known as private. IPv6 with or without brackets.
    pub fn check(self, host: &str) -> Result<(), Refusal> {
        let name = host.trim_end_matches('.').to_ascii_lowercase();
        // RFC 6761: these names are loopback, whoever is asked.
        let is_local = name == "localhost" || name.ends_with(".localhost");
        let is_private = is_local || literal(host).is_some_and(|address| !is_public(address));
        if is_private && !self.allows_private { Err(Refusal::Private(host.to_owned())) } else { Ok(()) }
    }

    /// The addresses of a host, all of which may be connected to.
    pub async fn resolve(self, host: &str, port: u16) -> Result<Vec<SocketAddr>, Refusal> {
        self.check(host)?;
        if let Some(address) = literal(host) {
            return Ok(vec![(address, port).into()]);
        }
        let found: Vec<SocketAddr> = tokio::net::lookup_host((host, port)).await?.collect();
        match found.iter().find(|found| !is_public(found.ip())) {
            Some(_) if !self.allows_private => Err(Refusal::Private(host.to_owned())),
            _ => Ok(found),
        }
    }

    /// Resolves an HTTP client's names, each time that it connects. The operator's own choice of a
    /// host, `trusted`, is not checked.
    #[must_use]
    pub fn resolver(self, trusted: Option<String>) -> Arc<dyn Resolve> {
        Arc::new(Resolver { egress: self, trusted })
    }
}

/// An address that is written as one.
fn literal(host: &str) -> Option<IpAddr> {
    host.trim_start_matches('[').trim_end_matches(']').parse().ok()
}

struct Resolver {
    egress: Egress,
    trusted: Option<String>,
}

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let is_trusted = self.trusted.as_deref().is_some_and(|host| host.eq_ignore_ascii_case(name.as_str()));
        let egress = if is_trusted { Egress::new(true) } else { self.egress };
        Box::pin(async move {
            // Port 0 becomes that of the URL.
            let found = egress.resolve(name.as_str(), 0).await?;
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_of_the_public_internet_is_known_however_it_is_written() {
        for private in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::127.0.0.1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "64:ff9b::a00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:20::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            assert!(!is_public(private.parse().unwrap()), "{private}");
        }
    }

    #[test]
    fn what_is_of_the_public_internet_may_be_reached() {
        for public in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.1",
            "100.63.255.255",
            "100.128.0.1",
            "149.154.167.220",
            "172.15.0.1",
            "172.32.0.1",
            "192.0.1.1",
            "198.17.0.1",
            "198.20.0.1",
            "223.255.255.255",
            "::ffff:1.1.1.1",
            "64:ff9b::1.1.1.1",
            "2001:200::1",
            "2001:67c:4e8:f004::9",
            "2606:4700:4700::1111",
            "2a00:1450:4001::1",
        ] {
            assert!(is_public(public.parse().unwrap()), "{public}");
        }
    }

    #[test]
    fn a_host_that_says_that_it_is_private_is_refused_unless_that_is_allowed() {
        for host in ["localhost", "LOCALHOST.", "db.localhost", "127.0.0.1", "[::1]", "::1", "[::ffff:10.0.0.1]"] {
            assert!(matches!(Egress::new(false).check(host), Err(Refusal::Private(_))), "{host}");
            assert!(Egress::new(true).check(host).is_ok(), "{host}");
        }
        for host in ["proxy.example.org", "1.1.1.1", "[2606:4700:4700::1111]", "localhost.example.org"] {
            assert!(Egress::new(false).check(host).is_ok(), "{host}");
        }
    }

    #[tokio::test]
    async fn a_name_is_refused_for_where_it_leads() {
        // The resolver of the system reads this as 127.0.0.1; it is no address as we read them.
        for host in ["127.1", "localhost"] {
            assert!(matches!(Egress::new(false).resolve(host, 80).await, Err(Refusal::Private(_))), "{host}");
            let found = Egress::new(true).resolve(host, 80).await.unwrap();
            assert!(found.iter().all(|found| found.ip().is_loopback() && found.port() == 80), "{found:?}");
        }
        let public = Egress::new(false).resolve("[2606:4700:4700::1111]", 443).await.unwrap();
        assert_eq!(public[0].to_string(), "[2606:4700:4700::1111]:443");
    }

    #[tokio::test]
    async fn a_client_s_names_are_checked_but_for_the_one_that_is_trusted() {
        let resolver = Egress::new(false).resolver(Some("localhost".to_owned()));
        assert!(resolver.resolve("localhost".parse().unwrap()).await.is_ok());
        assert!(resolver.resolve("127.1".parse().unwrap()).await.is_err());
    }
}
