//! Containers of an engine: would a restart disturb one?

use std::fs;
use std::os::unix::fs::MetadataExt;

use super::error::Refusal;

/// Begin of the name of a builder's container
/// ([buildx](https://github.com/docker/buildx/blob/v0.29.1/driver/manager.go)).
const BUILDER_NAME: &str = "buildx_buildkit_";
const BUILDER_IMAGE: &str = "moby/buildkit";
/// Programs of a builder without work. A client runs `buildctl dial-stdio` in the container while it builds.
const IDLE: [&str; 3] = ["buildkitd", "docker-init", "tini"];

/// A container.
#[derive(Debug, Clone, Default)]
pub(crate) struct Container {
    pub name: String,
    pub image: String,
    pub state: String,
    pub pid: u32,
    pub restart_policy: String,
    pub auto_remove: bool,
}

impl Container {
    /// Whether the container has processes.
    pub(crate) fn is_running(&self) -> bool {
        !matches!(self.state.as_str(), "exited" | "created" | "dead")
    }

    fn is_builder(&self) -> bool {
        let image = self.image.strip_prefix("docker.io/").unwrap_or(&self.image);
        let name = image.split([':', '@']).next();
        self.name.starts_with(BUILDER_NAME) && name == Some(BUILDER_IMAGE)
    }
}

/// Checks that a restart disturbs no container. `programs` lists what runs in the container of a process.
pub(crate) fn check(all: &[Container], programs: impl Fn(u32) -> Option<Vec<String>>) -> Result<(), Refusal> {
    for one in all {
        let refuse = |what: &str, fix| Err(Refusal::Containers(format!("{what} {}", one.name), fix));
        if one.is_running() && one.is_builder() && one.state == "running" {
            // A process that cannot be seen may work.
            let is_idle = |list: Vec<String>| !list.is_empty() && list.iter().all(|name| IDLE.contains(&name.as_str()));
            if !programs(one.pid).is_some_and(is_idle) {
                return refuse("a build in", "wait for its end");
            }
        } else if one.is_running() {
            return refuse("the running container", "stop it first");
        } else if one.restart_policy == "always" || one.auto_remove {
            // dockerd starts such a container when it comes back to the old store, or removes it.
            return refuse("the stopped container", "remove it first, because a restart starts or removes it");
        }
    }
    Ok(())
}

/// Programs in the process namespace of a process; none if that is not to be seen, or is our own.
pub(crate) fn programs(pid: u32) -> Option<Vec<String>> {
    let namespace = |process: &str| fs::metadata(format!("/proc/{process}/ns/pid")).ok().map(|m| m.ino());
    let wanted = namespace(&pid.to_string()).filter(|_| pid != 0)?;
    if namespace("self") == Some(wanted) {
        return None;
    }
    let names = fs::read_dir("/proc").ok()?.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    let numbers = names.filter(|name| name.bytes().all(|b| b.is_ascii_digit()));
    let inside = numbers.filter(|process| namespace(process) == Some(wanted));
    let name = |process: String| fs::read_to_string(format!("/proc/{process}/comm")).ok();
    Some(inside.filter_map(name).map(|name| name.trim().to_owned()).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn container(name: &str, image: &str, state: &str) -> Container {
        let text = str::to_owned;
        Container { name: text(name), image: text(image), state: text(state), pid: 7, ..Container::default() }
    }

    fn refusal(one: Container, programs: &[&str]) -> Option<String> {
        let programs = |_| Some(programs.iter().map(|p| (*p).to_owned()).collect());
        check(&[one], programs).err().map(|e| e.to_string())
    }

    #[test]
    fn idle_builders_and_stopped_containers_are_no_obstacle() {
        let builder = container("buildx_buildkit_b0", "moby/buildkit:buildx-stable-1", "running");
        assert_eq!(refusal(builder.clone(), &["buildkitd"]), None);
        assert_eq!(refusal(builder.clone(), &["docker-init", "buildkitd"]), None);
        let pinned = Container { image: "docker.io/moby/buildkit@sha256:0".to_owned(), ..builder };
        assert_eq!(refusal(pinned, &["buildkitd"]), None);
        assert_eq!(refusal(container("old", "app", "exited"), &[]), None);
        let unless_stopped = Container { restart_policy: "unless-stopped".to_owned(), ..container("c", "a", "exited") };
        assert_eq!(refusal(unless_stopped, &[]), None);
    }

    #[test]
    fn builder_with_a_build_is_refused() {
        let builder = container("buildx_buildkit_b0", "moby/buildkit:v0.25.0", "running");
        for busy in [&["buildkitd", "buildctl"][..], &["buildkitd", "runc"], &[]] {
            let text = refusal(builder.clone(), busy).unwrap();
            assert!(text.contains("a build in buildx_buildkit_b0; wait for its end"), "{text}");
        }
        assert!(check(&[builder], |_| None).is_err());
    }

    #[test]
    fn other_containers_that_run_are_refused() {
        for (name, image) in [
            ("postgres", "postgres:18"),
            ("buildx_buildkit_b0", "evil/buildkit"),
            ("buildx_buildkit_b0", "moby/buildkitd:1"),
            ("my_buildx_buildkit_b0", "moby/buildkit:1"),
        ] {
            for state in ["running", "paused", "restarting", "removing"] {
                let text = refusal(container(name, image, state), &["buildkitd"]).unwrap();
                assert!(text.contains(&format!("the running container {name}; stop it first")), "{text}");
            }
        }
        let paused = container("buildx_buildkit_b0", "moby/buildkit:1", "paused");
        assert!(refusal(paused, &["buildkitd"]).is_some());
    }

    #[test]
    fn stopped_containers_that_a_restart_starts_or_removes_are_refused() {
        let always = Container { restart_policy: "always".to_owned(), ..container("web", "app", "exited") };
        assert!(refusal(always, &[]).unwrap().contains("the stopped container web; remove it first"));
        let removed = Container { auto_remove: true, ..container("web", "app", "created") };
        assert!(refusal(removed, &[]).is_some());
    }

    #[test]
    fn programs_of_our_own_namespace_are_no_container() {
        assert_eq!(programs(std::process::id()), None);
        assert_eq!(programs(0), None);
    }
}
