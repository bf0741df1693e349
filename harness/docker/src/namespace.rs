//! Process and mount namespaces of a job, so that nothing of a job outlives its first process.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_move};

use crate::EngineError;

/// Command line that runs `program` as the first process of new namespaces, by util-linux's `unshare`.
pub fn command(program: &Path, args: &[OsString]) -> (OsString, Vec<OsString>) {
    let mut line: Vec<OsString> =
        ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"].iter().map(Into::into).collect();
    line.push(program.into());
    line.extend(args.iter().cloned());
    ("unshare".into(), line)
}

/// Whether this process is the first of a process namespace.
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Mounts a private `/run` for the job, so that no daemon leaves files in the machine's `/run`.
///
/// The folder of systemd-resolved stays visible, because `/etc/resolv.conf` may point there.
///
/// # Errors
/// A folder cannot be created or mounted, for example without root.
pub fn mount_private_run(scratch: &Path) -> Result<(), EngineError> {
    let run = Path::new("/run");
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
        .map_err(io("make private", Path::new("/")))?;
    let resolve = run.join("systemd/resolve");
    let kept = scratch.join("resolve");
    let has_resolve = resolve.is_dir();
    if has_resolve {
        fs::create_dir_all(&kept).map_err(EngineError::io("create", &kept))?;
        mount_bind(&resolve, &kept).map_err(io("bind", &resolve))?;
    }
    mount("tmpfs", run, "tmpfs", MountFlags::NOSUID | MountFlags::NODEV, c"mode=755")
        .map_err(io("mount tmpfs on", run))?;
    if has_resolve {
        fs::create_dir_all(&resolve).map_err(EngineError::io("create", &resolve))?;
        mount_move(&kept, &resolve).map_err(io("move", &resolve))?;
    }
    Ok(())
}

/// Folder in which `handoff-relay` keeps what it must undo after a kill, for example a switched image store.
const RELAY_STATE: &str = "/var/lib/handoff-relay";

/// Mounts a folder of the job over that of `handoff-relay`, after [`mount_private_run`]: what is to be undone in the job's
/// engine goes with the job, and the machine's own is not touched.
///
/// # Errors
/// A folder cannot be created or mounted, for example without root.
pub fn mount_private_relay_state(scratch: &Path) -> Result<(), EngineError> {
    let (state, private) = (Path::new(RELAY_STATE), scratch.join("relay-state"));
    for dir in [state, &private] {
        fs::create_dir_all(dir).map_err(EngineError::io("create", dir))?;
    }
    mount_bind(&private, state).map_err(io("bind", state))
}

fn io(what: &'static str, path: &Path) -> impl FnOnce(rustix::io::Errno) -> EngineError {
    let named = EngineError::io(what, path);
    move |e| named(e.into())
}
