//! Checks of imported images against docker and ctr.

use std::path::{Path, PathBuf};

use handoff_containerd::{Digest, Lease, Store, timeouts};
use handoff_import::{Helper, Imported, ImportError, import_image};

use crate::common::disk;
use crate::image::TestImage;
use crate::rig::Rig;

/// Program of the helper.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_handoff-import-helper"))
}

pub async fn start(rig: &Rig, program: &Path) -> Helper {
    Helper::start(program, &rig.root.join("docker.sock")).await.unwrap()
}

pub async fn import(helper: &mut Helper, image: &TestImage, name: &str) -> Result<Imported, ImportError> {
    import_image(helper, image.spec(name), |digest| image.fetch(digest)).await
}

/// What docker says of an image, and its layers on disk.
#[derive(Debug, PartialEq)]
struct Facts {
    inspect: serde_json::Value,
    history: String,
    saved: Vec<(String, u64)>,
    status: Option<i32>,
    images: String,
}

impl Facts {
    fn of(rig: &Rig, name: &str) -> Self {
        let mut inspect: serde_json::Value = serde_json::from_str(&rig.docker(&["image", "inspect", name])).unwrap();
        // The time at which the name was given.
        inspect[0]["Metadata"] = serde_json::Value::Null;
        let tar = rig.root.join("saved.tar");
        rig.docker(&["save", "--output", tar.to_str().unwrap(), name]);
        let mut saved: Vec<(String, u64)> = tar_entries(&std::fs::read(&tar).unwrap());
        // It names the registry of a pull (`distribution.source`), and an import has none.
        saved.retain(|(name, _)| name != "index.json");
        saved.sort();
        let images = rig.docker(&["image", "ls", "--no-trunc", "--format", "{{.Repository}} {{.ID}} {{.Size}}"]);
        Self {
            inspect,
            history: rig.docker(&["history", "--no-trunc", name]),
            saved,
            status: rig.run(name),
            images,
        }
    }
}

/// Names and sizes of an archive's entries.
fn tar_entries(bytes: &[u8]) -> Vec<(String, u64)> {
    let (mut entries, mut at) = (Vec::new(), 0);
    while bytes.get(at).is_some_and(|b| *b != 0) {
        let text = |from: usize, to: usize| String::from_utf8_lossy(&bytes[at + from..at + to]).into_owned();
        let size = u64::from_str_radix(text(124, 136).trim_matches(['\0', ' ']), 8).unwrap();
        entries.push((text(0, 100).trim_matches('\0').to_owned(), size));
        at += 512 + (size as usize).next_multiple_of(512);
    }
    entries
}

/// Trees of the image's snapshots, lowest first.
fn layers(rig: &Rig, image: &TestImage) -> Vec<disk::Lines> {
    let config: serde_json::Value = serde_json::from_str(&image.config).unwrap();
    let ids = config["rootfs"]["diff_ids"].as_array().unwrap();
    let ids: Vec<Digest> = ids.iter().map(|id| id.as_str().unwrap().parse().unwrap()).collect();
    let top = handoff_containerd::ChainId::stack(&ids).pop().unwrap();
    let folders = rig.runtime.block_on(async {
        let lease: Lease = rig.store.lease(timeouts::LEASE).await.unwrap();
        let folders = rig.store.view(&lease, &top).await.unwrap();
        rig.store.release(&lease, true).await.unwrap();
        folders
    });
    folders.iter().rev().map(|folder| disk::of_folder(folder)).collect()
}

pub fn remove(rig: &Rig, name: &str) {
    rig.docker(&["rmi", name]);
    rig.collect();
    rig.assert_empty();
}

pub fn imported_image_behaves_as_a_pulled_one(rig: &Rig) {
    let image = TestImage::usual("seed");
    let name = image.serve();
    rig.docker(&["pull", "--quiet", &name]);
    let (pulled, theirs) = (Facts::of(rig, &name), layers(rig, &image));
    assert_eq!(pulled.status, Some(7));
    remove(rig, &name);
    rig.runtime.block_on(async {
        let mut helper = start(rig, &program()).await;
        let imported = import(&mut helper, &image, &name).await.unwrap();
        assert_eq!(imported.layers, 5);
        // A second import needs nothing, and one helper makes several.
        let again = import(&mut helper, &image, &name).await.unwrap();
        assert_eq!((again.layers, again.bytes), (0, 0));
        helper.stop().await;
    });
    rig.collect();
    assert_eq!(Facts::of(rig, &name), pulled);
    let ours = layers(rig, &image);
    assert_eq!(ours.len(), theirs.len());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(disk::difference(ours, theirs), "");
    }
    remove(rig, &name);
}
