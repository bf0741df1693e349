//! Path of an entry: relative, without `.`, `..` and empty components.

use crate::error::Refusal;

/// Components of a path. The limit bounds the open folders while a tree is removed.
pub(crate) const MAX_DEPTH: usize = 128;
/// Bytes of a path: `PATH_MAX` without its final zero.
const MAX_BYTES: usize = 4095;
/// Bytes of a component: `NAME_MAX`.
const MAX_NAME: usize = 255;

/// Path below the layer's root, as its components joined by `/`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct EntryPath(Vec<u8>);

impl EntryPath {
    /// Reads a name. The layer's root is `None`.
    ///
    /// containerd joins an absolute name to the root, so a leading `/` is dropped here too.
    pub(crate) fn parse(name: &[u8]) -> Result<Option<Self>, Refusal> {
        if name.is_empty() {
            return Err(Refusal::Name("empty"));
        }
        if name.len() > MAX_BYTES {
            return Err(Refusal::Name("too long"));
        }
        if name.contains(&0) {
            return Err(Refusal::Name("not text"));
        }
        let mut path = Vec::with_capacity(name.len());
        let mut depth = 0;
        for component in name.split(|&b| b == b'/') {
            match component {
                b"" | b"." => continue,
                b".." => return Err(Refusal::Upwards),
                long if long.len() > MAX_NAME => return Err(Refusal::Name("too long")),
                _ => {}
            }
            depth += 1;
            if depth > MAX_DEPTH {
                return Err(Refusal::Name("too deep"));
            }
            if !path.is_empty() {
                path.push(b'/');
            }
            path.extend_from_slice(component);
        }
        Ok((!path.is_empty()).then_some(Self(path)))
    }

    /// All bytes.
    pub(crate) fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// Path of the folder, empty for the root, and name in it.
    pub(crate) fn split(&self) -> (&[u8], &[u8]) {
        match self.0.iter().rposition(|&b| b == b'/') {
            Some(at) => (&self.0[..at], &self.0[at + 1..]),
            None => (b"", &self.0),
        }
    }
}

/// Whether `path` is below the folder `above`. An empty `above` is the root.
pub(crate) fn is_below(path: &[u8], above: &[u8]) -> bool {
    above.is_empty() && !path.is_empty() || path.strip_prefix(above).is_some_and(|rest| rest.first() == Some(&b'/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_become_relative_paths() {
        for (name, path) in [("./a", "a"), ("/a//b/", "a/b"), ("a/./b", "a/b"), ("...", "..."), ("..a", "..a")] {
            assert_eq!(EntryPath::parse(name.as_bytes()).unwrap().unwrap().as_bytes(), path.as_bytes());
        }
        for root in [".", "./", "/", "//./"] {
            assert_eq!(EntryPath::parse(root.as_bytes()), Ok(None), "{root}");
        }
    }

    #[test]
    fn names_that_lead_out_or_are_too_large_are_refused() {
        for name in ["..", "a/..", "a/../b", "/../a", "./.."] {
            assert_eq!(EntryPath::parse(name.as_bytes()), Err(Refusal::Upwards), "{name}");
        }
        let deep = "a/".repeat(MAX_DEPTH + 1);
        let long = "a".repeat(MAX_NAME + 1);
        for name in ["", "a\0b", &deep, &long, &"aaa/".repeat(1024)] {
            assert!(matches!(EntryPath::parse(name.as_bytes()), Err(Refusal::Name(_))), "{name:?}");
        }
        assert!(EntryPath::parse("a/".repeat(MAX_DEPTH).as_bytes()).is_ok());
    }

    #[test]
    fn prefix_of_a_name_is_not_its_folder() {
        assert!(is_below(b"a/b", b"a") && is_below(b"a", b""));
        assert!(!is_below(b"ab", b"a") && !is_below(b"a", b"a") && !is_below(b"", b""));
    }
}
