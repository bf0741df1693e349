//! Trees on disk and of the model as the same lines of text.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::Path;

use super::model::{NodeKind, Time, Tree};

/// Lines by path. A path of `.` is the root.
pub type Lines = BTreeMap<String, String>;

/// Start of the test's clock: times after it are those of the clock.
fn is_clock(time: Time) -> bool {
    time.0 > 1_750_000_000 && time.0 < 4_000_000_000
}

/// Describes the tree below a folder, with attributes, inodes by their first name, and the root's attributes.
pub fn of_folder(root: &Path) -> Lines {
    let mut lines = Lines::new();
    let mut first_names = BTreeMap::new();
    let meta = fs::symlink_metadata(root).unwrap();
    lines.insert(".".to_owned(), root_line(meta.mode() & 0o7777, (meta.uid(), meta.gid()), &attributes(root)));
    walk(root, &mut |path, name| {
        let meta = fs::symlink_metadata(path).unwrap();
        let kind = meta.file_type();
        let (major, minor) = (rustix::fs::major(meta.rdev()), rustix::fs::minor(meta.rdev()));
        let what = if kind.is_dir() {
            "folder".to_owned()
        } else if kind.is_symlink() {
            format!("link {:?}", fs::read_link(path).unwrap().to_str())
        } else if kind.is_char_device() {
            format!("char {major}:{minor}")
        } else if kind.is_block_device() {
            format!("block {major}:{minor}")
        } else if kind.is_fifo() {
            "fifo".to_owned()
        } else {
            format!("file {:?}", fs::read(path).unwrap())
        };
        let first: &mut String = first_names.entry(meta.ino()).or_insert_with(|| name.to_owned());
        let same = if kind.is_dir() { name } else { first };
        let time = (meta.mtime(), u32::try_from(meta.mtime_nsec()).unwrap());
        let modified = if is_clock(time) { None } else { Some(time) };
        let owner = (meta.uid(), meta.gid());
        lines.insert(name.to_owned(), line(&what, meta.mode() & 0o7777, owner, modified, same, &attributes(path)));
    });
    lines
}

/// Describes the model's tree.
pub fn of_model(tree: &Tree) -> Lines {
    let owner = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let mut lines = Lines::from([(".".to_owned(), root_line(0o755, owner, &tree.root_attributes))]);
    let mut first_names = BTreeMap::new();
    for (path, &i) in &tree.paths {
        let node = &tree.nodes[i];
        let what = match &node.kind {
            NodeKind::File(content) => format!("file {content:?}"),
            NodeKind::Folder => "folder".to_owned(),
            NodeKind::Symlink(target) => format!("link {:?}", Some(target)),
            NodeKind::Character(major, minor) => format!("char {major}:{minor}"),
            NodeKind::Block(major, minor) => format!("block {major}:{minor}"),
            NodeKind::Fifo => "fifo".to_owned(),
        };
        let first: &mut String = first_names.entry(i).or_insert_with(|| path.clone());
        let modified = node.modified.filter(|t| !is_clock(*t));
        lines.insert(path.clone(), line(&what, node.mode, (node.uid, node.gid), modified, first, &node.attributes));
    }
    lines
}

/// First differences of two trees.
pub fn difference(ours: &Lines, theirs: &Lines) -> String {
    let mut text = String::new();
    for path in ours.keys().chain(theirs.keys().filter(|p| !ours.contains_key(*p))) {
        let (a, b) = (ours.get(path), theirs.get(path));
        if a != b {
            let _ = writeln!(text, "{path}\n  ours   {}\n  theirs {}", a.map_or("-", |s| s), b.map_or("-", |s| s));
        }
    }
    text
}

fn line(
    what: &str,
    mode: u32,
    owner: (u32, u32),
    modified: Option<Time>,
    first_name: &str,
    attributes: &BTreeMap<String, Vec<u8>>,
) -> String {
    let time = modified.map_or("clock".to_owned(), |(s, n)| format!("{s}.{n:09}"));
    let (uid, gid) = owner;
    format!("{what} {mode:04o} {uid}:{gid} {time} ={first_name} {}", show_attributes(attributes))
}

fn root_line(mode: u32, owner: (u32, u32), attributes: &BTreeMap<String, Vec<u8>>) -> String {
    format!("{mode:04o} {}:{} {}", owner.0, owner.1, show_attributes(attributes))
}

fn show_attributes(attributes: &BTreeMap<String, Vec<u8>>) -> String {
    let shown: Vec<String> = attributes.iter().map(|(k, v)| format!("{k}={}", hex::encode(v))).collect();
    shown.join(" ")
}

/// Walks in the order of full paths, as the model's map has them.
fn walk(root: &Path, each: &mut dyn FnMut(&Path, &str)) {
    let mut names = Vec::new();
    let mut folders = vec![root.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if fs::symlink_metadata(&path).unwrap().is_dir() {
                folders.push(path.clone());
            }
            names.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    names.sort();
    for name in names {
        each(&root.join(&name), &name);
    }
}

fn attributes(path: &Path) -> BTreeMap<String, Vec<u8>> {
    let mut names = vec![0; 4096];
    let len = rustix::fs::llistxattr(path, &mut names[..]).unwrap();
    let names = names[..len].split(|&b| b == 0).filter(|n| !n.is_empty());
    names
        .map(|name| {
            let mut value = vec![0; 4096];
            let len = rustix::fs::lgetxattr(path, name, &mut value[..]).unwrap();
            value.truncate(len);
            (String::from_utf8(name.to_vec()).unwrap(), value)
        })
        // Labels of the host's security module are not the layer's.
        .filter(|(name, _)| name != "security.selinux")
        .collect()
}
