//! References of manifests: blobs and manifests that must have been pushed before.

use std::collections::BTreeMap;

use serde_json::Value;

use crate::digest::Digest;
use crate::index::Manifest;

/// Media type of an index.
pub(crate) const INDEX: &str = "application/vnd.oci.image.index.v1+json";

/// References of a manifest or index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct References {
    /// Blobs: config and layers.
    pub(crate) blobs: Vec<Digest>,
    /// Other manifests. Those of other platforms may be missing.
    pub(crate) manifests: Vec<Digest>,
    /// Layers whose licence keeps them out of registries.
    pub(crate) foreign: Vec<Digest>,
    /// Manifest that this one is about. It may be missing.
    pub(crate) subject: Option<Digest>,
}

fn digest(value: &Value) -> Option<Digest> {
    value.get("digest")?.as_str()?.parse().ok()
}

/// Parses the references of a manifest.
pub(crate) fn references(text: &[u8]) -> Result<References, String> {
    let json: Value = serde_json::from_slice(text).map_err(|e| format!("the manifest is no JSON: {e}"))?;
    if json.get("schemaVersion").and_then(Value::as_u64) != Some(2) {
        return Err("the schemaVersion is not 2: push an OCI image or a Docker schema 2 image".to_owned());
    }
    let list = |name: &str| json.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let mut found = References::default();
    for layer in json.get("config").into_iter().cloned().chain(list("layers")) {
        let digest = digest(&layer).ok_or("a descriptor has no digest")?;
        let media_type = layer.get("mediaType").and_then(Value::as_str).unwrap_or_default();
        if media_type.contains("foreign") || media_type.contains("nondistributable") {
            found.foreign.push(digest);
        } else {
            found.blobs.push(digest);
        }
    }
    found.subject = json.get("subject").and_then(digest);
    for manifest in list("manifests") {
        found.manifests.push(digest(&manifest).ok_or("a descriptor has no digest")?);
    }
    Ok(found)
}

/// Finds the config of an image, also below an index; skips attestations.
pub(crate) fn config_of(top: &Digest, manifests: &BTreeMap<Digest, Manifest>) -> Option<Digest> {
    let json: Value = serde_json::from_str(&manifests.get(top)?.text).ok()?;
    if let Some(config) = json.get("config") {
        return digest(config);
    }
    let real = |m: &&Value| m.pointer("/platform/os").and_then(Value::as_str) != Some("unknown");
    let below = json.get("manifests")?.as_array()?.iter().filter(real);
    below.filter_map(digest).find(|d| manifests.contains_key(d)).and_then(|d| config_of(&d, manifests))
}

/// Whether an engine may run the manifest of this descriptor in an index. Attestations have the platform `unknown/unknown`.
pub(crate) fn is_runnable(descriptor: &Value) -> bool {
    let os = descriptor.pointer("/platform/os").and_then(Value::as_str);
    os != Some("unknown") && descriptor.pointer("/annotations/vnd.docker.reference.type").is_none()
}

/// Whether a text is an index without a manifest that an engine may run.
pub(crate) fn is_empty_index(text: &str) -> bool {
    let json: Value = serde_json::from_str(text).unwrap_or_default();
    let manifests = json.get("manifests").and_then(Value::as_array);
    json.get("config").is_none() && !manifests.is_some_and(|all| all.iter().any(is_runnable))
}

/// Index of the manifests that are about `subject`, as JSON.
pub(crate) fn referrers(subject: &Digest, manifests: &BTreeMap<Digest, Manifest>) -> String {
    let about = manifests.iter().filter_map(|(digest_of_manifest, manifest)| {
        let json: Value = serde_json::from_str(&manifest.text).ok()?;
        if json.get("subject").and_then(digest).as_ref() != Some(subject) {
            return None;
        }
        let mut found = serde_json::json!({
            "mediaType": manifest.media_type,
            "digest": digest_of_manifest.as_str(),
            "size": manifest.text.len(),
        });
        let artifact_type = json.get("artifactType").or_else(|| json.pointer("/config/mediaType"));
        for (name, value) in [("artifactType", artifact_type), ("annotations", json.get("annotations"))] {
            if let Some(value) = value {
                found[name] = value.clone();
            }
        }
        Some(found)
    });
    serde_json::json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": about.collect::<Vec<_>>() }).to_string()
}

/// Digests of the uncompressed layers in a config.
pub(crate) fn layers_of(config: &[u8]) -> Option<Vec<String>> {
    let json: Value = serde_json::from_slice(config).ok()?;
    match json.get("rootfs")?.as_object()?.get("diff_ids") {
        // Builders write null for an image without a layer.
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(|l| l.as_str().map(str::to_owned)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn d(text: &str) -> Digest {
        Digest::of(text.as_bytes())
    }

    fn image(config: &str, layer_type: &str) -> String {
        format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{}"}},"layers":[{{"mediaType":"{layer_type}","digest":"{}"}}]}}"#,
            d(config),
            d("layer")
        )
    }

    #[test]
    fn references_of_a_manifest_are_found_and_foreign_layers_separated() {
        let found = references(image("c", "application/vnd.oci.image.layer.v1.tar+zstd").as_bytes()).unwrap();
        assert_eq!(found.blobs, [d("c"), d("layer")]);
        let foreign = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
        let found = references(image("c", foreign).as_bytes()).unwrap();
        assert_eq!((found.blobs, found.foreign), (vec![d("c")], vec![d("layer")]));
        for bad in ["", "{}", r#"{"schemaVersion":1}"#, r#"{"schemaVersion":2,"config":{}}"#] {
            assert!(references(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn config_is_found_below_an_index_with_attestations() {
        let index = format!(
            r#"{{"schemaVersion":2,"manifests":[{{"digest":"{}","platform":{{"os":"unknown"}}}},{{"digest":"{}","platform":{{"os":"linux"}}}}]}}"#,
            d("attestation"),
            d("image")
        );
        let manifest = |text: String| Manifest { media_type: String::new(), text };
        let all = BTreeMap::from([
            (d("index"), manifest(index)),
            (d("image"), manifest(image("c", ""))),
            (d("attestation"), manifest(image("a", ""))),
        ]);
        assert_eq!(config_of(&d("index"), &all), Some(d("c")));
        assert_eq!(layers_of(br#"{"rootfs":{"diff_ids":["sha256:1"]}}"#).unwrap(), ["sha256:1"]);
        for none in [r#"{"rootfs":{"diff_ids":[]}}"#, r#"{"rootfs":{"type":"layers","diff_ids":null}}"#] {
            assert_eq!(layers_of(none.as_bytes()).unwrap().len(), 0, "an image of no layer");
        }
    }
}
