//! The five rules without which a staged layer differs from the engine's.

/// Rules that a layer follows. Production code uses [`Rules::default`], which has all of them.
///
/// The source of each rule is containerd's `pkg/archive/tar.go`. A differential test proves that it notices each missing rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rules {
    /// Folders that the layer does not describe take owner, mode and attributes from the layers below (`WithParents`).
    pub(crate) inherit: bool,
    /// Every entry is chowned, to 0:0 too: a folder with setgid gives its group to new files.
    pub(crate) chown_always: bool,
    /// An entry for the layer's root is ignored.
    pub(crate) ignore_root: bool,
    /// A time before 1970 becomes 1970 (`boundTime`).
    pub(crate) bound_times: bool,
    /// Attributes are set after the owner, because chown removes `security.capability`.
    pub(crate) attributes_last: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self { inherit: true, chown_always: true, ignore_root: true, bound_times: true, attributes_last: true }
    }
}

#[cfg(feature = "rules-off")]
impl Rules {
    /// Number of the rules.
    pub const COUNT: usize = 5;

    /// All rules but the one with this index.
    pub fn without(index: usize) -> Self {
        let mut rules = Self::default();
        let all = [
            &mut rules.inherit,
            &mut rules.chown_always,
            &mut rules.ignore_root,
            &mut rules.bound_times,
            &mut rules.attributes_last,
        ];
        if let Some(rule) = all.into_iter().nth(index) {
            *rule = false;
        }
        rules
    }
}
