//! Labels of content: what holds what, as the engine's own pull writes them.
//!
//! containerd's collector of garbage follows the labels `containerd.io/gc.ref.*` from the image record to the index, the
//! manifest, its blobs, and from the config to the snapshots. Names of labels are those of `images.ChildGCLabels` in
//! containerd. Pull sets `containerd.io/distribution.source.HOST` too; an import does not, because no registry has the blobs.

use std::collections::HashMap;

use serde::Deserialize;

use crate::{ChainId, Digest, Error};

/// Label of a layer's blob with the diff ID. Without it the engine decompresses the blob to learn the diff ID.
const UNCOMPRESSED: &str = "containerd.io/uncompressed";
/// Label of the config with the topmost snapshot, completed by the snapshotter's name.
const SNAPSHOT: &str = "containerd.io/gc.ref.snapshot.overlayfs";
/// Prefix of a label that refers to content.
const CONTENT: &str = "containerd.io/gc.ref.content.";

/// Labels of the blob of a layer.
pub fn of_layer(diff_id: &Digest) -> HashMap<String, String> {
    HashMap::from([(UNCOMPRESSED.to_owned(), diff_id.to_string())])
}

/// Labels of a config, which holds the snapshots of the image. An image without layers holds none.
pub fn of_config(top: Option<&ChainId>) -> HashMap<String, String> {
    top.map(|top| (SNAPSHOT.to_owned(), top.to_string())).into_iter().collect()
}

/// Manifest or index, as far as it refers to content.
#[derive(Deserialize)]
struct Manifest {
    config: Option<Child>,
    // BuildKit writes null for an image without a layer.
    layers: Option<Vec<Child>>,
    manifests: Option<Vec<Child>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Child {
    media_type: String,
    digest: Digest,
}

/// Labels of a manifest or an index, from its bytes.
///
/// An index refers to all its manifests, also to those of other platforms that are not there: pull does the same.
///
/// # Errors
/// The bytes are no manifest and no index.
pub fn of_manifest(bytes: &[u8]) -> Result<HashMap<String, String>, Error> {
    let manifest: Manifest = serde_json::from_slice(bytes).map_err(|e| Error::Manifest(e.to_string()))?;
    let (layers, manifests) = (manifest.layers.unwrap_or_default(), manifest.manifests.unwrap_or_default());
    if manifest.config.is_none() && manifests.is_empty() {
        return Err(Error::Manifest("it names neither a config nor manifests".to_owned()));
    }
    let children = manifest.config.iter().chain(&layers).chain(&manifests);
    let mut labels = HashMap::new();
    let mut counts: HashMap<&str, usize> = HashMap::new();
    for child in children {
        let kind = kind(&child.media_type);
        let key = if kind == "config" {
            format!("{CONTENT}{kind}")
        } else {
            let count = counts.entry(kind).or_default();
            *count += 1;
            format!("{CONTENT}{kind}{}", *count - 1)
        };
        labels.insert(key, child.digest.to_string());
    }
    Ok(labels)
}

/// Part of a label's name for a child. Layers of an attestation have no kind.
fn kind(media_type: &str) -> &'static str {
    match media_type {
        "application/vnd.oci.image.config.v1+json" | "application/vnd.docker.container.image.v1+json" => "config",
        "application/vnd.oci.image.manifest.v1+json" | "application/vnd.docker.distribution.manifest.v2+json" => "m.",
        layer
            if layer.starts_with("application/vnd.oci.image.layer.")
                || layer.starts_with("application/vnd.docker.image.rootfs.") =>
        {
            "l."
        }
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sorted(labels: HashMap<String, String>) -> Vec<(String, String)> {
        let mut labels: Vec<_> = labels.into_iter().collect();
        labels.sort();
        labels
    }

    #[test]
    fn manifest_and_index_refer_to_their_children_as_after_a_pull() {
        let [a, b, c] = [Digest::of(b"a"), Digest::of(b"b"), Digest::of(b"c")];
        let child =
            |kind: &str, digest: &Digest| format!(r#"{{"mediaType":"application/vnd.{kind}","digest":"{digest}"}}"#);
        let manifest = format!(
            r#"{{"config":{},"layers":[{},{},{}]}}"#,
            child("oci.image.config.v1+json", &a),
            child("oci.image.layer.v1.tar+zstd", &b),
            child("docker.image.rootfs.diff.tar.gzip", &c),
            child("in-toto+json", &c),
        );
        let named = |names: &[(&str, &Digest)]| -> Vec<(String, String)> {
            names.iter().map(|(n, d)| (format!("containerd.io/gc.ref.content.{n}"), d.to_string())).collect()
        };
        let labels = of_manifest(manifest.as_bytes()).unwrap();
        assert_eq!(sorted(labels), named(&[("0", &c), ("config", &a), ("l.0", &b), ("l.1", &c)]));

        let empty = format!(r#"{{"config":{},"layers":null}}"#, child("oci.image.config.v1+json", &a));
        assert_eq!(sorted(of_manifest(empty.as_bytes()).unwrap()), named(&[("config", &a)]));

        let entry = child("oci.image.manifest.v1+json", &a);
        let labels = of_manifest(format!(r#"{{"manifests":[{entry},{entry}]}}"#).as_bytes()).unwrap();
        assert_eq!(sorted(labels), named(&[("m.0", &a), ("m.1", &a)]));
    }

    #[test]
    fn json_that_is_no_manifest_is_refused() {
        for bad in ["", "{}", r#"{"layers":[]}"#, r#"{"config":{"mediaType":"a","digest":"sha256:x"}}"#] {
            assert!(of_manifest(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn image_without_layers_holds_no_snapshot() {
        assert!(of_config(None).is_empty());
        let top = ChainId::stack(&[Digest::of(b"a")]).remove(0);
        assert_eq!(of_config(Some(&top))["containerd.io/gc.ref.snapshot.overlayfs"], top.as_str());
    }
}
