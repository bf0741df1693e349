//! The namespaces of a job: a process and a mount namespace, so that nothing of a job outlives its first process.

use std::ffi::OsString;
use std::fs;
use std::path::Path;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_bind, mount_change, mount_move};

use crate::EngineError;

/// The command line that runs `program` as the first process of new namespaces. util-linux's `unshare` does the part
/// that would need unsafe code here, and is on every Debian and Ubuntu.
pub fn command(program: &Path, args: &[OsString]) -> (OsString, Vec<OsString>) {
    let mut line: Vec<OsString> =
        ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"].iter().map(Into::into).collect();
    line.push(program.into());
    line.extend(args.iter().cloned());
    ("unshare".into(), line)
}

/// Whether this process is the first of a process namespace that [`command`] made.
pub fn is_first_process() -> bool {
    std::process::id() == 1
}

/// Gives the job a `/run` of its own, so that no daemon leaves a socket or a folder in the machine's.
///
/// The name service's folder stays visible: `/etc/resolv.conf` may point there.
pub fn own_run_folder(scratch: &Path) -> Result<(), EngineError> {
    let run = Path::new("/run");
    let io = |what: &'static str, path: &Path| {
        let path = path.to_owned();
        move |e: rustix::io::Errno| EngineError::Io { what, path, source: e.into() }
    };
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
