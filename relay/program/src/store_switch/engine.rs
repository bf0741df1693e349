//! Engine behind its socket: four calls of its interface.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::rt::TokioIo;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::net::UnixStream;

use super::containers::Container;
use super::error::Refusal;
use super::machine::Store;

/// Largest answer in bytes.
const MAX_ANSWER: usize = 16 << 20;
/// A daemon behind a socket of systemd's answers only once it has started.
const TIMEOUT: Duration = Duration::from_secs(5);

/// What an engine says about itself. dockerd leaves out what it does not know, and writes `null` for empty lists.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(crate) struct Info {
    /// Storage driver.
    pub driver: String,
    driver_status: Option<Vec<(String, String)>>,
    /// Options such as `name=rootless`.
    pub security_options: Option<Vec<String>>,
    /// System of the engine.
    #[serde(rename = "OSType")]
    pub os_type: String,
    /// Name of the system.
    pub operating_system: String,
    /// Version of the engine.
    pub server_version: String,
    /// Whether containers outlive the daemon.
    pub live_restore_enabled: bool,
    swarm: Option<Swarm>,
}

#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Swarm {
    local_node_state: String,
}

impl Info {
    /// Image store.
    pub(crate) fn store(&self) -> Store {
        let mut status = self.driver_status.iter().flatten();
        if status.any(|(name, value)| name == "driver-type" && value.starts_with("io.containerd.snapshotter.")) {
            Store::Containerd
        } else {
            Store::Driver(self.driver.clone())
        }
    }

    /// Whether the engine is a node of a swarm.
    pub(crate) fn is_in_swarm(&self) -> bool {
        self.swarm.as_ref().is_some_and(|s| !matches!(s.local_node_state.as_str(), "" | "inactive"))
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase", default)]
#[derive(Default)]
struct Details {
    state: State,
    host_config: HostConfig,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct State {
    pid: u32,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct HostConfig {
    auto_remove: bool,
    restart_policy: RestartPolicy,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct RestartPolicy {
    name: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Listed {
    id: String,
    #[serde(default)]
    names: Vec<String>,
    #[serde(default)]
    image: String,
    #[serde(default)]
    state: String,
}

/// Socket of an endpoint such as `unix:///var/run/docker.sock`.
pub(crate) fn socket(endpoint: &str) -> Result<std::path::PathBuf, Refusal> {
    let path = endpoint.strip_prefix("unix://").filter(|path| path.starts_with('/'));
    path.map(Into::into).ok_or_else(|| Refusal::Endpoint(endpoint.to_owned()))
}

/// Description of the engine.
pub(crate) fn info(socket: &Path) -> Result<Info, String> {
    parse(&get(socket, "/info")?)
}

/// All containers of the engine.
pub(crate) fn containers(socket: &Path) -> Result<Vec<Container>, String> {
    let listed: Vec<Listed> = parse(&get(socket, "/containers/json?all=1")?)?;
    let mut containers = Vec::new();
    for one in listed {
        let details: Details = parse(&get(socket, &format!("/containers/{}/json", one.id))?)?;
        containers.push(Container {
            name: one.names.first().map_or(one.id, |name| name.trim_start_matches('/').to_owned()),
            image: one.image,
            state: one.state,
            pid: details.state.pid,
            restart_policy: details.host_config.restart_policy.name,
            auto_remove: details.host_config.auto_remove,
        });
    }
    Ok(containers)
}

/// User and process that listen at the socket, from the kernel.
pub(crate) fn peer(socket: &Path) -> Result<(u32, i32), String> {
    block_on(async {
        let peer = UnixStream::connect(socket).await?.peer_cred()?;
        Ok((peer.uid(), peer.pid().unwrap_or_default()))
    })
}

/// Answer to a request.
pub(crate) fn get(socket: &Path, path: &str) -> Result<Bytes, String> {
    block_on(async {
        let stream = UnixStream::connect(socket).await?;
        let (mut requests, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
        let connection = tokio::spawn(connection);
        let request = http::Request::get(path).header("host", "docker").body(Empty::<Bytes>::new())?;
        let answer = requests.send_request(request).await?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), MAX_ANSWER).collect().await?.to_bytes();
        connection.abort();
        if status.is_success() { Ok(body) } else { Err(format!("HTTP status {status} for {path}").into()) }
    })
}

type AnyError = Box<dyn std::error::Error + Send + Sync>;

fn block_on<T>(call: impl Future<Output = Result<T, AnyError>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|e| e.to_string())?;
    runtime.block_on(async {
        match tokio::time::timeout(TIMEOUT, call).await {
            Ok(result) => result.map_err(|e| e.to_string()),
            Err(_) => Err(format!("no answer in {} s", TIMEOUT.as_secs())),
        }
    })
}

fn parse<T: DeserializeOwned>(json: &[u8]) -> Result<T, String> {
    serde_json::from_slice(json).map_err(|e| format!("its answer is not understood: {e}"))
}
