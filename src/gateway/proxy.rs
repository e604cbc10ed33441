//! The proxy that an account connects through. A user names it, so it may be no way to what only this
//! server reaches: its name is resolved and checked, at first and each time that it is connected to.

use std::net::SocketAddr;

use reqwest::{ClientBuilder, Proxy, Url};

use crate::egress::{Egress, Refusal};
use crate::gateway::ConnectError;

/// The proxy's URL and host.
fn read(proxy: &str) -> Option<(Url, String)> {
    // What a URL's reader would leave out stands in none.
    let url = Url::parse(proxy).ok().filter(|_| !proxy.contains(char::is_control))?;
    let is_known = matches!(url.scheme(), "http" | "https" | "socks5" | "socks5h");
    let host = url.host_str().filter(|host| is_known && !host.is_empty())?.to_owned();
    Proxy::all(url.clone()).ok()?;
    Some((url, host))
}

/// Checks what the URL itself says; a sentence if it can't work.
pub(super) fn check(proxy: &str, egress: Egress) -> Result<(), &'static str> {
    let (_, host) = read(proxy).ok_or("must be the URL of an http, https, socks5 or socks5h proxy")?;
    egress.check(&host).map_err(|_| "must not be at an address of this machine or of a private network")
}

/// The same for a browser, which can't be given a name and a password for it.
pub(super) fn check_bare(proxy: &str, egress: Egress) -> Result<(), &'static str> {
    check(proxy, egress)?;
    let (url, _) = read(proxy).ok_or("must be the URL of a proxy")?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(())
    } else {
        Err("must have no name and password: a browser can't be given them")
    }
}

/// What Chromium is started with so that it connects through a proxy.
#[cfg(target_os = "linux")]
#[derive(Default)]
pub(super) struct Through {
    pub(super) arguments: Vec<String>,
    /// Where the proxy is, by the address that was checked.
    pub(super) rule: Option<String>,
}

/// The same, for an account's proxy if it has one.
#[cfg(target_os = "linux")]
pub(super) async fn for_browser(proxy: Option<&str>, egress: Egress) -> Result<Through, ConnectError> {
    let Some(proxy) = proxy else { return Ok(Through::default()) };
    let (url, host, found) = look_up(proxy, egress).await?;
    // Chromium has the messenger's name resolved by the proxy in either case.
    let scheme = if url.scheme() == "socks5h" { "socks5" } else { url.scheme() };
    let port = url.port_or_known_default().unwrap_or(1080);
    let arguments = [format!("--proxy-server={scheme}://{host}:{port}"), "--proxy-bypass-list=<-loopback>".to_owned()];
    let is_name = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_err();
    let rule = found.first().filter(|_| is_name).map(|found| match found.ip() {
        std::net::IpAddr::V4(address) => format!("MAP {host} {address}"),
        std::net::IpAddr::V6(address) => format!("MAP {host} [{address}]"),
    });
    Ok(Through { arguments: arguments.into(), rule })
}

/// The client, connecting through the proxy and to nothing else. `messenger` is the URL it will ask for.
pub(super) async fn through(
    client: ClientBuilder,
    proxy: &str,
    egress: Egress,
    messenger: &str,
) -> Result<ClientBuilder, ConnectError> {
    let (url, host, _) = look_up(proxy, egress).await?;
    // With socks5 the messenger's own name is resolved here as well, to be told to the proxy.
    let messenger = Url::parse(messenger).ok().and_then(|url| url.host_str().map(str::to_owned));
    let trusted = messenger.filter(|messenger| *messenger != host);
    let through = Proxy::all(url).map_err(|error| ConnectError::Later(error.without_url().into()))?;
    Ok(client.proxy(through).dns_resolver(egress.resolver(trusted)))
}

/// The proxy's URL, host and addresses, if it may be connected to.
async fn look_up(proxy: &str, egress: Egress) -> Result<(Url, String, Vec<SocketAddr>), ConnectError> {
    let failed = |code, reason: &str| ConnectError::Failed { code, reason: reason.to_owned() };
    let (url, host) = read(proxy).ok_or_else(|| failed("bad_proxy", "the account's proxy is not a proxy's URL"))?;
    match egress.resolve(&host, 0).await {
        Ok(found) => Ok((url, host, found)),
        Err(Refusal::Private(_)) => {
            let reason = "the account's proxy is at an address of this machine or of a private network";
            Err(failed("private_proxy", reason))
        }
        Err(Refusal::Unknown(error)) => {
            Err(ConnectError::Later(anyhow::Error::new(error).context("the proxy's name can't be resolved")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_of_a_kind_that_is_spoken_and_has_a_host() {
        for good in [
            "http://proxy.example.org:3128",
            "https://user:secret@proxy.example.org",
            "socks5://1.1.1.1:1080",
            "socks5h://[2606:4700:4700::1111]:1080",
        ] {
            assert_eq!(check(good, Egress::new(false)), Ok(()), "{good}");
        }
        for bad in [
            "",
            "my proxy",
            "proxy.example.org:3128",
            "ftp://a.b",
            "socks4://a.b",
            "socks5://",
            "http:///",
            "socks5:a.b",
        ] {
            assert!(check(bad, Egress::new(true)).is_err(), "{bad}");
        }
    }

    #[test]
    fn a_private_address_is_seen_however_it_is_written() {
        for private in [
            "http://localhost:3128",
            "http://127.1",
            "http://2130706433:80",
            "http://0x7f.0.0.1",
            "http://0177.0.0.1",
            "https://user@10.0.0.1",
            "http://1.1.1.1@192.168.0.1",
            "socks5://169.254.169.254",
            "socks5h://LOCALHOST",
            "socks5://[::1]:1080",
            "http://[::ffff:10.0.0.1]",
            "http://[64:ff9b::7f00:1]",
        ] {
            assert!(check(private, Egress::new(false)).is_err(), "{private}");
            assert_eq!(check(private, Egress::new(true)), Ok(()), "{private}");
        }
    }
}
