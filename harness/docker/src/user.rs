//! The user's daemon: where it is, what it says of itself, and what a job makes in it.
//!
//! Whatever a job makes there has a name that is known before it is made. The driver writes those names down first, so
//! that they can be removed whatever happens, and nothing else is.

use std::collections::HashMap;
use std::path::PathBuf;

use bollard::Docker;
use bollard::errors::Error;
use bollard::models::SystemInfoCgroupDriverEnum;
use bollard::query_parameters::{
    ListContainersOptionsBuilder, ListImagesOptions, RemoveContainerOptionsBuilder, RemoveImageOptionsBuilder,
    RemoveVolumeOptions,
};
use handoff_model::environment::UNKNOWN;
use handoff_model::{EngineKind, ImageStore};
use serde::{Deserialize, Serialize};

use crate::EngineError;
use crate::api::api;
use crate::names;

/// Label of everything that a run makes in a daemon that is not its own and that can have one: the run's name.
pub const RUN_LABEL: &str = "io.handoff.run";
/// Label beside it: the job's name.
pub const JOB_LABEL: &str = "io.handoff.job";
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The user's daemon as a job may use it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDaemon {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// Name of the run: value of [`RUN_LABEL`].
    pub run: String,
    /// Image of an engine, for engines in containers.
    pub engine_image: String,
}

/// What the user's daemon says of itself.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Where it keeps images.
    pub store: ImageStore,
    /// Its version.
    pub version: String,
    /// Its operating system, as it names it.
    pub os: String,
    /// Whether it makes cgroups as plain folders, without systemd.
    pub plain_cgroups: bool,
}

/// The socket of the user's daemon: `DOCKER_HOST`, else the default one.
pub fn socket() -> Result<PathBuf, EngineError> {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    socket_of(&host)
}

fn socket_of(host: &str) -> Result<PathBuf, EngineError> {
    if host.is_empty() {
        return Ok(PathBuf::from(DEFAULT_SOCKET));
    }
    let path = host.strip_prefix("unix://").filter(|p| p.starts_with('/'));
    path.map(PathBuf::from).ok_or_else(|| EngineError::NotLocal(host.to_owned()))
}

fn runtime() -> Result<tokio::runtime::Runtime, EngineError> {
    let built = tokio::runtime::Builder::new_current_thread().enable_all().build();
    built.map_err(EngineError::io("start", "the API client's runtime"))
}

/// A client of the user's daemon, which may be older than we are.
async fn client(socket: &std::path::Path) -> Result<Docker, EngineError> {
    let silent = |error: String| EngineError::NoDaemon { socket: socket.to_owned(), error };
    let client = api(socket).map_err(|e| silent(e.to_string()))?;
    client.negotiate_version().await.map_err(|e| silent(e.to_string()))
}

/// Asks the user's daemon what it is, and refuses what cannot reach services on this machine's loopback.
pub fn facts(socket: &std::path::Path) -> Result<Facts, EngineError> {
    let info = runtime()?.block_on(async { Ok::<_, EngineError>(client(socket).await?.info().await?) })?;
    let os = info.operating_system.unwrap_or_else(|| UNKNOWN.to_owned());
    if os.contains("Docker Desktop") {
        return Err(EngineError::VirtualMachine(socket.to_owned()));
    }
    let status: Vec<String> = info.driver_status.unwrap_or_default().into_iter().flatten().collect();
    let driver = info.driver.unwrap_or_else(|| UNKNOWN.to_owned());
    let store = if status.iter().any(|s| s.starts_with("io.containerd.snapshotter")) {
        ImageStore::Containerd
    } else if driver == "overlay2" {
        ImageStore::Overlay2
    } else {
        return Err(EngineError::ForeignStore(driver));
    };
    let plain_cgroups = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS);
    Ok(Facts { store, version: info.server_version.unwrap_or_else(|| UNKNOWN.to_owned()), os, plain_cgroups })
}

/// Whether the user's daemon has an image.
pub fn has_image(socket: &std::path::Path, image: &str) -> Result<bool, EngineError> {
    runtime()?.block_on(async { found(client(socket).await?.inspect_image(image).await) })
}

/// The names of what a job makes in the user's daemon: written down before any of it exists.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedResources {
    /// The daemon's socket.
    pub socket: PathBuf,
    /// The run.
    pub run: String,
    /// The job.
    pub job: String,
    /// Containers by name.
    pub containers: Vec<String>,
    /// Volumes by name.
    pub volumes: Vec<String>,
    /// Images by name and tag.
    pub images: Vec<String>,
}

impl OwnedResources {
    /// What a job of a kind makes; nothing where the engine is its own.
    pub fn by(kind: EngineKind, host_daemon: &HostDaemon, job: &str, image: &str) -> Self {
        let (socket, run) = (host_daemon.socket.clone(), host_daemon.run.clone());
        let mut made = Self { socket, run, job: job.to_owned(), ..Self::default() };
        match kind {
            EngineKind::Private => {}
            EngineKind::Container => {
                made.containers.push(names::engine_container(job));
                made.volumes.push(names::engine_container(job));
            }
            EngineKind::Host => {
                made.containers.push(names::builder_container(job));
                made.volumes.push(names::builder_volume(job));
                made.images.push(names::builder_image(job));
                if !image.is_empty() {
                    made.images.push(image.to_owned());
                }
            }
        }
        made
    }

    /// The things of this list that are in the daemon, in words.
    pub fn present(&self) -> Result<Vec<String>, EngineError> {
        runtime()?.block_on(async {
            let daemon = client(&self.socket).await?;
            let mut there = Vec::new();
            for name in self.labelled(&daemon).await? {
                there.push(format!("container {name}"));
            }
            for name in &self.containers {
                if found(daemon.inspect_container(name, None).await)? {
                    there.push(format!("container {name}"));
                }
            }
            for name in &self.volumes {
                if found(daemon.inspect_volume(name).await)? {
                    there.push(format!("volume {name}"));
                }
            }
            for name in self.tags(&daemon).await? {
                there.push(format!("image {name}"));
            }
            Ok(there)
        })
    }

    /// Refuses to start where something has one of the names already: it would be removed as ours.
    pub fn claim(&self) -> Result<(), EngineError> {
        match self.present()?.into_iter().next() {
            Some(what) => Err(EngineError::NameTaken(what)),
            None => Ok(()),
        }
    }

    /// Removes what is on the list, and nothing else. An image loses our tag: its layers go only when no other name holds
    /// them, and no untagged parent goes with it.
    pub fn remove(&self) -> Result<(), EngineError> {
        runtime()?.block_on(async {
            let daemon = client(&self.socket).await?;
            let mut containers = self.labelled(&daemon).await?;
            containers.extend(self.containers.iter().cloned());
            for name in &containers {
                let options = RemoveContainerOptionsBuilder::default().force(true).v(true).build();
                found(daemon.remove_container(name, Some(options)).await)?;
            }
            for name in &self.volumes {
                found(daemon.remove_volume(name, None::<RemoveVolumeOptions>).await)?;
            }
            for name in &self.tags(&daemon).await? {
                let options = RemoveImageOptionsBuilder::default().noprune(true).build();
                found(daemon.remove_image(name, Some(options), None).await)?;
            }
            Ok(())
        })
    }

    /// The names of this list that images have, and the same names at a registry on loopback, whose port is not known
    /// beforehand: so an image is called that came from a relay's end.
    async fn tags(&self, daemon: &Docker) -> Result<Vec<String>, EngineError> {
        let all = daemon.list_images(None::<ListImagesOptions>).await?;
        let here = |tag: &String| {
            let local = tag.strip_prefix("127.0.0.1:").and_then(|rest| rest.split_once('/'));
            self.images.iter().any(|name| name == tag || local.is_some_and(|(_, path)| path == name))
        };
        Ok(all.into_iter().flat_map(|image| image.repo_tags).filter(here).collect())
    }

    /// Containers with the labels of this job.
    async fn labelled(&self, daemon: &Docker) -> Result<Vec<String>, EngineError> {
        let labels = labels(&self.run, &self.job).map(|(k, v)| format!("{k}={v}")).to_vec();
        let filters = HashMap::from([("label".to_owned(), labels)]);
        let options = ListContainersOptionsBuilder::default().all(true).filters(&filters).build();
        let list = daemon.list_containers(Some(options)).await?;
        let ids = list.into_iter().filter(|c| !c.names.iter().flatten().any(|n| self.names(n))).filter_map(|c| c.id);
        Ok(ids.collect())
    }

    fn names(&self, name: &str) -> bool {
        self.containers.iter().any(|c| c == name.trim_start_matches('/'))
    }
}

/// The labels of a job's things.
pub(crate) fn labels(run: &str, job: &str) -> [(&'static str, String); 2] {
    [(RUN_LABEL, run.to_owned()), (JOB_LABEL, job.to_owned())]
}

/// Whether a thing was there: that it is not is an answer, no error.
fn found<T>(answer: Result<T, Error>) -> Result<bool, EngineError> {
    match answer {
        Ok(_) => Ok(true),
        Err(Error::DockerResponseServerError { status_code: 404, .. }) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_daemon_elsewhere_is_refused_in_one_line() {
        assert_eq!(socket_of("").unwrap(), PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(socket_of("unix:///run/other.sock").unwrap(), PathBuf::from("/run/other.sock"));
        for host in ["tcp://10.0.0.2:2375", "ssh://me@there", "unix://relative"] {
            let error = socket_of(host).unwrap_err().to_string();
            assert!(error.contains(host) && error.contains("unix://") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn what_a_job_makes_is_named_beforehand_and_after_the_job() {
        let host_daemon = HostDaemon { socket: "/s".into(), run: "r".to_owned(), engine_image: "engine".to_owned() };
        let made = OwnedResources::by(EngineKind::Host, &host_daemon, "ab-producer", "handoff/trial:n");
        let other = OwnedResources::by(EngineKind::Host, &host_daemon, "ab-consumer-1", "handoff/trial:n");
        assert!(made.containers.iter().chain(&made.volumes).all(|n| n.contains("handoff-ab-producer")));
        assert!(made.images.contains(&"handoff/trial:n".to_owned()));
        assert!(made.containers != other.containers && made.volumes != other.volumes);
        assert_eq!(OwnedResources::by(EngineKind::Private, &host_daemon, "j", "i").containers, Vec::<String>::new());
        assert!(made.names(&format!("/{}", made.containers[0])) && !made.names("/users-own"));
    }
}
