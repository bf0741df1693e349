//! Model of containerd's unpacking, in memory. It has the layers below at hand while it unpacks, as containerd has.

use std::collections::BTreeMap;

use super::archive::{Item, ItemKind};

/// Seconds and nanoseconds.
pub type Time = (i64, u32);

/// What a node is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeKind {
    File(Vec<u8>),
    Folder,
    Symlink(String),
    Character(u32, u32),
    Block(u32, u32),
    Fifo,
}

/// Inode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    pub kind: NodeKind,
    pub mode: u32,
    pub uid: u32,
    pub gid: u32,
    /// `None` is a time of the clock.
    pub modified: Option<Time>,
    pub attributes: BTreeMap<String, Vec<u8>>,
}

/// Tree of a layer: paths and the inodes that they name. The root is not part of it.
#[derive(Clone, Debug, Default)]
pub struct Tree {
    pub paths: BTreeMap<String, usize>,
    pub nodes: Vec<Node>,
    pub root_attributes: BTreeMap<String, Vec<u8>>,
}

/// Reason for which a layer is refused.
pub type Refused = &'static str;

/// Unpacks a layer over others, uppermost first.
pub fn unpack(items: &[Item], lower: &[Tree]) -> Result<Tree, Refused> {
    let mut tree = Tree::default();
    let mut folder_times = BTreeMap::new();
    let mut described = Vec::new();
    for item in items {
        let Some(path) = clean(&item.name)? else { continue };
        let (parent, name) = path.rsplit_once('/').unwrap_or(("", &path));
        tree.make_parents(parent, lower)?;
        if name == ".wh..wh..opq" {
            if !lower.is_empty() {
                tree.attributes(parent).insert("trusted.overlay.opaque".to_owned(), b"y".to_vec());
            } else if tree.paths.keys().any(|p| below(p, parent) && !described.contains(p)) {
                return Err("opaque over undescribed folders");
            }
            continue;
        }
        if let Some(hidden) = name.strip_prefix(".wh.") {
            if hidden.starts_with(".wh.") || matches!(hidden, "" | "." | "..") {
                return Err("whiteout's name");
            }
            tree.touch(parent);
            let hidden = join(parent, hidden);
            if lower.is_empty() {
                tree.remove(&hidden);
            } else if tree.paths.contains_key(&hidden) {
                return Err("whiteout of an entry");
            } else {
                let kind = NodeKind::Character(0, 0);
                let (uid, gid) = (item.uid, item.gid);
                tree.add(&hidden, Node { kind, mode: 0, uid, gid, modified: None, attributes: BTreeMap::new() });
            }
            continue;
        }
        let is_folder = item.kind == ItemKind::Folder;
        if tree.paths.contains_key(&path) && !(is_folder && tree.is_folder(&path)) {
            tree.remove(&path);
        }
        tree.make(item, &path)?;
        tree.touch(parent);
        described.push(path.clone());
        if is_folder {
            folder_times.insert(path, bound(item.modified));
        }
    }
    for (path, time) in folder_times {
        match tree.paths.get(&path).map(|&i| &mut tree.nodes[i]) {
            Some(node) if !matches!(node.kind, NodeKind::Symlink(_)) => node.modified = Some(time),
            _ => return Err("replaced folder"),
        }
    }
    Ok(tree)
}

impl Tree {
    fn add(&mut self, path: &str, node: Node) {
        self.nodes.push(node);
        self.paths.insert(path.to_owned(), self.nodes.len() - 1);
    }

    fn node(&self, path: &str) -> Option<&Node> {
        self.paths.get(path).map(|&i| &self.nodes[i])
    }

    fn is_folder(&self, path: &str) -> bool {
        path.is_empty() || self.node(path).is_some_and(|n| n.kind == NodeKind::Folder)
    }

    fn attributes(&mut self, path: &str) -> &mut BTreeMap<String, Vec<u8>> {
        match self.paths.get(path) {
            Some(&i) => &mut self.nodes[i].attributes,
            None => &mut self.root_attributes,
        }
    }

    fn touch(&mut self, path: &str) {
        if let Some(&i) = self.paths.get(path) {
            self.nodes[i].modified = None;
        }
    }

    fn remove(&mut self, path: &str) {
        self.paths.retain(|p, _| p != path && !below(p, path));
    }

    fn make_parents(&mut self, parent: &str, lower: &[Tree]) -> Result<(), Refused> {
        let mut path = String::new();
        for component in parent.split('/').filter(|c| !c.is_empty()) {
            let above = path.clone();
            path = join(&path, component);
            match self.node(&path).map(|n| &n.kind) {
                Some(NodeKind::Folder) => continue,
                Some(NodeKind::Symlink(_)) => return Err("through a link"),
                Some(_) => return Err("through a file"),
                None => {}
            }
            let node = if let Some(found) = find(lower, &path)? {
                let attributes = found.attributes.iter().filter(|(k, _)| !k.starts_with("trusted."));
                Node { attributes: attributes.map(|(k, v)| (k.clone(), v.clone())).collect(), ..found.clone() }
            } else {
                let inherits = self.node(&above).filter(|n| n.mode & 0o2000 != 0);
                Node {
                    kind: NodeKind::Folder,
                    mode: 0o755,
                    uid: rustix::process::getuid().as_raw(),
                    gid: inherits.map_or(rustix::process::getgid().as_raw(), |n| n.gid),
                    modified: None,
                    attributes: BTreeMap::new(),
                }
            };
            self.touch(&above);
            self.add(&path, node);
        }
        Ok(())
    }

    fn make(&mut self, item: &Item, path: &str) -> Result<(), Refused> {
        let kind = match &item.kind {
            ItemKind::File(content) => NodeKind::File(content.clone()),
            ItemKind::Folder => NodeKind::Folder,
            ItemKind::Symlink(target) => NodeKind::Symlink(target.clone()),
            ItemKind::Character(major, minor) => NodeKind::Character(*major, *minor),
            ItemKind::Block(major, minor) => NodeKind::Block(*major, *minor),
            ItemKind::Fifo => NodeKind::Fifo,
            ItemKind::HardLink(target) => {
                let target = clean(target)?.ok_or("link to the root")?;
                let mut above = String::new();
                for component in target.rsplit_once('/').map_or("", |(p, _)| p).split('/').filter(|c| !c.is_empty()) {
                    above = join(&above, component);
                    if !self.is_folder(&above) {
                        return Err("link's target");
                    }
                }
                let &i = self.paths.get(&target).ok_or("link's target")?;
                if self.nodes[i].kind == NodeKind::Folder {
                    return Err("link to a folder");
                }
                self.paths.insert(path.to_owned(), i);
                self.nodes[i].attributes.remove("security.capability");
                self.describe(i, item);
                return Ok(());
            }
        };
        let i = self.paths.get(path).copied().unwrap_or_else(|| {
            self.add(path, Node { kind, mode: 0, uid: 0, gid: 0, modified: None, attributes: BTreeMap::new() });
            self.nodes.len() - 1
        });
        self.describe(i, item);
        Ok(())
    }

    fn describe(&mut self, i: usize, item: &Item) {
        let node = &mut self.nodes[i];
        (node.uid, node.gid, node.modified) = (item.uid, item.gid, Some(bound(item.modified)));
        node.mode = if matches!(node.kind, NodeKind::Symlink(_)) { 0o777 } else { item.mode };
        for (name, value) in &item.attributes {
            let is_user = name.starts_with("user.");
            if !is_user || matches!(node.kind, NodeKind::File(_) | NodeKind::Folder) {
                node.attributes.insert(name.clone(), value.clone());
            }
        }
    }
}

fn find<'a>(lower: &'a [Tree], path: &str) -> Result<Option<&'a Node>, Refused> {
    for tree in lower {
        let above: Vec<&str> = path.match_indices('/').map(|(i, _)| &path[..i]).collect();
        let missing = above.iter().find_map(|p| match tree.node(p) {
            None => Some(Ok(())),
            Some(node) if node.kind != NodeKind::Folder => Some(Err("lower layer")),
            Some(_) => None,
        });
        match missing {
            Some(Err(refused)) => return Err(refused),
            Some(Ok(())) => continue,
            None => {}
        }
        match tree.node(path) {
            None => {}
            Some(node) if node.kind == NodeKind::Folder => return Ok(Some(node)),
            Some(Node { kind: NodeKind::Symlink(_), .. }) => return Err("lower layer's link"),
            Some(_) => return Ok(None),
        }
    }
    Ok(None)
}

fn bound(time: Time) -> Time {
    if time.0 < 0 { (0, 0) } else { time }
}

fn below(path: &str, above: &str) -> bool {
    above.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.starts_with('/'))
}

fn join(parent: &str, name: &str) -> String {
    if parent.is_empty() { name.to_owned() } else { format!("{parent}/{name}") }
}

fn clean(name: &str) -> Result<Option<String>, Refused> {
    let parts: Vec<&str> = name.split('/').filter(|c| !matches!(*c, "" | ".")).collect();
    if parts.contains(&"..") {
        return Err("upwards");
    }
    Ok((!parts.is_empty()).then(|| parts.join("/")))
}
