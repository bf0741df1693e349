//! Proxies of the environment, with a small proxy of our own that knows `CONNECT` alone.

use std::net::SocketAddr;
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::pipe::{command, report};
use crate::support::proxy::Fault;
use crate::support::{Lab, noise};
use crate::tls::Authority;

/// Proxy that leads every host to one address.
struct Connector {
    address: SocketAddr,
    /// Hosts that were asked for.
    hosts: Arc<Mutex<Vec<String>>>,
}

impl Connector {
    async fn start(to: SocketAddr, credentials: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&hosts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(Self::serve(client, to, credentials, Arc::clone(&seen)));
            }
        });
        Self { address, hosts }
    }

    async fn serve(mut client: TcpStream, to: SocketAddr, credentials: Option<&str>, seen: Arc<Mutex<Vec<String>>>) {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(client.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        seen.lock().unwrap().push(head.strip_prefix("CONNECT ").unwrap().split(' ').next().unwrap().to_owned());
        let allowed = credentials.is_none_or(|basic| head.contains(&format!("Proxy-Authorization: Basic {basic}\r\n")));
        if !allowed {
            client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").await.unwrap();
            return;
        }
        let mut server = TcpStream::connect(to).await.unwrap();
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await.unwrap();
        let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
    }

    fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }
}

async fn upload(lab: &Lab, report: &Path, variables: &[(&str, &str)], data: Vec<u8>) -> Output {
    let mut command = command(lab, &["upload", "n"], report);
    for name in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"] {
        command.env_remove(name).env_remove(name.to_ascii_lowercase());
    }
    command.envs(variables.iter().copied()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().unwrap();
    let work = move || {
        // One that fails early does not read it.
        let _ = std::io::Write::write_all(&mut child.stdin.take().unwrap(), &data);
        child.wait_with_output().unwrap()
    };
    tokio::task::spawn_blocking(work).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn service_and_blobs_behind_tls_are_reached_through_the_proxy_with_credentials() {
    let dir = tempfile::tempdir().unwrap();
    let (roots, path) = (dir.path().join("ca.pem"), dir.path().join("report"));
    let front = Authority::new(&roots).front(&["results.example", "*.blob.core.windows.net"]);
    let mut lab = Lab::behind(front, |_| Fault::Pass).await;
    let port = lab.proxy.address.port();
    lab.endpoint.results_url = format!("https://results.example:{port}/");
    // user:p@ss
    let proxy = Connector::start(lab.proxy.address, Some("dXNlcjpwQHNz")).await;
    let roots = roots.to_str().unwrap();

    let url = format!("http://user:p%40ss@{}", proxy.address);
    let variables = [("https_proxy", url.as_str()), ("HTTPS_PROXY", "http://unused:1"), ("SSL_CERT_FILE", roots)];
    let done = upload(&lab, &path, &variables, noise(9 << 20)).await;
    assert!(done.status.success(), "{:?}", report(&path).error);
    for host in ["results.example", "acct1.blob.core.windows.net"] {
        assert!(proxy.hosts().contains(&format!("{host}:{port}")), "{:?}", proxy.hosts());
    }

    for (url, why) in [
        (format!("http://user:WRONG@{}", proxy.address), "refuses the user or password"),
        (format!("http://{}", proxy.address), "asks for a user and password"),
    ] {
        let done = upload(&lab, &path, &[("HTTPS_PROXY", url.as_str()), ("SSL_CERT_FILE", roots)], vec![1; 9]).await;
        let message = report(&path).error.unwrap();
        assert!(!done.status.success() && message.contains(why) && message.contains("HTTPS_PROXY"), "{message}");
        assert!(!message.contains("WRONG") && !message.contains("user:"), "{message}");
        assert_eq!(report(&path).traffic.retries, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_service_is_proxied_by_its_own_variable_and_loopback_blobs_are_not() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report");
    let mut lab = Lab::fair().await;
    let proxy = Connector::start(lab.proxy.address, None).await;
    lab.endpoint.results_url = "http://results.example:81/".to_owned();
    let url = format!("http://{}", proxy.address);
    for variable in ["HTTP_PROXY", "all_proxy"] {
        lab.client.delete_named("n").await.unwrap();
        let done = upload(&lab, &path, &[(variable, &url)], noise(9 << 20)).await;
        assert!(done.status.success(), "{:?}", report(&path).error);
        assert!(proxy.hosts().iter().all(|host| host == "results.example:81"), "{:?}", proxy.hosts());
    }
    let before = proxy.hosts().len();
    let variables = [("HTTP_PROXY", url.as_str()), ("no_proxy", ".example")];
    assert!(!upload(&lab, &path, &variables, vec![1; 9]).await.status.success(), "the name leads nowhere");
    assert_eq!(proxy.hosts().len(), before);
}

#[tokio::test(flavor = "multi_thread")]
async fn dead_proxy_is_named_with_its_variable() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("report");
    let mut lab = Lab::fair().await;
    lab.endpoint.results_url = "http://results.example/".to_owned();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let url = format!("http://user:SECRET@{free}");
    assert!(!upload(&lab, &path, &[("ALL_PROXY", &url)], vec![1; 9]).await.status.success());
    let message = report(&path).error.unwrap();
    assert!(message.contains(&format!("proxy {free} does not lead to results.example:80")), "{message}");
    assert!(message.contains("ALL_PROXY") && !message.contains("SECRET") && !message.contains('\n'), "{message}");
    assert!(!upload(&lab, &path, &[("HTTP_PROXY", "socks5://user:SECRET@h:1")], vec![1; 9]).await.status.success());
    let message = report(&path).error.unwrap();
    assert!(message.contains("HTTP_PROXY names no usable proxy") && !message.contains("SECRET"), "{message}");
}
