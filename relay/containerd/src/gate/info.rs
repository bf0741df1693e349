//! Description of an engine: `GET /info` of its socket, which `docker info` prints.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use tokio::net::UnixStream;

use super::{Refusal, SNAPSHOTTER};
use crate::timeouts;

/// Address of the system's containerd, for engines that do not name theirs (API below 1.46, before Docker 27).
const DEFAULT_ADDRESS: &str = "/run/containerd/containerd.sock";
/// Namespace of dockerd's images unless `--containerd-namespace` names another.
const DEFAULT_NAMESPACE: &str = "moby";
/// Largest description in bytes.
const MAX_INFO: usize = 4 << 20;

/// What an engine says about its containerd.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EngineInfo {
    /// Socket of containerd.
    pub address: PathBuf,
    /// Namespace of the engine's images.
    pub namespace: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Info {
    driver: String,
    // dockerd writes `null` for empty lists.
    driver_status: Option<Vec<(String, String)>>,
    security_options: Option<Vec<String>>,
    #[serde(rename = "OSType", default)]
    os_type: String,
    containerd: Option<Daemon>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase")]
struct Daemon {
    #[serde(default)]
    address: String,
    namespaces: Option<Namespaces>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Namespaces {
    #[serde(default)]
    containers: String,
}

impl EngineInfo {
    /// Reads the description of the engine behind a socket, and checks that its images are in containerd's overlayfs.
    ///
    /// # Errors
    /// The engine does not answer, stores images elsewhere, or maps users.
    pub async fn read(socket: &Path) -> Result<Self, Refusal> {
        let failed = |why: String| Refusal::NoInfo { socket: socket.to_owned(), why };
        let answer = tokio::time::timeout(timeouts::CONNECT, get_info(socket)).await;
        let json = answer.map_err(|_| failed("no answer in time".to_owned()))?.map_err(|e| failed(e.to_string()))?;
        Self::parse(&json).map_err(|refusal| match refusal {
            Refusal::NoInfo { why, .. } => failed(why),
            other => other,
        })
    }

    /// Checks and takes a description as `docker info --format '{{json .}}'` prints it.
    ///
    /// # Errors
    /// The text is none, or the engine stores images elsewhere or maps users.
    pub fn parse(json: &[u8]) -> Result<Self, Refusal> {
        let info: Info = serde_json::from_slice(json).map_err(|e| Refusal::NoInfo {
            socket: PathBuf::new(),
            why: format!("its answer is no description: {e}"),
        })?;
        let is_containerd = info.driver_status.unwrap_or_default().iter().any(|(name, value)| {
            // With overlay2 there is no such line: that driver's store is in dockerd's memory.
            name == "driver-type" && value == "io.containerd.snapshotter.v1"
        });
        if !is_containerd || info.driver != SNAPSHOTTER {
            return Err(Refusal::Store(info.driver));
        }
        if info.os_type != "linux" {
            return Err(Refusal::System(info.os_type));
        }
        let maps_users = |option: &String| option.contains("name=userns") || option.contains("name=rootless");
        if let Some(option) = info.security_options.unwrap_or_default().into_iter().find(maps_users) {
            return Err(Refusal::MappedUsers(option));
        }
        let daemon = info.containerd.unwrap_or_default();
        let or = |text: String, default: &str| if text.is_empty() { default.to_owned() } else { text };
        // Some clients write the address as a URL.
        let address = or(daemon.address, DEFAULT_ADDRESS);
        let address = PathBuf::from(address.strip_prefix("unix://").unwrap_or(&address));
        let namespace = or(daemon.namespaces.map(|n| n.containers).unwrap_or_default(), DEFAULT_NAMESPACE);
        Ok(Self { address, namespace })
    }
}

async fn get_info(socket: &Path) -> Result<Bytes, Box<dyn std::error::Error + Send + Sync>> {
    let stream = UnixStream::connect(socket).await?;
    let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    let connection = tokio::spawn(connection);
    let request = http::Request::get("/info").header("host", "docker").body(Empty::<Bytes>::new())?;
    let answer = requests.send_request(request).await?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), MAX_INFO).collect().await?.to_bytes();
    connection.abort();
    if status.is_success() { Ok(body) } else { Err(format!("HTTP status {status}").into()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Answer of Docker 28.5.2, shortened, with some of its text replaced.
    fn info(replace: &str, by: &str) -> Result<EngineInfo, Refusal> {
        let json = r#"{"Driver":"overlayfs","DriverStatus":[["driver-type","io.containerd.snapshotter.v1"]],
            "OSType":"linux","SecurityOptions":["name=seccomp,profile=builtin","name=cgroupns"],
            "Containerd":{"Address":"/e/c.sock","Namespaces":{"Containers":"moby","Plugins":"plugins.moby"}}}"#;
        assert!(json.contains(replace));
        EngineInfo::parse(json.replace(replace, by).as_bytes())
    }

    #[test]
    fn containerd_is_the_one_that_the_engine_names() {
        let found = info("{", "{").unwrap();
        assert_eq!((found.address.as_path(), found.namespace.as_str()), (Path::new("/e/c.sock"), "moby"));
        assert_eq!(info("\"moby\"", "\"mine\"").unwrap().namespace, "mine");
        assert_eq!(info("/e/c.sock", "unix:///e/d.sock").unwrap().address, Path::new("/e/d.sock"));
    }

    #[test]
    fn engine_that_names_no_containerd_has_the_default_one() {
        let found = info("Containerd", "Other").unwrap();
        assert_eq!((found.address.as_path(), found.namespace.as_str()), (Path::new(DEFAULT_ADDRESS), "moby"));
        assert_eq!(info(r#"["name=seccomp,profile=builtin","name=cgroupns"]"#, "null").unwrap().namespace, "moby");
    }

    #[test]
    fn other_stores_systems_and_mapped_users_are_refused() {
        assert_eq!(info("overlayfs", "overlay2"), Err(Refusal::Store("overlay2".to_owned())));
        assert_eq!(info("driver-type", "Backing Filesystem"), Err(Refusal::Store("overlayfs".to_owned())));
        assert_eq!(info("linux", "windows"), Err(Refusal::System("windows".to_owned())));
        assert_eq!(info("name=cgroupns", "name=userns"), Err(Refusal::MappedUsers("name=userns".to_owned())));
        assert_eq!(info("name=cgroupns", "name=rootless"), Err(Refusal::MappedUsers("name=rootless".to_owned())));
        assert!(matches!(EngineInfo::parse(b"404"), Err(Refusal::NoInfo { .. })));
    }

    #[tokio::test]
    async fn refusal_names_a_socket_without_an_engine() {
        let refusal = EngineInfo::read(Path::new("/nowhere/docker.sock")).await.unwrap_err().to_string();
        assert!(refusal.starts_with("/nowhere/docker.sock does not answer"), "{refusal}");
    }
}
