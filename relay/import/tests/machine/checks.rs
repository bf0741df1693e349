//! Checks of imported images against docker and ctr.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use handoff_containerd::{Digest, Lease, Store, timeouts};
use handoff_import::{FailureKind, Helper, ImportError, Imported, import_image};
use tokio::sync::Notify;

use crate::common::archive::{Item, ItemKind, archive};
use crate::common::disk;
use crate::image::{Packed, TestImage};
use crate::rig::Rig;

const NAME: &str = "app:1";
/// Calls of the store after which the helper is killed. The test's image takes 32: the last two are record and release.
const KILLED_AFTER: [usize; 21] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30, RECORDED];
/// Calls up to the record.
const RECORDED: usize = 31;

/// Program of the helper.
pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_handoff-import-helper"))
}

/// The helper's program under a name that tells it what to do.
fn program_named(rig: &Rig, name: &str) -> PathBuf {
    let (copy, link) = (rig.root.join("helper"), rig.root.join(name));
    if !copy.exists() {
        std::fs::copy(program(), &copy).unwrap();
    }
    let _ = std::fs::hard_link(copy, &link);
    link
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
        Self { inspect, history: rig.docker(&["history", "--no-trunc", name]), saved, status: rig.run(name), images }
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

pub fn helper_killed_at_any_call_leaves_nothing_that_lasts(rig: &Rig) {
    let mut cleaned = 0;
    for (n, calls) in KILLED_AFTER.into_iter().enumerate() {
        // Equal first layers: what a killed import left must not be taken for complete.
        let image = TestImage::usual(&format!("killed {calls}"));
        let killed = program_named(rig, &format!("kill-{calls}"));
        let error = rig.runtime.block_on(async {
            let mut helper = start(rig, &killed).await;
            import(&mut helper, &image, NAME).await.unwrap_err()
        });
        assert_eq!(error.kind, FailureKind::Store, "{error}");
        assert!(error.reason.contains("signal: 9"), "{calls}: {error}");
        assert_eq!(rig.docker(&["image", "ls", "--quiet"]).is_empty(), calls < RECORDED, "{calls}");
        if calls == RECORDED {
            // What is visible is whole.
            assert_eq!(rig.run(NAME), Some(7));
        } else if n % 2 == 0 {
            cleaned += rig.runtime.block_on(rig.store.clean(false)).unwrap();
            rig.collect();
            rig.assert_empty();
        }
        rig.runtime.block_on(async {
            let mut helper = start(rig, &program()).await;
            cleaned += helper.facts().cleaned;
            import(&mut helper, &image, NAME).await.unwrap();
            helper.stop().await;
        });
        assert_eq!(rig.run(NAME), Some(7), "{calls}");
        remove(rig, NAME);
    }
    // The first one is killed before it takes a lease.
    assert_eq!(cleaned, KILLED_AFTER.len() - 1);
}

pub fn parent_that_ends_leaves_nothing(rig: &Rig) {
    let image = TestImage::usual("abandoned");
    rig.runtime.block_on(async {
        let mut helper = start(rig, &program()).await;
        let process = helper.process().unwrap();
        let work = import_image(&mut helper, image.spec(NAME), |_| {
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            // A transfer that never goes on.
            std::mem::forget(sender);
            receiver
        });
        assert!(tokio::time::timeout(Duration::from_millis(700), work).await.is_err());
        drop(helper);
        while Path::new(&format!("/proc/{process}/exe")).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    rig.collect();
    rig.assert_empty();
}

pub fn failed_transfer_leaves_nothing_and_says_why(rig: &Rig) {
    let image = TestImage::usual("failed");
    rig.runtime.block_on(async {
        let mut helper = start(rig, &program()).await;
        let top = Digest::of(&image.layers[4]);
        let error = import_image(&mut helper, image.spec(NAME), |digest| {
            if *digest != top {
                return image.fetch(digest);
            }
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            sender.try_send(Err(std::io::Error::other("the service is gone"))).unwrap();
            receiver
        });
        let error = error.await.unwrap_err();
        assert_eq!(error.kind, FailureKind::Transfer);
        assert!(error.reason.contains("the service is gone"), "{error}");
        helper.stop().await;
    });
    rig.collect();
    rig.assert_empty();
}

pub fn prune_and_second_import_do_not_disturb(rig: &Rig) {
    let image = TestImage::usual("busy");
    rig.runtime.block_on(async {
        let [mut one, mut two] = [start(rig, &program()).await, start(rig, &program()).await];
        let pruned = Arc::new(Notify::new());
        let last = Digest::of(&image.layers[4]);
        let held = import_image(&mut one, image.spec(NAME), |digest| {
            let (mut stream, pruned, is_last) = (image.fetch(digest), Arc::clone(&pruned), *digest == last);
            let (sender, receiver) = tokio::sync::mpsc::channel(1);
            tokio::spawn(async move {
                if is_last {
                    pruned.notified().await;
                }
                while let Some(piece) = stream.recv().await {
                    let _ = sender.send(piece).await;
                }
            });
            receiver
        });
        let meanwhile = async {
            // The lower layers are committed by then, or are about to be.
            tokio::time::sleep(Duration::from_millis(500)).await;
            tokio::task::block_in_place(|| rig.docker(&["system", "prune", "--all", "--force"]));
            tokio::task::block_in_place(|| rig.collect());
            let second = import(&mut two, &image, "second:1").await;
            pruned.notify_one();
            second
        };
        let (first, second) = tokio::join!(held, meanwhile);
        first.unwrap();
        second.unwrap();
        // Both at once from the start, under one name.
        let image = TestImage::usual("at once");
        let (first, second) = tokio::join!(import(&mut one, &image, "both:1"), import(&mut two, &image, "both:1"));
        first.unwrap();
        second.unwrap();
        one.stop().await;
        two.stop().await;
    });
    rig.collect();
    for name in [NAME, "second:1", "both:1"] {
        assert_eq!(rig.run(name), Some(7), "{name}");
        rig.docker(&["rmi", name]);
    }
    rig.collect();
    rig.assert_empty();
}

pub fn full_disk_is_a_clear_error_and_leaves_nothing(rig: &Rig) {
    // Zeros: the blobs are small, and the trees are not.
    let layer = |n: usize| {
        let zeros = vec![0; 60 << 20];
        (archive(&[Item::new(&format!("zeros-{n}"), ItemKind::File(zeros))]), Packed::Zstd)
    };
    let large = TestImage::new(&[layer(0), layer(1), layer(2)]);
    let small = TestImage::usual("small");
    let no_reserve = program_named(rig, "no-reserve");
    rig.runtime.block_on(async {
        for program in [&program(), &no_reserve] {
            let mut helper = start(rig, program).await;
            let error = import(&mut helper, &large, NAME).await.unwrap_err();
            assert_eq!(error.kind, FailureKind::Store, "{error}");
            assert!(error.reason.contains("space"), "{error}");
            println!("{error}");
            tokio::task::block_in_place(|| rig.collect());
            rig.assert_empty();
        }
        let mut helper = start(rig, &no_reserve).await;
        import(&mut helper, &small, NAME).await.unwrap();
        helper.stop().await;
    });
    assert_eq!(rig.run(NAME), Some(7));
    remove(rig, NAME);
}

pub fn helper_stays_below_its_memory_with_a_large_layer(rig: &Rig) {
    // Half of it compresses, as programs do. Three more layers are unpacked meanwhile.
    let mut state = 1_u64;
    let mut noise = |bytes: usize| -> Vec<u8> {
        let words = (0..bytes / 16).flat_map(|i| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            [state, i as u64 & 0xff].map(u64::to_le_bytes)
        });
        words.flatten().collect()
    };
    let mut layers = vec![(archive(&[Item::new("large", ItemKind::File(noise(256 << 20)))]), Packed::Zstd)];
    for n in 0..3 {
        layers.push((archive(&[Item::new(&format!("more-{n}"), ItemKind::File(noise(32 << 20)))]), Packed::Gzip));
    }
    let image = TestImage::new(&layers);
    drop(layers);
    rig.runtime.block_on(async {
        let mut helper = start(rig, &program()).await;
        import(&mut helper, &image, NAME).await.unwrap();
        let status = std::fs::read_to_string(format!("/proc/{}/status", helper.process().unwrap())).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        println!("peak {peak}");
        let kib: usize = peak.trim().trim_end_matches(" kB").parse().unwrap();
        assert!(kib < 256 << 10, "{kib} KiB");
        helper.stop().await;
    });
    remove(rig, NAME);
}
