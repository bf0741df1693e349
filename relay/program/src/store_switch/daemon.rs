//! dockerd behind a socket: its process, its options, and where it runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::error::Refusal;

/// Configuration file of dockerd without the option for another.
const DEFAULT_CONFIG: &str = "/etc/docker/daemon.json";
const NAME: &str = "dockerd";
const CONFIG_OPTION: &str = "--config-file";
/// Namespaces in which paths, owners and processes of both mean the same.
const NAMESPACES: [&str; 3] = ["mnt", "user", "pid"];

/// A running dockerd.
#[derive(Debug, Clone, Default)]
pub(crate) struct Daemon {
    /// Process.
    pub pid: u32,
    /// Program.
    pub program: PathBuf,
    /// Options, without the program.
    pub options: Vec<String>,
    /// Environment, as `NAME=VALUE`.
    pub environment: Vec<String>,
    /// Control groups, as `/proc/PID/cgroup` lists them.
    pub cgroups: String,
}

impl Daemon {
    /// Daemon of the socket whose peer is this user and process.
    ///
    /// A socket that systemd made has systemd as its peer; the only dockerd of our namespaces is then behind the socket.
    pub(crate) fn find(uid: u32, pid: i32) -> Result<Self, Refusal> {
        let engine = |why: String| Refusal::Engine(why);
        let pid = u32::try_from(pid).ok().filter(|pid| *pid > 0);
        let pid = pid.ok_or_else(|| engine("its process is not visible from here".to_owned()))?;
        if uid != 0 {
            return Err(engine(format!("user {uid} listens at its socket, not root")));
        }
        let name = name(pid).unwrap_or_default();
        let pid = match name.as_str() {
            NAME => pid,
            _ if pid == 1 => the_only_one()?,
            other => return Err(engine(format!("{other} (process {pid}) listens at its socket, not dockerd"))),
        };
        if let Some(which) = foreign_namespace(pid) {
            return Err(engine(format!("dockerd (process {pid}) has another {which} than this process")));
        }
        let read = |file: &str| fs::read(format!("/proc/{pid}/{file}"));
        let program = fs::read_link(format!("/proc/{pid}/exe"));
        let parts = (read("cmdline"), read("environ"), read("cgroup"), program);
        let (Ok(options), Ok(environment), Ok(cgroups), Ok(program)) = parts else {
            return Err(engine(format!("dockerd (process {pid}) cannot be read")));
        };
        let cgroups = String::from_utf8_lossy(&cgroups).into_owned();
        Ok(Self { pid, program, options: split(&options).split_off(1), environment: split(&environment), cgroups })
    }

    /// Configuration file that the daemon reads.
    pub(crate) fn config(&self) -> Result<PathBuf, Refusal> {
        let mut options = self.options.iter();
        let mut found = DEFAULT_CONFIG.to_owned();
        while let Some(option) = options.next() {
            if let Some(value) = option.strip_prefix(CONFIG_OPTION) {
                found = match value.strip_prefix('=') {
                    Some(path) => path.to_owned(),
                    None if value.is_empty() => options.next().cloned().unwrap_or_default(),
                    None => continue,
                };
            }
        }
        let path = PathBuf::from(found);
        let is_plain = path.is_absolute() && path.components().all(|c| c != std::path::Component::ParentDir);
        if is_plain { Ok(path) } else { Err(Refusal::Flag(format!("{CONFIG_OPTION} {}", path.display()))) }
    }

    /// Options without the one for the configuration file.
    pub(crate) fn other_options(&self) -> Vec<&str> {
        let mut rest = Vec::new();
        let mut options = self.options.iter().map(String::as_str);
        while let Some(option) = options.next() {
            if option == CONFIG_OPTION {
                options.next();
            } else if !option.starts_with("--config-file=") {
                rest.push(option);
            }
        }
        rest
    }

    /// Checks that the daemon's store is chosen by its configuration file.
    pub(crate) fn check_options(&self) -> Result<(), Refusal> {
        let is_long = |option: &str| {
            let name = option.split('=').next().unwrap_or_default();
            ["--feature", "--storage-driver", "--storage-opt"].contains(&name)
        };
        // -s DRIVER, also behind -D.
        let is_short =
            |option: &str| option.strip_prefix('-').is_some_and(|o| o.trim_start_matches('D').starts_with('s'));
        let found = self.options.iter().find(|o| is_long(o) || is_short(o));
        let found = found.or_else(|| self.environment.iter().find(|v| v.starts_with("DOCKER_DRIVER=")));
        found.map_or(Ok(()), |option| Err(Refusal::Flag(option.clone())))
    }

    /// Whether `systemctl restart docker` restarts this daemon.
    pub(crate) fn is_docker_service(&self) -> bool {
        self.cgroups.lines().any(|line| line.ends_with("/docker.service"))
    }
}

fn split(text: &[u8]) -> Vec<String> {
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    text.split(|b| *b == 0).map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

fn name(pid: u32) -> Option<String> {
    fs::read_to_string(format!("/proc/{pid}/comm")).ok().map(|name| name.trim().to_owned())
}

/// The one dockerd of root in our namespaces.
fn the_only_one() -> Result<u32, Refusal> {
    let names = fs::read_dir("/proc").into_iter().flatten().flatten().map(|entry| entry.file_name());
    let pids = names.filter_map(|name| name.to_str()?.parse::<u32>().ok());
    let is_root = |pid: &u32| fs::metadata(format!("/proc/{pid}")).is_ok_and(|m| m.uid() == 0);
    let is_ours = |pid: &u32| name(*pid).as_deref() == Some(NAME) && is_root(pid) && foreign_namespace(*pid).is_none();
    let found: Vec<u32> = pids.filter(is_ours).collect();
    match found[..] {
        [pid] => Ok(pid),
        _ => Err(Refusal::Engine(format!("{} processes dockerd run here, not one", found.len()))),
    }
}

/// Namespace or root folder that the process does not share with this one.
fn foreign_namespace(pid: u32) -> Option<String> {
    let same = |path: &Path| {
        let both = fs::metadata(Path::new("/proc").join(pid.to_string()).join(path))
            .and_then(|theirs| Ok((theirs, fs::metadata(Path::new("/proc/self").join(path))?)));
        both.is_ok_and(|(theirs, ours)| (theirs.dev(), theirs.ino()) == (ours.dev(), ours.ino()))
    };
    let namespace = NAMESPACES.iter().find(|name| !same(&Path::new("ns").join(name)));
    namespace
        .map(|name| format!("{name} namespace"))
        .or_else(|| (!same(Path::new("root"))).then(|| "root folder".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemon(options: &[&str]) -> Daemon {
        Daemon { options: options.iter().map(|o| (*o).to_owned()).collect(), ..Daemon::default() }
    }

    #[test]
    fn configuration_file_is_the_one_of_the_options() {
        let of = |options: &[&str]| daemon(options).config().map(|p| p.display().to_string());
        assert_eq!(of(&["-H", "fd://"]).unwrap(), DEFAULT_CONFIG);
        assert_eq!(of(&["--config-file", "/a/b.json", "-D"]).unwrap(), "/a/b.json");
        assert_eq!(of(&["--config-file=/a/b.json"]).unwrap(), "/a/b.json");
        assert!(of(&["--config-file=b.json"]).is_err(), "a relative path depends on the daemon's folder");
        assert!(of(&["--config-file=/a/../b.json"]).is_err());
        let both = daemon(&["-D", "--config-file", "/a", "--config-file=/b", "--debug"]);
        assert_eq!(both.other_options(), ["-D", "--debug"]);
    }

    #[test]
    fn options_that_choose_the_store_are_refused() {
        for bad in [
            "--storage-driver=overlay2",
            "--storage-driver",
            "-s",
            "-soverlay2",
            "-Ds",
            "--feature=x=true",
            "--storage-opt",
        ] {
            assert!(daemon(&["-H", bad, "x"]).check_options().is_err(), "{bad}");
        }
        assert_eq!(daemon(&["-H", "fd://", "-D", "--selinux-enabled", "--containerd=/s"]).check_options(), Ok(()));
        let environment = vec!["A=b".to_owned(), "DOCKER_DRIVER=overlay2".to_owned()];
        assert!(Daemon { environment, ..Daemon::default() }.check_options().is_err());
    }

    #[test]
    fn only_the_service_docker_is_restarted_by_default() {
        let of = |cgroups: &str| Daemon { cgroups: cgroups.to_owned(), ..Daemon::default() }.is_docker_service();
        assert!(of("0::/system.slice/docker.service\n"));
        assert!(!of("0::/system.slice/my-docker.service/x\n") && !of("0::/user.slice\n"));
    }

    #[test]
    fn processes_that_are_not_dockerd_are_refused() {
        let own = i32::try_from(std::process::id()).unwrap();
        let text = Daemon::find(0, own).unwrap_err().to_string();
        assert!(text.contains("listens at its socket, not dockerd"), "{text}");
        assert!(Daemon::find(1000, own).unwrap_err().to_string().contains("user 1000 listens"));
        assert!(Daemon::find(0, 0).unwrap_err().to_string().contains("not visible"));
    }
}
