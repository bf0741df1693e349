//! Restart of a private engine's dockerd by another program, as `systemctl restart docker` does on a runner.
//!
//! A program of the job may change the engine's `daemon.json` and then run the script, for example to switch the image store.
//! The script needs nothing of the job's first process, and the kernel ends the new dockerd with the job.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use handoff_model::shell::quote;
use rustix::process::{Pid, Signal, kill_process};

use crate::{EngineError, timeouts};

/// How a program restarts a daemon with a changed configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DaemonRestart {
    /// The daemon's `daemon.json`.
    pub config: PathBuf,
    /// Command without arguments that restarts the daemon.
    pub command: PathBuf,
}

/// File with the process id of dockerd, which dockerd removes when it ends.
const PID_FILE: &str = "dockerd.pid";

impl DaemonRestart {
    /// Files of the engine in this folder.
    pub(crate) fn below(root: &Path) -> Self {
        Self { config: root.join("daemon.json"), command: root.join("restart-dockerd") }
    }
}

/// Writes the script that ends dockerd and starts it again by the same command line.
pub(crate) fn write_script(
    restart: &DaemonRestart,
    root: &Path,
    program: &Path,
    args: &[OsString],
    env: &BTreeMap<String, String>,
) -> Result<(), EngineError> {
    let path = &restart.command;
    let mode = fs::Permissions::from_mode(0o755);
    fs::write(path, script(root, program, args, env))
        .and_then(|()| fs::set_permissions(path, mode))
        .map_err(EngineError::io("write", path))
}

fn script(root: &Path, program: &Path, args: &[OsString], env: &BTreeMap<String, String>) -> String {
    let word = |text: &std::ffi::OsStr| quote(&text.to_string_lossy());
    let words: Vec<String> =
        std::iter::once(program.as_os_str()).chain(args.iter().map(AsRef::as_ref)).map(word).collect();
    let variables: Vec<String> = env.iter().map(|(name, value)| quote(&format!("{name}={value}"))).collect();
    let path = quote(env.get("PATH").map_or("/usr/bin:/bin", String::as_str));
    let limit = timeouts::DAEMON_STOP.as_millis() / 20;
    format!(
        r#"#!/bin/sh
# Ends the dockerd of this job, and starts it again with its daemon.json.
set -u
PATH={path}
export PATH
cd {root} || exit 1
if pid=$(cat {PID_FILE} 2>/dev/null); then
    kill -TERM "$pid" 2>/dev/null
    waits=0
    # dockerd removes the file when it has ended. Its process stays a zombie, because nobody waits for it yet.
    while [ -e {PID_FILE} ]; do
        waits=$((waits + 1))
        if [ "$waits" -gt {limit} ]; then
            echo "dockerd ($pid) does not end" >&2
            exit 1
        fi
        sleep 0.02
    done
fi
rm -f dockerd.ended
(
    env -i {variables} {words} </dev/null >>dockerd.log 2>&1
    echo "$?" >dockerd.ended
) </dev/null >/dev/null 2>&1 &
while [ ! -e {PID_FILE} ]; do
    if [ -e dockerd.ended ]; then
        echo "dockerd does not start: $(tail -n 1 dockerd.log)" >&2
        exit 1
    fi
    sleep 0.02
done
"#,
        root = word(root.as_os_str()),
        variables = variables.join(" "),
        words = words.join(" "),
    )
}

/// Ends a dockerd that the script has started, and waits for its end. The engine's own children are not touched.
pub(crate) fn stop_successor(root: &Path, children: impl IntoIterator<Item = u32>) {
    let Some(pid) = read_pid(root) else { return };
    let own = children.into_iter().any(|child| child == pid.as_raw_nonzero().get().unsigned_abs());
    if own || !is_dockerd(pid) {
        return;
    }
    let _ = kill_process(pid, Signal::TERM);
    let deadline = Instant::now() + timeouts::DAEMON_STOP;
    // The script's shell waits for the process, so that no zombie keeps the entry.
    while is_dockerd(pid) {
        if Instant::now() > deadline {
            let _ = kill_process(pid, Signal::KILL);
            break;
        }
        std::thread::sleep(timeouts::DAEMON_POLL);
    }
}

fn read_pid(root: &Path) -> Option<Pid> {
    let text = fs::read_to_string(root.join(PID_FILE)).ok()?;
    Pid::from_raw(text.trim().parse().ok().filter(|pid| *pid > 1)?)
}

/// Whether a process still is a dockerd: another one may have its number.
fn is_dockerd(pid: Pid) -> bool {
    let name = fs::read_to_string(format!("/proc/{}/comm", pid.as_raw_nonzero()));
    name.is_ok_and(|name| name.trim() == "dockerd")
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::thread;
    use std::time::Duration;

    use super::*;

    /// Program that behaves like dockerd: it writes the id of its process to a file, and removes the file when it is told to end.
    /// Its name is that of dockerd.
    const DAEMON: &str = r#"#!/bin/sh
trap 'rm -f dockerd.pid; exit 0' TERM
[ "$2" != broken ] || { echo "unable to configure" >&2; exit 1; }
echo "$@" "$(cat daemon.json)" "$MARK" >>runs
echo $$ >dockerd.pid
while :; do sleep 0.01; done
"#;

    fn runs(root: &Path) -> Vec<String> {
        let text = fs::read_to_string(root.join("runs")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    fn prepared(root: &Path, args: &[&str]) -> DaemonRestart {
        let program = root.join("dockerd");
        fs::write(&program, DAEMON).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(root.join("daemon.json"), "one").unwrap();
        let restart = DaemonRestart::below(root);
        let args: Vec<OsString> = args.iter().map(Into::into).collect();
        let path = std::env::var("PATH").unwrap();
        let env = BTreeMap::from([("PATH".to_owned(), path), ("MARK".to_owned(), "it's set".to_owned())]);
        write_script(&restart, root, &program, &args, &env).unwrap();
        restart
    }

    #[test]
    fn restarted_daemon_has_its_arguments_and_the_changed_configuration_and_is_stopped() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        let restart = prepared(root, &["--host", "unix:///a b.sock"]);
        let call = || Command::new(&restart.command).env_clear().status().unwrap().success();
        assert!(call(), "a dockerd that has ended is started");
        fs::write(&restart.config, "two").unwrap();
        assert!(call());
        assert_eq!(runs(root), ["--host unix:///a b.sock one it's set", "--host unix:///a b.sock two it's set"]);
        let pid = read_pid(root).unwrap();
        stop_successor(root, [pid.as_raw_nonzero().get().unsigned_abs()]);
        assert!(is_dockerd(pid), "a child is stopped by the engine itself");
        stop_successor(root, []);
        thread::sleep(Duration::from_millis(50));
        assert!(!is_dockerd(pid) && read_pid(root).is_none());
    }

    #[test]
    fn daemon_that_does_not_start_is_reported_with_its_last_line() {
        let dir = tempfile::tempdir().unwrap();
        let restart = prepared(dir.path(), &["--host", "broken"]);
        let output = Command::new(&restart.command).output().unwrap();
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(!output.status.success() && error.contains("does not start: unable to configure"), "{error}");
    }
}
