//! Every layer of generated stacks, with attributes, as containerd and as this crate unpack it.

use std::path::PathBuf;

use handoff_import::{Encoding, Error, ImportLimits, LayerSpec, NoBlob, Rules, Staging, apply_attributes, stage_layer};

use crate::common::archive::{Item, archive};
use crate::common::stacks::{Privileges, accepted_stack};
use crate::common::{disk, model};
use crate::containerd::{Blob, Containerd, LAYER_TYPE};

/// Stacks that must be equal.
const STACKS: u64 = 240;
/// Stacks in which each missing rule must show.
const RULE_STACKS: u64 = 80;

struct Image {
    layers: Vec<Blob>,
    /// Uppermost first, as the engine lists folders.
    trees: Vec<model::Tree>,
}

impl Image {
    fn generate(seed: u64) -> Self {
        let (layers, trees) = accepted_stack(seed, Privileges::Root);
        Self { layers: layers.iter().map(|items: &Vec<Item>| Blob::new(archive(items))).collect(), trees }
    }
}

pub fn stage(engine: &Containerd, layers: &[Blob], rules: Rules) -> Result<Vec<Staging>, Error> {
    let mut staged: Vec<Staging> = Vec::new();
    for (i, layer) in layers.iter().enumerate() {
        let size = layer.data.len() as u64;
        let spec = LayerSpec {
            encoding: Encoding::of_media_type(LAYER_TYPE)?,
            digest: layer.digest.clone(),
            blob_bytes: size,
            diff_id: layer.digest.clone(),
            plain_bytes: size,
            is_lowest: i == 0,
        };
        let limits = ImportLimits { reserve_bytes: 0, rules, ..ImportLimits::default() };
        let staging = Staging::create(engine.staging(), &format!("staging-{i}"))?;
        let done = stage_layer(&spec, &layer.data[..], &mut NoBlob, &staging, &limits)?;
        let lower: Vec<PathBuf> = staged.iter().rev().map(Staging::path).collect();
        apply_attributes(&staging, &done.untarred.undescribed, &lower, rules)?;
        staged.push(staging);
    }
    Ok(staged)
}

fn images(engine: &Containerd, count: u64) -> Vec<Image> {
    let images: Vec<Image> = (0..count).map(Image::generate).collect();
    let blobs: Vec<Vec<Blob>> =
        images.iter().map(|i| i.layers.iter().map(|l| Blob::new(l.data.clone())).collect()).collect();
    engine.import(&blobs);
    images
}

#[test]
fn generated_stacks_are_unpacked_as_containerd_does() {
    let engine = Containerd::start();
    for (seed, image) in images(&engine, STACKS).iter().enumerate() {
        let theirs = engine.layer_folders(&format!("view-{seed}"), &image.layers);
        let ours = stage(&engine, &image.layers, Rules::default()).unwrap_or_else(|e| panic!("stack {seed}: {e}"));
        assert_eq!(ours.len(), theirs.len());
        for (i, (ours, (theirs, tree))) in ours.iter().rev().zip(theirs.iter().zip(&image.trees)).enumerate() {
            let theirs = disk::of_folder(theirs);
            let model = disk::difference(&disk::of_model(tree), &theirs);
            assert!(model.is_empty(), "stack {seed}, layer {i} from the top, model against containerd\n{model}");
            let ours = disk::difference(&disk::of_folder(&ours.path()), &theirs);
            assert!(ours.is_empty(), "stack {seed}, layer {i} from the top\n{ours}");
        }
    }
}

#[test]
fn each_missing_rule_is_noticed() {
    let engine = Containerd::start();
    let images = images(&engine, RULE_STACKS);
    let theirs: Vec<Vec<disk::Lines>> = images
        .iter()
        .enumerate()
        .map(|(i, image)| {
            let folders = engine.layer_folders(&format!("view-{i}"), &image.layers);
            folders.iter().map(|f| disk::of_folder(f)).collect()
        })
        .collect();
    for rule in 0..Rules::COUNT {
        let differs = images.iter().zip(&theirs).filter(|(image, theirs)| {
            let ours = stage(&engine, &image.layers, Rules::without(rule)).unwrap();
            ours.iter().rev().map(|s| disk::of_folder(&s.path())).ne(theirs.iter().cloned())
        });
        let count = differs.count();
        println!("rule {rule}: {count} of {RULE_STACKS} stacks differ without it");
        assert!(count > 0, "no stack shows rule {rule}");
    }
}
