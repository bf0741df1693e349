//! Image of two tiny layers, and its import call by call.

use std::collections::HashMap;
use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use bytes::Bytes;
use handoff_containerd::{
    Blob, BlobWriter, ChainId, Containerd, Digest, Error, Image, Lease, SnapshotState, Store, labels,
};
use tar::{EntryType, Header};

use crate::rig::seven;

pub struct TinyImage {
    layers: Vec<Layer>,
    chain: Vec<ChainId>,
    /// Config, manifest, and index if there is one, in the order of writing.
    documents: Vec<(Bytes, HashMap<String, String>)>,
    target: (&'static str, Bytes),
}

struct Layer {
    tar: Vec<u8>,
    blob: Bytes,
    diff_id: Digest,
}

/// Number of calls of an import after the lease: five for each layer, three for each document, and the record.
pub const CALLS: usize = 2 * 5 + 2 * 3 + 1;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const INDEX: &str = "application/vnd.oci.image.index.v1+json";

impl TinyImage {
    /// Image whose layers contain the seed: different seeds share nothing but the first layer's media type.
    pub fn new(seed: &str, with_index: bool) -> Self {
        let layers = [
            (tar(&[("bin/", b"", 0o755), ("bin/seven", &seven(), 0o755), ("seed", seed.as_bytes(), 0o600)]), false),
            (tar(&[("etc/", b"", 0o755), ("etc/seed", seed.as_bytes(), 0o644)]), true),
        ];
        let layers: Vec<Layer> = layers.into_iter().map(|(tar, zipped)| Layer::new(tar, zipped)).collect();
        let diff_ids: Vec<Digest> = layers.iter().map(|l| l.diff_id.clone()).collect();
        let chain = ChainId::stack(&diff_ids);
        let created = "2026-01-01T00:00:00Z";
        let step = format!(r#"{{"created":"{created}","created_by":"layer"}}"#);
        let (a, b, arch) = (&diff_ids[0], &diff_ids[1], if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" });
        let config = format!(
            r#"{{"created":"{created}","architecture":"{arch}","os":"linux","config":{{"Cmd":["/bin/seven"]}},
            "rootfs":{{"type":"layers","diff_ids":["{a}","{b}"]}},"history":[{step},{step}]}}"#
        );
        let described = |kind: &str, bytes: &[u8]| {
            format!(r#"{{"mediaType":"{kind}","digest":"{}","size":{}}}"#, Digest::of(bytes), bytes.len())
        };
        let manifest = format!(
            r#"{{"schemaVersion":2,"mediaType":"{MANIFEST}","config":{},"layers":[{},{}]}}"#,
            described("application/vnd.oci.image.config.v1+json", config.as_bytes()),
            described("application/vnd.oci.image.layer.v1.tar", &layers[0].blob),
            described("application/vnd.oci.image.layer.v1.tar+gzip", &layers[1].blob),
        );
        let index = format!(
            r#"{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{}]}}"#,
            described(MANIFEST, manifest.as_bytes())
        );
        let mut documents = vec![(Bytes::from(config), labels::of_config(chain.last()))];
        let mut target = (MANIFEST, Bytes::from(manifest));
        documents.push((target.1.clone(), labels::of_manifest(&target.1).unwrap()));
        if with_index {
            target = (INDEX, Bytes::from(index));
            documents.push((target.1.clone(), labels::of_manifest(&target.1).unwrap()));
        }
        Self { layers, chain, documents, target }
    }

    pub fn digest(&self) -> Digest {
        Digest::of(&self.target.1)
    }

    pub fn diff_ids(&self) -> Vec<String> {
        self.layers.iter().map(|l| l.diff_id.to_string()).collect()
    }

    fn image(&self, name: &str) -> Image {
        let (media_type, bytes) = (self.target.0.to_owned(), &self.target.1);
        Image { name: name.to_owned(), media_type, digest: Digest::of(bytes), size: bytes.len() as u64 }
    }

    /// Imports the image, but for the release of the lease.
    pub async fn import(&self, store: &Containerd, lease: &Lease, name: &str) {
        assert!(self.import_until(store, lease, name, usize::MAX).await.unwrap());
    }

    /// Makes at most that many calls; false if it stopped early, as if the process had been killed.
    pub async fn import_until(
        &self,
        store: &Containerd,
        lease: &Lease,
        name: &str,
        calls: usize,
    ) -> Result<bool, Error> {
        let mut left = calls;
        macro_rules! stop_or {
            ($call:expr) => {{
                if !take(&mut left) {
                    return Ok(false);
                }
                $call.await?
            }};
        }
        for (height, layer) in self.layers.iter().enumerate() {
            let blob = blob(&layer.blob, labels::of_layer(&layer.diff_id));
            if let Some(mut writer) = stop_or!(store.content(lease, blob)) {
                stop_or!(writer.write(layer.blob.clone()));
                stop_or!(writer.commit());
            }
            let parent = height.checked_sub(1).map(|h| &self.chain[h]);
            if let SnapshotState::Active(snapshot) = stop_or!(store.prepare(lease, &self.chain[height], parent)) {
                assert_eq!(snapshot.lower.len(), height);
                // The layer's tree is made in the staging folder and renamed over the empty one, as an importer does.
                let tree: PathBuf = lease.staging().join(format!("{height}-{}", self.digest()));
                std::fs::create_dir_all(&tree).unwrap();
                pipe("tar", &["-xpf", "-", "-C", tree.to_str().unwrap()], &layer.tar);
                std::fs::rename(&tree, &snapshot.upper).unwrap();
                let upper = snapshot.upper.clone();
                stop_or!(store.commit(lease, snapshot));
                if left > 0 {
                    assert_eq!(store.view(lease, &self.chain[height]).await?.first(), Some(&upper));
                }
            }
        }
        for (bytes, labels) in &self.documents {
            if let Some(mut writer) = stop_or!(store.content(lease, blob(bytes, labels.clone()))) {
                stop_or!(writer.write(bytes.clone()));
                stop_or!(writer.commit());
            }
        }
        stop_or!(store.record(lease, &self.image(name)));
        Ok(true)
    }
}

impl Layer {
    fn new(tar: Vec<u8>, zipped: bool) -> Self {
        let blob = if zipped { pipe("gzip", &["-nc"], &tar) } else { tar.clone() };
        Self { diff_id: Digest::of(&tar), blob: blob.into(), tar }
    }
}

/// Counts a call; false if none is left.
fn take(left: &mut usize) -> bool {
    left.checked_sub(1).map(|less| *left = less).is_some()
}

/// Lease of a minute.
pub async fn lease(store: &Containerd) -> Lease {
    store.lease(Duration::from_mins(1)).await.unwrap()
}

pub fn blob(bytes: &[u8], labels: HashMap<String, String>) -> Blob {
    Blob { digest: Digest::of(bytes), size: bytes.len() as u64, labels }
}

fn tar(entries: &[(&str, &[u8], u32)]) -> Vec<u8> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, bytes, mode) in entries {
        let mut header = Header::new_ustar();
        header.set_entry_type(if name.ends_with('/') { EntryType::Directory } else { EntryType::Regular });
        header.set_mode(*mode);
        header.set_mtime(1_700_000_000);
        header.set_size(bytes.len() as u64);
        tar.append_data(&mut header, name, *bytes).unwrap();
    }
    tar.into_inner().unwrap()
}

/// Standard output of a program for an input that fits into a pipe.
fn pipe(program: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program).args(args).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{program}");
    output.stdout
}
