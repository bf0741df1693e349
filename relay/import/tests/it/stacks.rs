//! Generated stacks of layers against the model, with what an ordinary user may do.

use std::path::{Path, PathBuf};

use handoff_import::{Error, Rules, Staging, UntarOptions, apply_attributes, untar};
use proptest::prelude::*;

use crate::common::archive::{Item, ItemKind, archive};
use crate::common::stacks::Privileges;
use crate::common::{disk, model, stacks};

/// Stages a layer above others, uppermost first.
fn stage(parent: &Path, name: &str, items: &[Item], lower: &[PathBuf]) -> Result<Staging, Error> {
    let staging = Staging::create(parent, name)?;
    let options =
        UntarOptions { is_lowest: lower.is_empty(), max_bytes: 1 << 20, reserve_bytes: 0, rules: Rules::default() };
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
            (Err(Error::Refused { .. }), Err(_)) => return Ok(()),
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
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

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
