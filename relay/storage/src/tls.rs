//! TLS connections to GitHub's services.
//!
//! Trusted authorities are those that browsers trust, which are built in for containers without certificates. A PEM file named
//! by `SSL_CERT_FILE` adds others, for example of an intercepting proxy.

use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::endpoint::Target;
use crate::error::Error;

/// TLS configuration, read at the first connection. Connections share sessions.
#[derive(Default)]
pub(crate) struct Tls(OnceLock<TlsConnector>);

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tls")
    }
}

impl Tls {
    /// Verifies the server of a connection and encrypts it.
    pub(crate) async fn connect<S>(&self, target: &Target, tcp: S) -> Result<TlsStream<S>, Error>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let host = || target.authority();
        let name = ServerName::try_from(target.host.clone());
        let name = name.map_err(|e| Error::BadUrl { url: host(), why: e.to_string() })?;
        let connector = if let Some(connector) = self.0.get() {
            connector
        } else {
            let new = connector(std::env::var_os("SSL_CERT_FILE").map(PathBuf::from))?;
            self.0.get_or_init(|| new)
        };
        connector.connect(name, tcp).await.map_err(|e| {
            let refused = e.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
            match refused {
                Some(rustls::Error::InvalidCertificate(why)) => {
                    Error::NotTrusted { host: host(), why: format!("its certificate is refused: {why}") }
                }
                // The server does not speak TLS: a retry changes nothing.
                Some(rustls::Error::InvalidMessage(_)) => Error::BadUrl {
                    url: target.origin(),
                    why: "the server does not speak TLS: use http:// for a service without it".to_owned(),
                },
                _ => Error::Broken { url: host(), why: e.to_string() },
            }
        })
    }
}

fn connector(more: Option<PathBuf>) -> Result<TlsConnector, Error> {
    let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
    if let Some(path) = more.filter(|path| !path.as_os_str().is_empty()) {
        let bad = |why: String| Error::BadRoots { path: path.clone(), why };
        let found = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let (added, _) = roots.add_parsable_certificates(found.map_err(|e| bad(e.to_string()))?);
        if added == 0 {
            return Err(bad("it has no certificate".to_owned()));
        }
    }
    // Named explicitly, because a process with several providers has no default.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let config = config.map_err(|e| Error::NotTrusted { host: "TLS".to_owned(), why: e.to_string() })?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(TlsConnector::from(Arc::new(config)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unusable_certificate_file_is_named() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let error = |path: PathBuf| connector(Some(path)).err().unwrap().to_string();
        let empty = error(file.path().to_owned());
        assert!(empty.contains("SSL_CERT_FILE") && empty.contains("no certificate"), "{empty}");
        let missing = error("/no/such.pem".into());
        assert!(missing.contains("/no/such.pem"), "{missing}");
        assert!(connector(None).is_ok() && connector(Some(PathBuf::new())).is_ok(), "unset or empty");
    }
}
