//! Mounts of a snapshot: exactly one, of a known kind, with known options, below the snapshotter's folder.

use std::path::{Path, PathBuf};

use super::Refusal;
use crate::proto::snapshots::Mount;

/// Folders of a snapshot.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folders {
    /// Folder that is written to; none in a view.
    pub upper: Option<PathBuf>,
    /// Folders of the layers below, topmost first.
    pub lower: Vec<PathBuf>,
}

/// Reads the mounts of a snapshot.
///
/// containerd's overlayfs answers with a bind of the one folder, or with an overlay of several. Any option that is not
/// listed here changes what the folders mean: `userxattr` is for rootless engines, `uidmap=` and `gidmap=` shift owners,
/// and `metacopy=` or `redirect_dir=` put other marks into the upper folder.
pub(crate) fn read(root: &Path, mounts: &[Mount]) -> Result<Folders, Refusal> {
    let refuse = |why: String| Refusal::Mount(why);
    let [mount] = mounts else { return Err(refuse(format!("there are {} instead of one", mounts.len()))) };
    match mount.r#type.as_str() {
        "bind" => bind(root, mount),
        "overlay" => overlay(root, mount),
        other => Err(refuse(format!("its type is {other:?}"))),
    }
}

fn bind(root: &Path, mount: &Mount) -> Result<Folders, Refusal> {
    let folder = folder(root, &mount.source)?;
    let mut options: Vec<&str> = mount.options.iter().map(String::as_str).collect();
    options.sort_unstable();
    match options[..] {
        ["rbind", "rw"] => Ok(Folders { upper: Some(folder), lower: Vec::new() }),
        ["rbind", "ro"] => Ok(Folders { upper: None, lower: vec![folder] }),
        _ => Err(Refusal::Mount(format!("a bind has the options {options:?}"))),
    }
}

fn overlay(root: &Path, mount: &Mount) -> Result<Folders, Refusal> {
    let (mut upper, mut work, mut lower) = (None, false, Vec::new());
    for option in &mount.options {
        match option.split_once('=') {
            Some(("upperdir", path)) if upper.is_none() => upper = Some(folder(root, path)?),
            Some(("lowerdir", paths)) if lower.is_empty() => {
                lower = paths.split(':').map(|path| folder(root, path)).collect::<Result<_, _>>()?;
            }
            Some(("workdir", _)) if !work => work = true,
            Some(("index", "off")) => {}
            _ => return Err(Refusal::Mount(format!("an overlay has the option {option:?}"))),
        }
    }
    if lower.is_empty() || work != upper.is_some() {
        return Err(Refusal::Mount(format!("an overlay has the options {:?}", mount.options)));
    }
    Ok(Folders { upper, lower })
}

/// Folder of a layer: `ROOT/snapshots/NUMBER/fs`, and no other.
fn folder(root: &Path, path: &str) -> Result<PathBuf, Refusal> {
    let path = PathBuf::from(path);
    let number = path.strip_prefix(root.join("snapshots")).ok().and_then(|rest| rest.to_str()?.strip_suffix("/fs"));
    let is_number = number.is_some_and(|n| !n.is_empty() && n.bytes().all(|b| b.is_ascii_digit()));
    if is_number { Ok(path) } else { Err(Refusal::Mount(format!("{} is not a snapshot's folder", path.display()))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &str = "/c/overlayfs";

    fn mount(kind: &str, source: &str, options: &[&str]) -> Mount {
        let options = options.iter().map(|o| (*o).to_owned()).collect();
        Mount { r#type: kind.to_owned(), source: source.to_owned(), options }
    }

    fn of(kind: &str, source: &str, options: &[&str]) -> Result<Folders, Refusal> {
        read(Path::new(ROOT), &[mount(kind, source, options)])
    }

    fn fs(number: u32) -> PathBuf {
        format!("{ROOT}/snapshots/{number}/fs").into()
    }

    #[test]
    fn folders_are_those_of_containerds_mounts() {
        let one = "/c/overlayfs/snapshots/7/fs";
        assert_eq!(of("bind", one, &["rw", "rbind"]), Ok(Folders { upper: Some(fs(7)), lower: vec![] }));
        assert_eq!(of("bind", one, &["ro", "rbind"]), Ok(Folders { upper: None, lower: vec![fs(7)] }));
        let lower = "lowerdir=/c/overlayfs/snapshots/6/fs:/c/overlayfs/snapshots/5/fs";
        let [work, upper] = ["workdir=/c/overlayfs/snapshots/7/work", "upperdir=/c/overlayfs/snapshots/7/fs"];
        let both = vec![fs(6), fs(5)];
        let active = Ok(Folders { upper: Some(fs(7)), lower: both.clone() });
        assert_eq!(of("overlay", "overlay", &[work, upper, lower]), active);
        assert_eq!(of("overlay", "overlay", &["index=off", work, upper, lower]), active);
        assert_eq!(of("overlay", "overlay", &[lower]), Ok(Folders { upper: None, lower: both }));
    }

    #[test]
    fn anything_else_is_refused() {
        let one = "/c/overlayfs/snapshots/7/fs";
        let lower = "lowerdir=/c/overlayfs/snapshots/6/fs";
        let [work, upper] = ["workdir=/c/overlayfs/snapshots/7/work", "upperdir=/c/overlayfs/snapshots/7/fs"];
        assert!(read(Path::new(ROOT), &[]).is_err());
        assert!(read(Path::new(ROOT), &[mount("bind", one, &["rw", "rbind"]), mount("bind", one, &["rw"])]).is_err());
        for (kind, source, options) in [
            ("erofs", one, &["rw", "rbind"][..]),
            ("bind", one, &["rw"]),
            ("bind", one, &["rw", "rbind", "uidmap=0:1000:1"]),
            ("bind", "/c/overlayfs/snapshots/7/../../../../etc/fs", &["rw", "rbind"]),
            ("bind", "/etc", &["rw", "rbind"]),
            ("bind", "/c/overlayfs/snapshots//fs", &["rw", "rbind"]),
            ("bind", "/c/overlayfs/snapshots/7/work", &["rw", "rbind"]),
            ("overlay", "overlay", &[work, upper]),
            ("overlay", "overlay", &[upper, lower]),
            ("overlay", "overlay", &[work, upper, lower, "userxattr"]),
            ("overlay", "overlay", &[work, upper, lower, "metacopy=on"]),
            ("overlay", "overlay", &[work, upper, upper, lower]),
            ("overlay", "overlay", &[work, upper, "lowerdir=/etc"]),
        ] {
            assert!(of(kind, source, options).is_err(), "{kind} {source} {options:?}");
        }
    }
}
