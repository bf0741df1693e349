//! The user's daemon: its socket, its properties, and the objects that jobs create in it.
//!
//! Every object of a job has a name that is known beforehand. The runner records these names first and later removes
//! exactly these objects.

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
use crate::api::{api, runtime};
use crate::names;

/// Label with the run's name, of every container and volume that a run creates in the user's daemon.
pub const RUN_LABEL: &str = "io.handoff.run";
/// Label with the job's name.
pub const JOB_LABEL: &str = "io.handoff.job";
const DEFAULT_SOCKET: &str = "/var/run/docker.sock";

/// The user's daemon, as a job uses it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostDaemon {
    /// Socket of the daemon.
    pub socket: PathBuf,
    /// Name of the run: value of [`RUN_LABEL`].
    pub run: String,
    /// Image of engines in containers.
    pub engine_image: String,
}

/// Properties of the user's daemon.
#[derive(Debug, Clone)]
pub struct Facts {
    /// Image store.
    pub store: ImageStore,
    /// Version.
    pub version: String,
    /// Operating system, as reported by the daemon.
    pub os: String,
    /// Whether cgroups are plain folders, without systemd.
    pub plain_cgroups: bool,
}

/// Socket of the user's daemon: `DOCKER_HOST`, else the default socket.
///
/// # Errors
/// `DOCKER_HOST` names a daemon on another machine.
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

/// Client of the user's daemon, whose API may be older than the client's.
async fn client(socket: &std::path::Path) -> Result<Docker, EngineError> {
    let no_daemon = |error: String| EngineError::NoDaemon { socket: socket.to_owned(), error };
    let client = api(socket).map_err(|e| no_daemon(e.to_string()))?;
    client.negotiate_version().await.map_err(|e| no_daemon(e.to_string()))
}

/// Properties of the daemon behind a socket.
///
/// # Errors
/// No daemon answers; it runs in a virtual machine, which cannot reach this machine's loopback; or its storage driver is
/// not supported.
pub fn facts(socket: &std::path::Path) -> Result<Facts, EngineError> {
    let info = runtime()?.block_on(async { Ok::<_, EngineError>(client(socket).await?.info().await?) })?;
    let os = info.operating_system.unwrap_or_else(|| UNKNOWN.to_owned());
    if os.contains("Docker Desktop") {
        return Err(EngineError::VirtualMachine(socket.to_owned()));
    }
    let status: Vec<String> = info.driver_status.unwrap_or_default().into_iter().flatten().collect();
    let driver = info.driver.unwrap_or_else(|| UNKNOWN.to_owned());
    let store = store_in_info(&format!("{driver} {}", status.join(" "))).map_err(EngineError::ForeignStore)?;
    let plain_cgroups = info.cgroup_driver == Some(SystemInfoCgroupDriverEnum::CGROUPFS);
    Ok(Facts { store, version: info.server_version.unwrap_or_else(|| UNKNOWN.to_owned()), os, plain_cgroups })
}

/// Image store in the output of `docker info --format '{{.Driver}} {{.DriverStatus}}'`; the error is another driver.
///
/// # Errors
/// The storage driver is neither the containerd store nor overlay2.
pub fn store_in_info(info: &str) -> Result<ImageStore, String> {
    let (driver, status) = info.split_once(' ').unwrap_or((info, ""));
    if status.contains("io.containerd.snapshotter") {
        return Ok(ImageStore::Containerd);
    }
    if driver == "overlay2" { Ok(ImageStore::Overlay2) } else { Err(driver.to_owned()) }
}

/// Whether the user's daemon has an image.
///
/// # Errors
/// No daemon answers.
pub fn has_image(socket: &std::path::Path, image: &str) -> Result<bool, EngineError> {
    runtime()?.block_on(async { found(client(socket).await?.inspect_image(image).await) })
}

/// Names of a job's objects in the user's daemon, recorded before the objects exist.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OwnedResources {
    /// Socket of the daemon.
    pub socket: PathBuf,
    /// Name of the run.
    pub run: String,
    /// Name of the job.
    pub job: String,
    /// Containers by name.
    pub containers: Vec<String>,
    /// Volumes by name.
    pub volumes: Vec<String>,
    /// Images by name and tag.
    pub images: Vec<String>,
}

impl OwnedResources {
    /// Objects of a job with an engine of some kind; none with a private engine.
    pub fn of_job(kind: EngineKind, host_daemon: &HostDaemon, job: &str, image: &str) -> Self {
        let (socket, run) = (host_daemon.socket.clone(), host_daemon.run.clone());
        let mut resources = Self { socket, run, job: job.to_owned(), ..Self::default() };
        match kind {
            EngineKind::Private => {}
            EngineKind::Container => {
                resources.containers.push(names::of_job(job));
                resources.volumes.push(names::of_job(job));
            }
            EngineKind::Host => {
                resources.containers.push(names::builder_container(job));
                resources.volumes.push(names::builder_volume(job));
                resources.images.push(names::builder_image(job));
                if !image.is_empty() {
                    resources.images.push(image.to_owned());
                }
            }
        }
        resources
    }

    /// Objects of this list that exist in the daemon, such as `container NAME`.
    ///
    /// # Errors
    /// The daemon does not answer.
    pub fn present(&self) -> Result<Vec<String>, EngineError> {
        runtime()?.block_on(async {
            let daemon = client(&self.socket).await?;
            let mut present = Vec::new();
            for name in self.labelled(&daemon).await? {
                present.push(format!("container {name}"));
            }
            for name in &self.containers {
                if found(daemon.inspect_container(name, None).await)? {
                    present.push(format!("container {name}"));
                }
            }
            for name in &self.volumes {
                if found(daemon.inspect_volume(name).await)? {
                    present.push(format!("volume {name}"));
                }
            }
            for name in self.tags(&daemon).await? {
                present.push(format!("image {name}"));
            }
            Ok(present)
        })
    }

    /// Checks that none of the names is in use, because an object of that name would be removed as the job's.
    ///
    /// # Errors
    /// A name is in use, or the daemon does not answer.
    pub fn claim(&self) -> Result<(), EngineError> {
        match self.present()?.into_iter().next() {
            Some(what) => Err(EngineError::NameTaken(what)),
            None => Ok(()),
        }
    }

    /// Removes exactly the objects of this list. An image loses its tag; layers that another name holds stay, and so do
    /// untagged parents.
    ///
    /// # Errors
    /// The daemon does not answer, or refuses to remove an object.
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

    /// Tags of images that are on this list, also below a registry on loopback: relay's port is not known beforehand.
    async fn tags(&self, daemon: &Docker) -> Result<Vec<String>, EngineError> {
        let all = daemon.list_images(None::<ListImagesOptions>).await?;
        let is_listed = |tag: &String| {
            let local = tag.strip_prefix("127.0.0.1:").and_then(|rest| rest.split_once('/'));
            self.images.iter().any(|name| name == tag || local.is_some_and(|(_, path)| path == name))
        };
        Ok(all.into_iter().flat_map(|image| image.repo_tags).filter(is_listed).collect())
    }

    /// Containers with the job's labels that are not on this list.
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

/// Labels of a job's objects.
pub(crate) fn labels(run: &str, job: &str) -> [(&'static str, String); 2] {
    [(RUN_LABEL, run.to_owned()), (JOB_LABEL, job.to_owned())]
}

/// Whether an object exists, where a 404 means that it does not.
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
    fn daemon_on_another_machine_is_refused_in_one_line() {
        assert_eq!(socket_of("").unwrap(), PathBuf::from(DEFAULT_SOCKET));
        assert_eq!(socket_of("unix:///run/other.sock").unwrap(), PathBuf::from("/run/other.sock"));
        for host in ["tcp://10.0.0.2:2375", "ssh://me@there", "unix://relative"] {
            let error = socket_of(host).unwrap_err().to_string();
            assert!(error.contains(host) && error.contains("unix://") && !error.contains('\n'), "{error}");
        }
    }

    #[test]
    fn store_is_read_from_docker_info() {
        for info in
            ["overlayfs [[driver-type io.containerd.snapshotter.v1]]", r#"x [["t","io.containerd.snapshotter.v1"]]"#]
        {
            assert_eq!(store_in_info(info), Ok(ImageStore::Containerd));
        }
        assert_eq!(store_in_info("overlay2 [[Backing Filesystem extfs]]"), Ok(ImageStore::Overlay2));
        assert_eq!(store_in_info("btrfs null"), Err("btrfs".to_owned()));
    }

    #[test]
    fn resources_of_a_job_bear_its_name() {
        let host_daemon = HostDaemon { socket: "/s".into(), run: "r".to_owned(), engine_image: "engine".to_owned() };
        let of_job = |kind, job| OwnedResources::of_job(kind, &host_daemon, job, "handoff/trial:n");
        let (producer, consumer) = (of_job(EngineKind::Host, "ab-producer"), of_job(EngineKind::Host, "ab-consumer-1"));
        assert!(producer.containers.iter().chain(&producer.volumes).all(|n| n.contains("handoff-ab-producer")));
        assert!(producer.images.contains(&"handoff/trial:n".to_owned()));
        assert!(producer.containers != consumer.containers && producer.volumes != consumer.volumes);
        assert_eq!(of_job(EngineKind::Private, "j").containers, Vec::<String>::new());
        assert!(producer.names(&format!("/{}", producer.containers[0])) && !producer.names("/another"));
    }
}
