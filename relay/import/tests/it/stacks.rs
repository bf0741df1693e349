//! Generated stacks of layers against the model, with what an ordinary user may do.

use std::path::{Path, PathBuf};

use handoff_import::{Error, Rules, Staging, UntarOptions, apply_attributes, untar};
use proptest::prelude::*;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt as _;

use crate::common::archive::{Item, ItemKind, archive};
use crate::common::stacks::Privileges;
use crate::common::{disk, model, stacks};

/// Stages a layer above others, uppermost first.
fn stage(parent: &Path, name: &str, items: &[Item], lower: &[PathBuf]) -> Result<Staging, Error> {
    let staging = Staging::create(parent, name)?;
    let options = UntarOptions {
        is_lowest: lower.is_empty(),
        max_bytes: 1 << 20,
        start_bytes: 1,
        reserve_bytes: 0,
        rules: Rules::default(),
    };
    let done = untar(&archive(items)[..], &staging, options)?;
    apply_attributes(&staging, &done.undescribed, lower, Rules::default())?;
    Ok(staging)
}

fn check(layers: &[Vec<Item>]) -> Result<(), TestCaseError> {
    let scratch = tempfile::tempdir().unwrap();
    let mut trees: Vec<model::Tree> = Vec::new();
    let mut staged: Vec<Staging> = Vec::new();
    for (i, items) in layers.iter().enumerate() {
        let lower: Vec<PathBuf> = staged.iter().rev().map(Staging::path).collect();
        let ours = stage(scratch.path(), &format!("{i}"), items, &lower);
        match (ours, model::unpack(items, &trees)) {
            (Ok(staging), Ok(tree)) => {
                let difference = disk::difference(&disk::of_folder(&staging.path()), &disk::of_model(&tree));
                prop_assert!(difference.is_empty(), "layer {i} of {layers:?}\n{difference}");
                trees.insert(0, tree);
                staged.push(staging);
            }
            // The engine also fails on a folder of a layer below, for a folder that a later entry of this layer removed.
            (Err(Error::Refused { .. }), Err(_)) | (Ok(_), Err("lower layer" | "lower layer's link")) => return Ok(()),
            (ours, theirs) => {
                let theirs = theirs.map(|_| "a tree");
                prop_assert!(false, "layer {i} of {layers:?}\nours {ours:?}, model's {theirs:?}");
            }
        }
    }
    drop(staged);
    prop_assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn stacks_become_the_trees_of_the_model(seed: u64) {
        check(&stacks::stack(seed, Privileges::User))?;
    }

    #[test]
    fn stacks_that_the_model_accepts_are_not_refused(seed: u64) {
        let (layers, trees) = stacks::accepted_stack(seed, Privileges::User);
        check(&layers)?;
        prop_assert_eq!(layers.len(), trees.len());
    }
}

#[test]
fn undescribed_folder_takes_what_the_layer_below_has() {
    let mut folder = Item::folder("a").attribute("user.one", b"1");
    folder.mode = 0o2750;
    let lower = vec![folder, Item::file("a/x", "")];
    check(&[lower.clone(), vec![Item::file("a/b/c/y", "")]]).unwrap();
    // The described folder keeps the attribute that its entry does not replace.
    check(&[lower, vec![Item::file("a/y", ""), Item::folder("a").attribute("user.two", b"2")]]).unwrap();
}

#[test]
fn entry_below_a_removed_folder_of_a_layer_below_is_left_to_the_engine() {
    let layers = [vec![Item::folder("a")], vec![Item::file(".wh.a", "")], vec![Item::file("a/b/c", "")]];
    check(&layers).unwrap();
    assert!(model::unpack(&layers[0], &[]).is_ok());
    let link = Item::new("a", ItemKind::Symlink("b".to_owned()));
    check(&[vec![link], vec![Item::file("a/b", "")]]).unwrap();
}

#[test]
fn accepted_stacks_have_every_kind_of_entry() {
    let mut kinds = BTreeSet::new();
    for seed in 0..80 {
        let (layers, trees) = stacks::accepted_stack(seed, Privileges::Root);
        kinds.insert(if layers.windows(2).any(|w| w[0] == w[1] && !w[0].is_empty()) { "equal layers" } else { "" });
        for (i, items) in layers.iter().enumerate() {
            kinds.insert(if items.is_empty() { "empty layer" } else { "" });
            let tree = &trees[trees.len() - 1 - i];
            let named: BTreeSet<&str> = items.iter().map(|item| item.name.trim_start_matches(['.', '/'])).collect();
            kinds.insert(if named.len() < items.len() { "entry twice" } else { "" });
            let is_undescribed =
                |path: &&String| !named.contains(&path[..]) && tree.nodes[tree.paths[*path]].mode == 0o755;
            kinds.insert(if tree.paths.keys().any(|p| is_undescribed(&p)) { "undescribed" } else { "" });
            for item in items {
                let name = item.name.rsplit('/').next().unwrap();
                kinds.insert(match &item.kind {
                    _ if name == ".wh..wh..opq" => {
                        if i == 0 {
                            "lowest opaque"
                        } else {
                            "opaque"
                        }
                    }
                    _ if name.starts_with(".wh.") => {
                        if i == 0 {
                            "lowest whiteout"
                        } else {
                            "whiteout"
                        }
                    }
                    ItemKind::File(_) => "file",
                    ItemKind::Folder if item.mode & 0o2000 != 0 => "setgid folder",
                    ItemKind::Folder => "folder",
                    ItemKind::Symlink(_) => "symlink",
                    ItemKind::HardLink(_) => "hard link",
                    ItemKind::Character(..) => "character",
                    ItemKind::Block(..) => "block",
                    ItemKind::Fifo => "fifo",
                });
                let capability = item.attributes.iter().any(|(name, _)| name == "security.capability");
                kinds.insert(if capability { "capability" } else { "" });
                kinds.insert(if item.modified.0 < 0 { "before 1970" } else { "" });
            }
        }
    }
    let expected = [
        "",
        "before 1970",
        "block",
        "capability",
        "character",
        "empty layer",
        "entry twice",
        "equal layers",
        "file",
        "folder",
        "hard link",
        "lowest opaque",
        "lowest whiteout",
        "opaque",
        "setgid folder",
        "symlink",
        "undescribed",
        "whiteout",
    ];
    assert_eq!(kinds.into_iter().collect::<Vec<_>>(), expected);
}

#[test]
fn layer_moves_over_an_empty_folder_and_takes_its_mode() {
    let scratch = tempfile::tempdir().unwrap();
    let staging = stage(scratch.path(), "staging", &[Item::file("a/b", "x")], &[]).unwrap();
    let upper = scratch.path().join("upper");
    std::fs::create_dir(&upper).unwrap();
    std::fs::set_permissions(&upper, std::fs::Permissions::from_mode(0o711)).unwrap();
    staging.move_over(&upper).unwrap();
    assert_eq!(std::fs::read(upper.join("a/b")).unwrap(), b"x");
    assert_eq!(std::fs::metadata(&upper).unwrap().permissions().mode() & 0o7777, 0o711);
    assert!(!scratch.path().join("staging").exists());
    // A folder with something in it is no prepared snapshot.
    let staging = stage(scratch.path(), "staging", &[Item::file("a/c", "x")], &[]).unwrap();
    let error = staging.move_over(&upper).unwrap_err();
    assert!(matches!(error, Error::System { .. }), "{error}");
    assert!(!upper.join("a/c").exists() && !scratch.path().join("staging").exists());
}
