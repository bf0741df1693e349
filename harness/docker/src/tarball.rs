//! What an image tar says of itself: its own index, manifest and config, read without unpacking layers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::EngineError;

/// Metadata is small; a JSON file above this is a layer in disguise.
const SMALL: u64 = 4 << 20;

/// The small JSON files of a tar, by name: `manifest.json`, `index.json`, manifests and configs among the blobs.
#[derive(Debug, Default)]
pub struct TarMetadata(BTreeMap<String, Value>);

impl TarMetadata {
    /// Reads a tar's headers and small files; layers are skipped by seeking.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let mut archive = tar::Archive::new(File::open(path).map_err(EngineError::io("open", path))?);
        Self::collect(archive.entries_with_seek().map_err(EngineError::io("read", path))?)
            .map_err(EngineError::io("read", path))
    }

    /// Reads a tar as it comes; layers are read and thrown away.
    pub fn read_stream(reader: impl Read) -> std::io::Result<Self> {
        Self::collect(tar::Archive::new(reader).entries()?)
    }

    fn collect<R: Read>(entries: tar::Entries<'_, R>) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in entries {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() || entry.size() > SMALL {
                continue;
            }
            let name = entry.path()?.display().to_string();
            let mut bytes = Vec::new();
            entry.read_to_end(&mut bytes)?;
            if let Ok(value) = serde_json::from_slice::<Value>(&bytes) {
                files.insert(name, value);
            }
        }
        Ok(Self(files))
    }

    /// Digest of the image's index or manifest, from `index.json`.
    pub fn index_digest(&self) -> Option<String> {
        Some(self.0.get("index.json")?.pointer("/manifests/0/digest")?.as_str()?.to_owned())
    }

    /// Digest of the image's config, from `manifest.json`.
    pub fn config_digest(&self) -> Option<String> {
        let path = self.0.get("manifest.json")?.pointer("/0/Config")?.as_str()?;
        let hex = path.rsplit('/').next()?.trim_end_matches(".json");
        Some(format!("sha256:{hex}"))
    }

    /// Digests of the uncompressed layers, from the config.
    pub fn layers(&self) -> Option<Vec<String>> {
        let path = self.0.get("manifest.json")?.pointer("/0/Config")?.as_str()?;
        diff_ids(self.0.get(path)?)
    }
}

/// The layers that a config names. An image without a layer (`FROM scratch` and `LABEL` alone) has a list that is null, or
/// none at all: it is empty, which is known, and not unknown.
pub fn diff_ids(config: &Value) -> Option<Vec<String>> {
    match config.get("rootfs")?.as_object()?.get("diff_ids") {
        None | Some(Value::Null) => Some(Vec::new()),
        Some(list) => list.as_array()?.iter().map(|d| d.as_str().map(str::to_owned)).collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn image_without_a_layer_has_an_empty_list_of_layers() {
        assert_eq!(diff_ids(&json!({"rootfs": {"type": "layers", "diff_ids": null}})), Some(vec![]));
        assert_eq!(diff_ids(&json!({"rootfs": {"type": "layers"}})), Some(vec![]));
        assert_eq!(diff_ids(&json!({"rootfs": {"diff_ids": ["sha256:1"]}})), Some(vec!["sha256:1".to_owned()]));
        for unknown in [json!({}), json!({"rootfs": null}), json!({"rootfs": {"diff_ids": [1]}})] {
            assert_eq!(diff_ids(&unknown), None, "{unknown}");
        }
    }
}
