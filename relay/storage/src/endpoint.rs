//! Address of the services, and resolution of their host names.

use std::net::{IpAddr, Ipv4Addr};

use http::Uri;

use crate::error::{Error, without_query};

/// Suffix of the host names of GitHub's blob stores.
const BLOB_SUFFIX: &str = ".blob.core.windows.net";

/// Address of the services and token of the job, as GitHub passes them to actions.
#[derive(Clone)]
pub struct ServiceEndpoint {
    /// `ACTIONS_RESULTS_URL`. Only scheme, host and port are used, as by GitHub's clients.
    pub results_url: String,
    /// `ACTIONS_RUNTIME_TOKEN`.
    pub token: String,
}

impl std::fmt::Debug for ServiceEndpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // The token is a secret and must not reach a log.
        f.debug_struct("ServiceEndpoint").field("results_url", &self.results_url).finish_non_exhaustive()
    }
}

impl ServiceEndpoint {
    /// Reads `ACTIONS_RESULTS_URL` and `ACTIONS_RUNTIME_TOKEN`.
    ///
    /// # Errors
    /// [`Error::MissingVariable`] with all variables that are unset or empty, [`Error::BadVariable`] for a value with a line
    /// break or a blank.
    pub fn from_env() -> Result<Self, Error> {
        Self::from_variables(|name| std::env::var(name).ok())
    }

    fn from_variables(variable: impl Fn(&str) -> Option<String>) -> Result<Self, Error> {
        let names = ["ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN"];
        match names.map(|name| variable(name).filter(|value| !value.is_empty())) {
            [Some(results_url), Some(token)] => {
                for (name, value) in [(names[0], &results_url), (names[1], &token)] {
                    if let Some(what) = invalid_character(value) {
                        return Err(Error::BadVariable { name, what });
                    }
                }
                Ok(Self { results_url, token })
            }
            values => {
                let missing: Vec<_> =
                    names.iter().zip(&values).filter(|(_, value)| value.is_none()).map(|(name, _)| *name).collect();
                Err(Error::MissingVariable(missing.join(", ")))
            }
        }
    }
}

/// First character of a value that neither a URL nor a token can have.
fn invalid_character(value: &str) -> Option<&'static str> {
    value.chars().find_map(|c| match c {
        '\n' | '\r' => Some("line break"),
        c if c.is_whitespace() => Some("blank"),
        c if c.is_control() => Some("control character"),
        _ => None,
    })
}

/// Resolution of host names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resolve {
    /// IP address of a local service, to which all blob hosts resolve. Every other host is refused, so that no request
    /// leaves the machine by mistake. `None` leaves names to the system's resolver.
    pinned: Option<IpAddr>,
}

impl Resolve {
    pub(crate) fn of(service: &Target) -> Self {
        Self { pinned: service.ip() }
    }

    /// Host and port to connect to: an IP address, or a name for the system's resolver.
    pub(crate) fn address(self, target: &Target) -> Result<(String, u16), Error> {
        let Some(ip) = self.pinned else { return Ok((target.host.clone(), target.port)) };
        if target.ip().map_or(target.host.ends_with(BLOB_SUFFIX), |literal| literal == ip) {
            return Ok((ip.to_string(), target.port));
        }
        let why = format!("the service is at {ip}: only that address and *{BLOB_SUFFIX} (mapped to it) are allowed");
        Err(Error::BadUrl { url: target.authority(), why })
    }
}

/// Protocol, name and port of a host.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Target {
    pub(crate) tls: bool,
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Target {
    /// Parses the target of an absolute URL.
    pub(crate) fn of(uri: &Uri) -> Result<Self, Error> {
        let bad = |why: &str| Error::BadUrl { url: without_query(&uri.to_string()), why: why.to_owned() };
        let tls = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => return Err(bad("it must begin with https:// or http://")),
        };
        let host = uri.host().ok_or_else(|| bad("it has no host"))?;
        let host = host.trim_start_matches('[').trim_end_matches(']').to_ascii_lowercase();
        Ok(Self { tls, host, port: uri.port_u16().unwrap_or(default_port(tls)) })
    }

    /// Value of the header `Host`, without the default port of the scheme.
    pub(crate) fn host_header(&self) -> String {
        let mut authority = self.authority();
        if self.port == default_port(self.tls) {
            authority.truncate(authority.rfind(':').unwrap_or(authority.len()));
        }
        authority
    }

    pub(crate) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }

    /// Scheme and authority, for example `http://127.0.0.1:80`.
    pub(crate) fn origin(&self) -> String {
        format!("{}://{}", if self.tls { "https" } else { "http" }, self.authority())
    }

    fn ip(&self) -> Option<IpAddr> {
        match self.host.as_str() {
            "localhost" => Some(IpAddr::V4(Ipv4Addr::LOCALHOST)),
            host => host.parse().ok(),
        }
    }
}

fn default_port(tls: bool) -> u16 {
    if tls { 443 } else { 80 }
}

/// Parses a URL.
pub(crate) fn parse(url: &str) -> Result<Uri, Error> {
    url.parse().map_err(|e: http::uri::InvalidUri| Error::BadUrl { url: without_query(url), why: e.to_string() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(url: &str) -> Target {
        Target::of(&parse(url).unwrap()).unwrap()
    }

    #[test]
    fn all_missing_variables_are_named() {
        let error_text = |set: &'static str| {
            ServiceEndpoint::from_variables(move |name| (name == set).then(|| "x".to_owned())).unwrap_err().to_string()
        };
        assert!(error_text("").contains("ACTIONS_RESULTS_URL, ACTIONS_RUNTIME_TOKEN"));
        assert!(!error_text("ACTIONS_RESULTS_URL").contains("RESULTS_URL"));
        assert!(ServiceEndpoint::from_variables(|_| Some(String::new())).is_err(), "empty is as good as unset");
    }

    #[test]
    fn line_break_in_a_token_or_url_is_reported_with_its_variable() {
        let error = |url: &'static str, token: &'static str| {
            let value = move |name: &str| Some(if name.ends_with("URL") { url } else { token }.to_owned());
            ServiceEndpoint::from_variables(value).unwrap_err().to_string()
        };
        let error_text = error("http://h/", "secret\n");
        assert!(
            error_text.starts_with("ACTIONS_RUNTIME_TOKEN has a line break") && !error_text.contains("secret"),
            "{error_text}"
        );
        assert!(error("http://h/\r\n", "t").starts_with("ACTIONS_RESULTS_URL has a line break"));
        assert!(error(" http://h/", "t").contains("has a blank"));
    }

    #[test]
    fn debug_output_hides_the_token() {
        let endpoint = ServiceEndpoint { results_url: "http://127.0.0.1/".into(), token: "secret".into() };
        assert!(!format!("{endpoint:?}").contains("secret"));
    }

    #[test]
    fn local_service_resolves_blob_hosts_to_itself_and_refuses_others() {
        let resolve = Resolve::of(&target("http://localhost:9/x"));
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        assert_eq!(resolve, Resolve { pinned: Some(local) });
        let blob = resolve.address(&target("http://acct1.blob.core.windows.net:7/c/b?sig=1")).unwrap();
        assert_eq!(blob, (local.to_string(), 7));
        for other in ["http://example.com/", "http://192.0.2.1/", "http://blob.core.windows.net.example.com/"] {
            assert!(resolve.address(&target(other)).is_err(), "{other}");
        }
        let system = Resolve::of(&target("http://results.example.com/"));
        assert_eq!(system.address(&target("http://example.com:8/")).unwrap(), ("example.com".to_owned(), 8));
    }

    #[test]
    fn target_is_parsed_and_errors_hide_the_signature() {
        let error_text = Target::of(&parse("ftp://h/p?sig=secret").unwrap()).unwrap_err().to_string();
        assert!(error_text.contains("https://") && !error_text.contains("secret"), "{error_text}");
        assert!(Target::of(&parse("/relative").unwrap()).is_err());
        assert_eq!(target("http://[::1]:8/").authority(), "[::1]:8");
        let blob = target("https://Acct.blob.core.windows.net/c/b?sig=1");
        assert_eq!((blob.port, blob.origin().as_str()), (443, "https://acct.blob.core.windows.net:443"));
        for (url, header) in [
            ("https://h/", "h"),
            ("https://h:443/", "h"),
            ("https://h:80/", "h:80"),
            ("http://h/", "h"),
            ("http://h:8/", "h:8"),
            ("https://[::1]/", "[::1]"),
        ] {
            assert_eq!(target(url).host_header(), header, "{url}");
        }
    }
}
