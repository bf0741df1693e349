//! Where the daemon runs: in the mount, user and process namespaces of this process, or elsewhere.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use super::Refusal;
use crate::proto::introspection::ServerResponse;

/// Namespaces in which paths, owners and processes of both mean the same.
const NAMESPACES: [&str; 3] = ["mnt", "user", "pid"];

/// Checks that the daemon shares our namespaces, and that nobody is between the daemon and us.
///
/// `peer` is the process that listens at the socket, from the kernel; `server` is what the daemon says about itself. They
/// differ if the socket belongs to a proxy, whose namespaces would prove nothing.
pub(crate) fn check(peer: Option<i32>, server: &ServerResponse) -> Result<(), Refusal> {
    let elsewhere = |why: String| Refusal::Elsewhere(why);
    // The kernel writes 0 for a process that our process namespace does not contain.
    let peer =
        peer.filter(|pid| *pid > 0).ok_or_else(|| elsewhere("its process is not visible from here".to_owned()))?;
    for name in NAMESPACES {
        let of = |process: &str| namespace(process, name).map_err(|why| elsewhere(why.to_string()));
        if of(&peer.to_string())? != of("self")? {
            return Err(elsewhere(format!("process {peer} has another {name} namespace")));
        }
    }
    let ours = namespace("self", "pid").map_err(|why| elsewhere(why.to_string()))?.1;
    if server.pidns != ours || server.pid != u64::from(peer.unsigned_abs()) {
        return Err(elsewhere(format!("process {peer} listens, but {} answers", server.pid)));
    }
    // Seen through the daemon's root: a daemon in a chroot has our namespaces and other paths.
    let roots = fs::metadata(format!("/proc/{peer}/root")).and_then(|theirs| Ok((theirs, fs::metadata("/")?)));
    let (theirs, ours) = roots.map_err(|why| elsewhere(why.to_string()))?;
    if (theirs.dev(), theirs.ino()) != (ours.dev(), ours.ino()) {
        return Err(elsewhere(format!("process {peer} has another root folder")));
    }
    Ok(())
}

/// Device and inode of a namespace of a process.
fn namespace(process: &str, name: &str) -> std::io::Result<(u64, u64)> {
    let meta = fs::metadata(Path::new("/proc").join(process).join("ns").join(name))?;
    Ok((meta.dev(), meta.ino()))
}

/// Inode of our process namespace; 0 without `/proc`.
pub(crate) fn process_namespace() -> u64 {
    namespace("self", "pid").map(|n| n.1).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_accepted_and_an_invisible_one_or_a_proxy_is_refused() {
        let pid = std::process::id();
        let server = ServerResponse { pid: u64::from(pid), pidns: process_namespace() };
        assert_eq!(check(Some(pid.cast_signed()), &server), Ok(()));
        let reason = |peer, server: &ServerResponse| check(peer, server).unwrap_err().to_string();
        assert!(reason(Some(0), &server).ends_with("not visible from here"));
        assert!(reason(None, &server).ends_with("not visible from here"));
        let other = ServerResponse { pid: 1 << 40, ..server.clone() };
        assert!(reason(Some(pid.cast_signed()), &other).ends_with("listens, but 1099511627776 answers"));
        assert!(check(Some(pid.cast_signed()), &ServerResponse { pidns: 1, ..server }).is_err());
    }
}
