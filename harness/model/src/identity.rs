//! Identity of the received image with the built image, on four levels. Each level is measured, never assumed.

use serde::{Deserialize, Serialize};

use crate::list::unique;

/// Known identity of an image, level by level. `notes` has the reason of an empty level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageIdentity {
    /// Digest of the index or manifest under which the image is known to the engine.
    pub index: Option<String>,
    /// Digest of the image's config.
    pub config: Option<String>,
    /// Digests of the uncompressed layers, from the config.
    pub layers: Option<Vec<String>>,
    /// Digest over every file of the image's tree.
    pub content: Option<String>,
    /// Bytes of all files of the tree, where a probe has counted them. No level: equal content has equal bytes.
    #[serde(default)]
    pub tree_bytes: Option<u64>,
    /// Reasons for empty levels.
    pub notes: Vec<String>,
}

/// The comparison of what arrived with what was built. `None` where one of the two has no such level.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdentityCheck {
    /// Index or manifest digests are equal.
    pub index: Option<bool>,
    /// Config digests are equal.
    pub config: Option<bool>,
    /// Layers are equal, all of them, in order.
    pub layers: Option<bool>,
    /// Every file is equal.
    pub content: Option<bool>,
    /// Findings and reasons in one line, empty when all levels are there and equal.
    pub note: String,
}

fn equal<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> Option<bool> {
    Some(a? == b?)
}

/// The worse of two findings on one level.
pub fn worst_level(one: Option<bool>, other: Option<bool>) -> Option<bool> {
    match (one, other) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    }
}

impl IdentityCheck {
    /// Compares what arrived with what was built.
    pub fn compare(built: &ImageIdentity, arrived: &ImageIdentity) -> Self {
        let mut notes: Vec<String> = unique(built.notes.iter().chain(&arrived.notes).cloned());
        if let (Some(b), Some(a)) = (&built.layers, &arrived.layers)
            && a != b
        {
            let same = a.iter().zip(b).filter(|(x, y)| x == y).count();
            notes.push(format!("{same} of {} layers equal", b.len()));
        }
        Self {
            index: equal(built.index.as_ref(), arrived.index.as_ref()),
            config: equal(built.config.as_ref(), arrived.config.as_ref()),
            layers: equal(built.layers.as_ref(), arrived.layers.as_ref()),
            content: equal(built.content.as_ref(), arrived.content.as_ref()),
            note: notes.join("; "),
        }
    }

    /// The worst of two consumers' comparisons, level by level: a difference, else a level that is not known, else equality.
    #[must_use]
    pub fn worst(self, other: &Self) -> Self {
        let parts = self.note.split("; ").chain(other.note.split("; ")).filter(|part| !part.is_empty());
        Self {
            index: worst_level(self.index, other.index),
            config: worst_level(self.config, other.config),
            layers: worst_level(self.layers, other.layers),
            content: worst_level(self.content, other.content),
            note: unique(parts).join("; "),
        }
    }

    /// The levels that the gate demands and that are not proven equal. Empty: the image arrived.
    ///
    /// Content is demanded always; layers and config where the image itself travelled.
    pub fn refused(&self, moves_image: bool) -> Vec<&'static str> {
        let demanded = [
            ("content", self.content, true),
            ("layers", self.layers, moves_image),
            ("config", self.config, moves_image),
        ];
        demanded.iter().filter(|(_, equal, on)| *on && *equal != Some(true)).map(|(name, ..)| *name).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn image(index: Option<&str>, layers: &[&str]) -> ImageIdentity {
        ImageIdentity {
            index: index.map(str::to_owned),
            config: Some("sha256:c".into()),
            layers: Some(layers.iter().map(|l| (*l).to_owned()).collect()),
            content: Some("sha256:f".into()),
            tree_bytes: None,
            notes: vec![],
        }
    }

    #[test]
    fn layers_are_demanded_only_if_the_image_moves() {
        let check = IdentityCheck::compare(&image(Some("i"), &["a", "b"]), &image(Some("j"), &["a", "x"]));
        assert_eq!((check.index, check.layers, check.content), (Some(false), Some(false), Some(true)));
        assert_eq!(check.note, "1 of 2 layers equal");
        assert_eq!(check.refused(true), ["layers"]);
        assert!(check.refused(false).is_empty());
    }

    #[test]
    fn each_identity_level_is_the_worst_of_its_consumers() {
        let check =
            |index, layers, note: &str| IdentityCheck { index, layers, note: note.into(), ..Default::default() };
        let one = check(Some(true), Some(true), "no tag; overlay2 keeps no index");
        let both = one.clone().worst(&check(Some(false), None, "overlay2 keeps no index; 1 of 2 layers equal"));
        assert_eq!((both.index, both.layers), (Some(false), None));
        assert_eq!(both.note, "no tag; overlay2 keeps no index; 1 of 2 layers equal");
        assert_eq!(one.clone().worst(&one), one);
    }

    #[test]
    fn unknown_identity_level_is_never_equal() {
        let mut arrived = image(None, &["a"]);
        arrived.content = None;
        arrived.notes.push("overlay2 keeps no index".into());
        let check = IdentityCheck::compare(&image(Some("i"), &["a"]), &arrived);
        assert_eq!(check.index, None);
        assert_eq!(check.refused(false), ["content"]);
        assert_eq!(check.note, "overlay2 keeps no index");
    }
}
