//! Checks of the store against docker and ctr.

use std::collections::HashMap;
use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use handoff_containerd::{BlobWriter, ChainId, Digest, SnapshotState, Store, full_name};

use crate::image::{CALLS, TinyImage, blob, lease};
use crate::rig::{Rig, open};

const NAME: &str = "app:1";

fn full() -> String {
    full_name(NAME).unwrap()
}

pub fn complete_image_behaves_as_a_pulled_one(rig: &Rig) {
    let image = TinyImage::new("complete", false);
    rig.assert_empty();
    rig.runtime.block_on(async {
        let lease = lease(&rig.store).await;
        image.import(&rig.store, &lease, &full()).await;
        rig.store.release(&lease, true).await.unwrap();
    });
    rig.collect();
    // An engine that misses a snapshot unpacks the blobs again, which no later step would show.
    let kept = rig.contents();
    let count = |kind: &str| kept.iter().filter(|line| line.starts_with(kind)).count();
    assert_eq!(["images", "content", "snapshots", "leases", "folder"].map(count), [1, 4, 2, 0, 2], "{kept:#?}");
    let format = "{{.Id}} {{.Config.Cmd}} {{range .RootFS.Layers}}{{.}} {{end}}";
    let expected = format!("{} [/bin/seven] {}", image.digest(), image.diff_ids().join(" "));
    assert_eq!(rig.docker(&["image", "inspect", "--format", format, NAME]).trim(), expected);
    assert_eq!(rig.docker(&["image", "ls", "--quiet", "--no-trunc"]).trim(), image.digest().as_str());
    assert_eq!(rig.docker(&["history", "--quiet", NAME]).lines().count(), 2);
    assert_eq!(rig.run(NAME), Some(7));
    rig.docker(&["image", "prune", "--force"]);

    let tar = rig.root.join("saved.tar");
    rig.docker(&["save", "--output", tar.to_str().unwrap(), NAME]);
    let mut saved = tar::Archive::new(std::fs::File::open(&tar).unwrap());
    let names: Vec<String> =
        saved.entries().unwrap().map(|e| e.unwrap().path().unwrap().display().to_string()).collect();
    // Two layers, config and manifest; docker may add its own copy of the manifest.
    assert!(names.iter().filter(|n| n.starts_with("blobs/sha256/") && n.len() > 70).count() >= 4, "{names:?}");

    rig.docker(&["rmi", NAME]);
    rig.collect();
    rig.assert_empty();
}

pub fn index_replaces_an_image_which_becomes_dangling(rig: &Rig) {
    let [first, second] = [TinyImage::new("first", false), TinyImage::new("second", true)];
    rig.runtime.block_on(async {
        for image in [&first, &second, &second] {
            let lease = lease(&rig.store).await;
            image.import(&rig.store, &lease, &full()).await;
            rig.store.release(&lease, true).await.unwrap();
        }
    });
    let mut records: Vec<String> = rig.ctr(&["images", "ls", "-q"]).lines().map(str::to_owned).collect();
    records.sort();
    assert_eq!(records, [full(), format!("moby-dangling@{}", first.digest())]);
    assert_eq!(rig.run(first.digest().as_str()), Some(7));
    assert_eq!(rig.docker(&["image", "inspect", "--format", "{{.Id}}", NAME]).trim(), second.digest().as_str());
    rig.docker(&["image", "prune", "--force"]);
    assert_eq!(rig.ctr(&["images", "ls", "-q"]).trim(), full());
    rig.docker(&["rmi", NAME]);
    rig.collect();
    rig.assert_empty();
}

pub fn renewed_lease_outlives_the_first(rig: &Rig) {
    let bytes = Bytes::from(vec![7; 9 << 20]);
    let chain = ChainId::stack(&[Digest::of(b"layer")]).remove(0);
    rig.runtime.block_on(async {
        let lease = lease(&rig.store).await;
        let first = lease.id();
        let SnapshotState::Active(snapshot) = rig.store.prepare(&lease, &chain, None).await.unwrap() else { panic!() };
        let mut writer = rig.store.content(&lease, blob(&bytes, HashMap::new())).await.unwrap().unwrap();
        writer.write(bytes.slice(..5 << 20)).await.unwrap();
        rig.store.renew(&lease).await.unwrap();
        assert_ne!(lease.id(), first);
        // What happens at the end of its time.
        rig.ctr(&["leases", "delete", "--sync", &first]);
        std::fs::write(lease.staging().join("x"), "").unwrap();
        writer.write(bytes.slice(5 << 20..)).await.unwrap();
        writer.commit().await.unwrap();
        rig.store.commit(&lease, snapshot).await.unwrap();
        rig.collect();
        let again = rig.store.content(&lease, blob(&bytes, HashMap::new())).await.unwrap();
        assert!(again.is_none(), "the content was collected");
        assert_eq!(rig.store.prepare(&lease, &chain, None).await.unwrap(), SnapshotState::Committed);
        rig.store.release(&lease, true).await.unwrap();
    });
    rig.assert_empty();
}

pub fn stopped_imports_leave_nothing_after_expiry(rig: &Rig) {
    rig.runtime.block_on(async {
        for calls in 0..CALLS {
            let lease = rig.store.lease(Duration::from_secs(3)).await.unwrap();
            let image = TinyImage::new(&format!("stopped {calls}"), false);
            // The lease may expire meanwhile on a slow machine, which is an end like any other.
            let done = image.import_until(&rig.store, &lease, &full(), calls).await;
            assert!(!matches!(done, Ok(true)), "{calls} calls complete an import");
        }
        // Damaged and abandoned content.
        let lease = lease(&rig.store).await;
        let wrong = handoff_containerd::Blob { digest: Digest::of(b"right"), ..blob(b"wrong", HashMap::new()) };
        let mut writer = rig.store.content(&lease, wrong).await.unwrap().unwrap();
        writer.write(Bytes::from_static(b"wrong")).await.unwrap();
        let error = writer.commit().await.unwrap_err();
        assert!(matches!(error, handoff_containerd::Error::Damaged { .. }), "{error}");
        let mut writer = rig.store.content(&lease, blob(b"abandoned", HashMap::new())).await.unwrap().unwrap();
        writer.write(Bytes::from_static(b"aban")).await.unwrap();
        writer.abort().await.unwrap();
        rig.store.release(&lease, true).await.unwrap();
    });
    std::thread::sleep(Duration::from_millis(3100));
    rig.collect();
    rig.assert_empty();
}

pub fn clean_keeps_running_imports(rig: &Rig) {
    let child = std::env::current_exe().unwrap();
    let args = ["--ignored", "--exact", "child_that_leaves_an_import"];
    crate::output(&duct::cmd(child, args).env("RIG", &rig.root));
    let image = TinyImage::new("running", false);
    rig.runtime.block_on(async {
        let lease = lease(&rig.store).await;
        assert!(!image.import_until(&rig.store, &lease, &full(), 6).await.unwrap());
        assert_eq!(rig.store.clean(false).await.unwrap(), 1);
        image.import(&rig.store, &lease, &full()).await;
        assert_eq!(rig.store.clean(true).await.unwrap(), 1);
    });
    rig.docker(&["rmi", NAME]);
    rig.collect();
    rig.assert_empty();
}

/// Begins an import that nobody completes.
pub fn leave_an_import(root: &Path) {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let store = open(root).await;
        let lease = lease(&store).await;
        assert!(!TinyImage::new("left", false).import_until(&store, &lease, &full(), 7).await.unwrap());
    });
}

pub fn second_import_and_prune_do_not_disturb(rig: &Rig) {
    let image = TinyImage::new("twice", false);
    rig.runtime.block_on(async {
        let [one, two] = [lease(&rig.store).await, lease(&rig.store).await];
        assert!(!image.import_until(&rig.store, &one, &full(), 9).await.unwrap());
        rig.docker(&["system", "prune", "--all", "--force"]);
        rig.collect();
        image.import(&rig.store, &two, &full()).await;
        rig.store.release(&two, true).await.unwrap();
        image.import(&rig.store, &one, &full()).await;
        rig.store.release(&one, true).await.unwrap();
    });
    rig.collect();
    assert_eq!(rig.run(NAME), Some(7));
    rig.docker(&["rmi", NAME]);
    rig.collect();
    rig.assert_empty();
}

/// Comes last: the engine's builder keeps blobs in its history.
pub fn builders_build_from_an_imported_image(rig: &Rig) {
    let image = TinyImage::new("base", false);
    rig.runtime.block_on(async {
        let lease = lease(&rig.store).await;
        image.import(&rig.store, &lease, &full()).await;
        rig.store.release(&lease, true).await.unwrap();
    });
    let context = rig.root.join("context");
    std::fs::create_dir_all(&context).unwrap();
    std::fs::write(context.join("Dockerfile"), format!("FROM {NAME}\nCOPY Dockerfile /added\n")).unwrap();
    for buildkit in ["0", "1"] {
        let build = ["build", "--quiet", "--tag", "derived", context.to_str().unwrap()];
        crate::output(&rig.docker_command(&build).env("DOCKER_BUILDKIT", buildkit));
        assert_eq!(rig.run("derived"), Some(7), "DOCKER_BUILDKIT={buildkit}");
    }
}
