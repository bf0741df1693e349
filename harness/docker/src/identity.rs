//! Identity of an image as reported by an engine or a tar. The probe in a container adds the content digest.

use std::path::Path;

use handoff_model::{ImageIdentity, ImageStore};
use serde_json::Value;

use crate::tarball::TarMetadata;
use crate::{Engine, EngineError, capture};

impl Engine {
    /// Identity of an image in the engine: index or manifest digest, config digest, layers.
    ///
    /// # Errors
    /// The engine does not have the image, or its answer cannot be read.
    pub fn identity(&self, image: &str) -> Result<ImageIdentity, EngineError> {
        let what = "docker image inspect";
        let answer = capture(&self.docker(["image", "inspect", image]), what)?;
        let json: Value = serde_json::from_str(&answer).map_err(|e| EngineError::Api(format!("{what}: {e}")))?;
        let text = |pointer: &str| json.pointer(pointer).and_then(Value::as_str).map(str::to_owned);
        let layers = inspected_layers(&json);
        let id = text("/0/Id").ok_or_else(|| EngineError::Api(format!("{image} has no id")))?;
        match self.current_store()? {
            ImageStore::Overlay2 => Ok(ImageIdentity {
                config: Some(id),
                layers,
                notes: vec!["the overlay2 store keeps no index".to_owned()],
                ..ImageIdentity::default()
            }),
            ImageStore::Containerd => {
                // The id of an image without a descriptor is its index.
                let index = text("/0/Descriptor/digest").unwrap_or(id);
                let config = match self.config_below(&index) {
                    Some(config) => config?,
                    None => self.config_in_export(image)?,
                };
                Ok(ImageIdentity { index: Some(index), config: Some(config), layers, ..ImageIdentity::default() })
            }
        }
    }

    /// Config digest below an index or manifest, past attestations; none if the engine's blobs are not readable files.
    fn config_below(&self, digest: &str) -> Option<Result<String, EngineError>> {
        let blob = self.read_blob(digest)?;
        match blob.and_then(|blob| config_or_manifest(digest, &blob)) {
            Ok(BlobReference::Config(config)) => Some(Ok(config)),
            Ok(BlobReference::Manifest(manifest)) => self.config_below(&manifest),
            Err(error) => Some(Err(error)),
        }
    }

    /// Config digest from an export of the image, which is slow: the API reports the digest in no other way.
    fn config_in_export(&self, image: &str) -> Result<String, EngineError> {
        let failed = |e: std::io::Error| EngineError::Api(format!("docker save {image}: {e}"));
        let reader = self.docker(["save", image]).stdin_null().stderr_null().reader().map_err(failed)?;
        let meta = TarMetadata::read_stream(reader).map_err(failed)?;
        meta.config_digest().ok_or_else(|| EngineError::Api(format!("docker save {image}: the tar has no config")))
    }
}

/// Layers in the answer of `docker image inspect`, which omits an empty list.
pub fn inspected_layers(json: &Value) -> Option<Vec<String>> {
    let root = json.pointer("/0/RootFS")?.as_object()?;
    match root.get("Layers") {
        None | Some(Value::Null) => (root.get("Type").and_then(Value::as_str) == Some("layers")).then(Vec::new),
        Some(list) => list.as_array()?.iter().map(|d| d.as_str().map(str::to_owned)).collect(),
    }
}

/// Digest that a blob refers to.
enum BlobReference {
    Config(String),
    Manifest(String),
}

fn config_or_manifest(digest: &str, blob: &[u8]) -> Result<BlobReference, EngineError> {
    let json: Value = serde_json::from_slice(blob).map_err(|e| EngineError::Api(format!("{digest}: {e}")))?;
    if let Some(config) = json.pointer("/config/digest").and_then(Value::as_str) {
        return Ok(BlobReference::Config(config.to_owned()));
    }
    let manifests = json.pointer("/manifests").and_then(Value::as_array).cloned().unwrap_or_default();
    let real = manifests.iter().find(|m| m.pointer("/platform/os").and_then(Value::as_str) != Some("unknown"));
    match real.and_then(|m| m.pointer("/digest")).and_then(Value::as_str) {
        Some(manifest) => Ok(BlobReference::Manifest(manifest.to_owned())),
        None => Err(EngineError::Api(format!("{digest} names no manifest of a platform"))),
    }
}

/// Identity of the image in a docker tar.
///
/// # Errors
/// The file cannot be read, or is no docker tar.
pub fn of_tar(path: &Path) -> Result<ImageIdentity, EngineError> {
    let meta = TarMetadata::read(path)?;
    let (index, config, layers) = (meta.index_digest(), meta.config_digest(), meta.layers());
    if config.is_none() || layers.is_none() {
        let tar = path.display();
        return Err(EngineError::Api(format!("{tar} is not a docker image tar: it has no manifest with a config")));
    }
    let notes = if index.is_none() { vec!["the tar has no index".to_owned()] } else { vec![] };
    Ok(ImageIdentity { index, config, layers, notes, ..ImageIdentity::default() })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn omitted_layers_are_an_empty_list_and_a_missing_field_is_unknown() {
        assert_eq!(inspected_layers(&json!([{"RootFS": {"Type": "layers"}}])), Some(vec![]));
        assert_eq!(inspected_layers(&json!([{"RootFS": {"Type": "layers", "Layers": null}}])), Some(vec![]));
        let one = json!([{"RootFS": {"Type": "layers", "Layers": ["sha256:1"]}}]);
        assert_eq!(inspected_layers(&one), Some(vec!["sha256:1".to_owned()]));
        assert_eq!(inspected_layers(&json!([{}])), None, "an answer without the field is unknown");
    }
}
