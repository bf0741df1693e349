//! Proxies that the environment names: which host goes through which, and the tunnel by `CONNECT`.
//!
//! Variables as curl reads them: the lower-case name precedes the upper-case one. Hosts on loopback are never proxied.

use std::net::IpAddr;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use percent_encoding::percent_decode_str;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::endpoint::Target;
use crate::error::Error;
use crate::page::first_words;

/// Largest head of a proxy's answer in bytes.
const MAX_HEAD: usize = 16 << 10;

/// Proxies by scheme, and the hosts that need none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Proxies {
    https: Option<Proxy>,
    http: Option<Proxy>,
    direct: Vec<Direct>,
}

/// Proxy of a variable.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Proxy {
    pub(crate) host: String,
    pub(crate) port: u16,
    variable: &'static str,
    /// Value of `Proxy-Authorization`.
    credentials: Option<String>,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The credentials are a secret and must not reach a log.
        f.debug_struct("Proxy").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// Entry of `NO_PROXY`.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Direct {
    All,
    /// A domain with the hosts below it, or an address, and its port.
    Host(String, Option<u16>),
    /// Addresses with the same first bits.
    Network(IpAddr, u32),
}

impl Proxies {
    /// Reads the environment.
    pub(crate) fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let first = |names: &[&'static str]| {
            let set = |name: &&'static str| variable(name).filter(|value| !value.trim().is_empty()).map(|v| (*name, v));
            names.iter().find_map(set)
        };
        let proxy = |names: &[&'static str]| first(names).map(|(name, value)| Proxy::parse(name, &value)).transpose();
        let https = proxy(&["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"])?;
        let http = proxy(&["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])?;
        let direct = first(&["no_proxy", "NO_PROXY"]).map(|(_, value)| Direct::list(&value)).unwrap_or_default();
        Ok(Self { https, http, direct })
    }

    /// Proxy on the way to a host; none: it is reached directly.
    pub(crate) fn of(&self, tls: bool, host: &str, port: u16) -> Option<&Proxy> {
        let proxy = if tls { self.https.as_ref() } else { self.http.as_ref() }?;
        let ip: Option<IpAddr> = host.parse().ok();
        let loopback = ip.is_some_and(|ip| ip.is_loopback()) || host == "localhost" || host.ends_with(".localhost");
        let direct = loopback || self.direct.iter().any(|entry| entry.names(host, ip, port));
        (!direct).then_some(proxy)
    }
}

impl Direct {
    fn list(value: &str) -> Vec<Self> {
        value.split([',', ' ']).map(str::trim).filter(|entry| !entry.is_empty()).map(Self::parse).collect()
    }

    fn parse(entry: &str) -> Self {
        if entry == "*" {
            return Self::All;
        }
        if let Some((address, bits)) = entry.split_once('/')
            && let (Ok(address), Ok(bits)) = (address.parse(), bits.parse())
        {
            return Self::Network(address, bits);
        }
        let bare = entry.trim_start_matches('[').replace(']', "");
        let (name, port) = match entry.rsplit_once(':') {
            _ if bare.parse::<IpAddr>().is_ok() => (bare.as_str(), None),
            Some((name, port)) if port.parse::<u16>().is_ok() => (name, port.parse().ok()),
            _ => (entry, None),
        };
        let name = name.trim_start_matches('*').trim_matches(['[', ']', '.']);
        Self::Host(name.to_ascii_lowercase(), port)
    }

    fn names(&self, host: &str, ip: Option<IpAddr>, port: u16) -> bool {
        match self {
            Self::All => true,
            Self::Network(network, bits) => ip.is_some_and(|ip| same_bits(ip, *network, *bits)),
            Self::Host(name, of_port) => {
                let below = || host.strip_suffix(name.as_str()).is_some_and(|rest| rest.ends_with('.'));
                of_port.is_none_or(|of_port| of_port == port) && (host == name || (ip.is_none() && below()))
            }
        }
    }
}

fn same_bits(one: IpAddr, other: IpAddr, bits: u32) -> bool {
    let differ = match (one, other) {
        (IpAddr::V4(one), IpAddr::V4(other)) => u128::from(one.to_bits() ^ other.to_bits()) << 96,
        (IpAddr::V6(one), IpAddr::V6(other)) => one.to_bits() ^ other.to_bits(),
        _ => return false,
    };
    differ.leading_zeros() >= bits
}

impl Proxy {
    fn parse(variable: &'static str, value: &str) -> Result<Self, Error> {
        let bad = |why| Error::BadProxy { variable, why };
        let value = value.trim();
        let (scheme, rest) = value.split_once("://").unwrap_or(("http", value));
        if !scheme.eq_ignore_ascii_case("http") {
            return Err(bad("its scheme is not supported: proxies are spoken to by http:// with CONNECT"));
        }
        let rest = rest.split(['/', '?', '#']).next().unwrap_or_default();
        let (user, authority) = rest.rsplit_once('@').map_or((None, rest), |(user, at)| (Some(user), at));
        let uri = format!("http://{authority}/").parse().map_err(|_| bad("its host or port cannot be read"))?;
        let target =
            Target::of(&uri).ok().filter(|target| !target.host.is_empty()).ok_or_else(|| bad("it has no host"))?;
        let credentials = user.map(|user| {
            let (name, password) = user.split_once(':').unwrap_or((user, ""));
            let mut plain: Vec<u8> = percent_decode_str(name).collect();
            plain.push(b':');
            plain.extend(percent_decode_str(password));
            format!("Basic {}", STANDARD.encode(plain))
        });
        Ok(Self { host: target.host, port: target.port, variable, credentials })
    }

    /// Failure of the proxy on the way to `host`.
    pub(crate) fn failed(&self, host: &str, why: impl Into<String>, transient: bool) -> Error {
        let proxy = format!("{}:{}", self.host, self.port);
        Error::Proxy { proxy, variable: self.variable, host: host.to_owned(), why: why.into(), transient }
    }

    /// Opens a tunnel to a host on a connection to the proxy.
    pub(crate) async fn tunnel<S>(&self, stream: &mut S, host: &str, port: u16) -> Result<(), Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let to = if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") };
        let credentials =
            self.credentials.as_ref().map(|value| format!("Proxy-Authorization: {value}\r\n")).unwrap_or_default();
        let request = format!("CONNECT {to} HTTP/1.1\r\nHost: {to}\r\n{credentials}\r\n");
        let broken = |e: std::io::Error| self.failed(&to, e.to_string(), true);
        stream.write_all(request.as_bytes()).await.map_err(broken)?;
        stream.flush().await.map_err(broken)?;
        let mut head = Vec::new();
        // Byte by byte: what follows the head belongs to the tunnel.
        while !head.ends_with(b"\r\n\r\n") {
            let byte = stream.read_u8().await.map_err(broken)?;
            head.push(byte);
            if head.len() > MAX_HEAD {
                return Err(self.failed(&to, "its answer has no end", false));
            }
        }
        match status(&head) {
            Some(200..=299) => Ok(()),
            Some(407) if self.credentials.is_some() => Err(self.failed(&to, "it refuses the user or password", false)),
            Some(407) => Err(self.failed(&to, "it asks for a user and password", false)),
            Some(status) => Err(self.failed(&to, format!("it answers {status}"), matches!(status, 429 | 500..=599))),
            None => Err(self.failed(&to, format!("it is no HTTP proxy: {}", first_words(&head)), false)),
        }
    }
}

/// Status of an answer's first line.
fn status(head: &[u8]) -> Option<u16> {
    let line = std::str::from_utf8(head).ok()?.lines().next()?;
    let mut words = line.split(' ');
    words.next().filter(|version| version.starts_with("HTTP/1."))?;
    words.next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn proxies(variables: &[(&str, &str)]) -> Result<Proxies, Error> {
        Proxies::from_variables(|name| {
            variables.iter().find(|(of, _)| *of == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn proxy_is_chosen_by_scheme_and_lower_case_name_first() {
        let all = proxies(&[("HTTPS_PROXY", "http://up:1"), ("https_proxy", "low:2"), ("ALL_PROXY", "all:3")]).unwrap();
        let port = |tls| all.of(tls, "results.example", 443).map(|proxy| proxy.port);
        assert_eq!((port(true), port(false)), (Some(2), Some(3)));
        assert_eq!(proxies(&[("HTTP_PROXY", "h")]).unwrap().of(true, "results.example", 443), None);
        assert_eq!(proxies(&[("https_proxy", " ")]).unwrap(), Proxies::default(), "empty is as good as unset");
    }

    #[test]
    fn loopback_and_hosts_of_no_proxy_are_reached_directly() {
        let list = "corp.example,.dotted.example *.star.example,only.example:8443,10.0.0.0/8,192.0.2.7,fd00::/8,[::2]";
        let all = proxies(&[("https_proxy", "proxy:1"), ("no_proxy", list)]).unwrap();
        let direct = |host: &str, port| all.of(true, host, port).is_none();
        for host in [
            "localhost",
            "a.localhost",
            "127.0.0.9",
            "::1",
            "corp.example",
            "a.corp.example",
            "dotted.example",
            "b.dotted.example",
            "c.star.example",
            "10.200.0.1",
            "192.0.2.7",
            "fd12::1",
            "::2",
        ] {
            assert!(direct(host, 443), "{host}");
        }
        for host in ["notcorp.example", "corp.example.net", "11.0.0.1", "192.0.2.70", "fe80::1", "only.example"] {
            assert!(!direct(host, 443), "{host}");
        }
        assert!(direct("only.example", 8443));
        let none = proxies(&[("https_proxy", "proxy:1"), ("NO_PROXY", "*")]).unwrap();
        assert_eq!(none.of(true, "results.example", 443), None);
    }

    #[test]
    fn credentials_are_decoded_and_never_shown() {
        let proxy = Proxy::parse("HTTPS_PROXY", "http://user:p%40ss@proxy.example:3128/").unwrap();
        assert_eq!((proxy.host.as_str(), proxy.port), ("proxy.example", 3128));
        assert_eq!(proxy.credentials.as_deref(), Some("Basic dXNlcjpwQHNz"));
        let shown = format!("{proxy:?} {}", proxy.failed("h:1", "why", true));
        assert!(!shown.contains("p@ss") && !shown.contains("p%40ss") && !shown.contains("dXNlcj"), "{shown}");
        for bad in ["socks5://user:secret@h:1", "https://user:secret@h:1", "http://user:secret@:x", "user:secret@"] {
            let error = Proxy::parse("ALL_PROXY", bad).unwrap_err().to_string();
            assert!(error.contains("ALL_PROXY") && !error.contains("secret"), "{error}");
        }
    }

    proptest! {
        #[test]
        fn parsing_any_value_or_list_never_panics(value in "\\PC{0,40}") {
            let _ = Proxy::parse("ALL_PROXY", &value);
            for entry in Direct::list(&value) {
                let _ = entry.names("h.example", "10.0.0.1".parse().ok(), 1);
            }
            let _ = status(value.as_bytes());
        }
    }
}
