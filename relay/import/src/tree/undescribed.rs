//! Folders that a layer uses and does not describe.
//!
//! containerd gives such a folder the attributes that it has in the layers below, at the moment when the folder is made.
//! Those layers are known only when the layer is prepared, so the folders are recorded until then.

use std::collections::BTreeMap;

use crate::tar::is_below;

/// What the folder above was when a folder was made: it gives its group if it has setgid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ParentState {
    /// Had the attributes of an entry, so the kernel gave the group already.
    Described,
    /// Waited for its own attributes.
    Undescribed,
}

/// Folder that was made for an entry in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Folder {
    pub(crate) parent: ParentState,
    /// Whether something was made or removed in it, so that its time is that of the clock.
    pub(crate) touched: bool,
    /// Whether a later entry described it. It keeps the attributes that this entry does not replace.
    pub(crate) described: bool,
}

/// Folders that a layer does not describe, for [`apply_attributes`](crate::apply_attributes).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UndescribedFolders(BTreeMap<Vec<u8>, Folder>);

impl UndescribedFolders {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Folders by path, each after the folder above it.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&[u8], &Folder)> {
        self.0.iter().map(|(path, folder)| (&path[..], folder))
    }

    pub(crate) fn insert(&mut self, above: &[u8], path: &[u8]) {
        let parent = match self.0.get(above) {
            Some(folder) if !folder.described => ParentState::Undescribed,
            _ => ParentState::Described,
        };
        self.0.insert(path.to_vec(), Folder { parent, touched: false, described: false });
    }

    /// Notes that a folder's entries changed.
    pub(crate) fn touch(&mut self, path: &[u8]) {
        if let Some(folder) = self.0.get_mut(path) {
            folder.touched = true;
        }
    }

    /// Notes that an entry describes the folder.
    pub(crate) fn describe(&mut self, path: &[u8]) {
        if let Some(folder) = self.0.get_mut(path) {
            folder.described = true;
        }
    }

    /// Whether a folder below `path` has no entry.
    pub(crate) fn has_below(&self, path: &[u8]) -> bool {
        self.0.iter().any(|(other, folder)| !folder.described && is_below(other, path))
    }

    /// Forgets a removed path with everything in it.
    pub(crate) fn forget(&mut self, path: &[u8]) {
        self.0.retain(|other, _| other != path && !is_below(other, path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn removed_folders_are_forgotten_with_those_below() {
        let mut folders = UndescribedFolders::default();
        for (above, path) in [("", "a"), ("a", "a/b"), ("", "ab")] {
            folders.insert(above.as_bytes(), path.as_bytes());
        }
        folders.describe(b"a");
        assert!(folders.has_below(b"a") && !folders.has_below(b"ab"));
        folders.forget(b"a");
        assert_eq!(folders.iter().map(|(path, _)| path).collect::<Vec<_>>(), [b"ab"]);
    }

    #[test]
    fn state_of_the_folder_above_is_that_of_the_moment() {
        let mut folders = UndescribedFolders::default();
        folders.insert(b"", b"a");
        folders.insert(b"a", b"a/b");
        folders.describe(b"a");
        folders.insert(b"a", b"a/c");
        let states: Vec<_> = folders.iter().map(|(_, f)| f.parent).collect();
        assert_eq!(states, [ParentState::Described, ParentState::Undescribed, ParentState::Described]);
    }
}
