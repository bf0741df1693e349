//! TLS, with certificates of a test authority.

use std::path::Path;
use std::process::{Output, Stdio};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::TlsAcceptor;

use crate::pipe::{command, report};
use crate::support::proxy::{Fault, Front};
use crate::support::{Lab, noise};

/// An authority, its certificate in a file.
pub struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub fn new(file: &Path) -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        std::fs::write(file, issuer.pem()).unwrap();
        Self(issuer)
    }

    /// A server that proves to be those names.
    pub fn front(&self, names: &[&str]) -> Front {
        let key = KeyPair::generate().unwrap();
        let names: Vec<String> = names.iter().map(|&n| n.to_owned()).collect();
        let certificate = CertificateParams::new(names).unwrap().signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let chain = vec![CertificateDer::from_pem_slice(certificate.pem().as_bytes()).unwrap()];
        let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
        let config = rustls::ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_no_client_auth().with_single_cert(chain, key).unwrap();
        Front { scheme: "https", tls: Some(TlsAcceptor::from(Arc::new(config))) }
    }
}

async fn ended(lab: &Lab, args: &[&str], report: &Path, roots: &Path, data: Vec<u8>) -> Output {
    let mut command = command(lab, args, report);
    command.env("SSL_CERT_FILE", roots).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let work = move || {
        // One that fails early does not read it.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &data);
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn stream_round_trips_through_tls() {
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("ca.pem");
    let front = Authority::new(&roots).front(&["127.0.0.1", "*.blob.core.windows.net"]);
    let lab = Lab::behind(front, |_| Fault::Pass).await;
    let (data, report_path) = (noise(20 << 20), dir.path().join("report"));
    assert!(ended(&lab, &["upload", "n"], &report_path, &roots, data.clone()).await.status.success());
    let up = report(&report_path);
    assert_eq!((up.bytes, up.blocks, up.error.as_deref(), up.traffic.retries), (20 << 20, Some(3), None, 0));
    for ranges in ["1", "3"] {
        let output = ended(&lab, &["download", "n", ranges], &report_path, &roots, Vec::new()).await;
        assert!(output.status.success() && output.stdout == data);
    }
    let hosts: Vec<String> =
        lab.proxy.seen().iter().map(|seen| seen.headers["host"].to_str().unwrap().to_owned()).collect();
    let port = lab.proxy.address.port();
    for host in ["127.0.0.1", "acct1.blob.core.windows.net"] {
        assert!(hosts.contains(&format!("{host}:{port}")), "the header says what the address says: {hosts:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn untrusted_host_gets_no_token_and_is_reported_without_retry() {
    let dir = tempfile::tempdir().unwrap();
    let (known, unknown) = (dir.path().join("known.pem"), dir.path().join("unknown.pem"));
    let (authority, _) = (Authority::new(&known), Authority::new(&unknown));
    let report_path = dir.path().join("report");
    for (names, roots) in [(&["127.0.0.1"][..], &unknown), (&["other.example"][..], &known)] {
        let lab = Lab::behind(authority.front(names), |_| Fault::Pass).await;
        assert!(!ended(&lab, &["upload", "n"], &report_path, roots, vec![1; 9]).await.status.success());
        let message = report(&report_path).error.unwrap();
        let host = lab.proxy.address.to_string();
        assert!(message.starts_with(&format!("{host} is not trusted")) && !message.contains('\n'), "{message}");
        assert!(message.contains("SSL_CERT_FILE"), "{message}");
        assert_eq!((report(&report_path).traffic.retries, lab.proxy.seen().len()), (0, 0));
    }
    // The service is who it says, the blob store is not: nothing goes to it, nothing becomes visible.
    let lab = Lab::behind(authority.front(&["127.0.0.1"]), |_| Fault::Pass).await;
    assert!(!ended(&lab, &["upload", "n"], &report_path, &known, vec![1; 9]).await.status.success());
    let message = report(&report_path).error.unwrap();
    assert!(message.contains("acct1.blob.core.windows.net") && message.contains("not trusted"), "{message}");
    assert!(lab.proxy.seen().iter().all(|seen| seen.method == "POST"));
}

#[tokio::test(flavor = "multi_thread")]
async fn server_without_tls_is_reported() {
    let dir = tempfile::tempdir().unwrap();
    let roots = dir.path().join("ca.pem");
    Authority::new(&roots);
    let mut lab = Lab::fair().await;
    lab.endpoint.results_url = lab.endpoint.results_url.replace("http:", "https:");
    let report_path = dir.path().join("report");
    assert!(!ended(&lab, &["upload", "n"], &report_path, &roots, vec![1; 9]).await.status.success());
    let message = report(&report_path).error.unwrap();
    assert!(message.contains("does not speak TLS") && message.contains("https://127.0.0.1:"), "{message}");
}

#[tokio::test]
async fn redirect_is_not_followed_and_reported_with_its_target() {
    let lab = Lab::with(|_| Fault::Moved).await;
    let message = lab.upload("n", b"data").await.unwrap_err().to_string();
    assert!(message.contains("307") && message.contains("redirects to https://elsewhere.example/x,"), "{message}");
    assert!(!message.contains("sig"), "{message}");
    assert_eq!(lab.proxy.seen().len(), 1);
}
