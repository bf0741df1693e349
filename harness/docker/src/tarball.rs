//! Metadata of an image tar: index, manifest and config, read without unpacking layers.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde_json::Value;

use crate::EngineError;

/// Largest size of a metadata file in bytes. Larger files are layers.
const MAX_METADATA_BYTES: u64 = 4 << 20;

/// JSON files of a tar by name: `manifest.json`, `index.json`, and the manifests and configs among the blobs.
#[derive(Debug, Default)]
pub struct TarMetadata(BTreeMap<String, Value>);

impl TarMetadata {
    /// Reads a tar's metadata and seeks past its layers.
    ///
    /// # Errors
    /// The file cannot be read, or is no tar.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let mut archive = tar::Archive::new(File::open(path).map_err(EngineError::io("open", path))?);
        Self::collect(archive.entries_with_seek().map_err(EngineError::io("read", path))?)
            .map_err(EngineError::io("read", path))
    }

    /// Reads a tar's metadata from a stream and discards its layers.
    ///
    /// # Errors
    /// The stream cannot be read, or is no tar.
    pub fn read_stream(reader: impl Read) -> std::io::Result<Self> {
        Self::collect(tar::Archive::new(reader).entries()?)
    }

    fn collect<R: Read>(entries: tar::Entries<'_, R>) -> std::io::Result<Self> {
        let mut files = BTreeMap::new();
        for entry in entries {
            let mut entry = entry?;
            if !entry.header().entry_type().is_file() || entry.size() > MAX_METADATA_BYTES {
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

/// Layers that a config names. The list of an image without layers (`FROM scratch` and `LABEL`) is null or missing, which
/// means empty, not unknown.
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
    fn null_or_missing_layers_are_an_empty_list() {
        assert_eq!(diff_ids(&json!({"rootfs": {"type": "layers", "diff_ids": null}})), Some(vec![]));
        assert_eq!(diff_ids(&json!({"rootfs": {"type": "layers"}})), Some(vec![]));
        assert_eq!(diff_ids(&json!({"rootfs": {"diff_ids": ["sha256:1"]}})), Some(vec!["sha256:1".to_owned()]));
        for unknown in [json!({}), json!({"rootfs": null}), json!({"rootfs": {"diff_ids": [1]}})] {
            assert_eq!(diff_ids(&unknown), None, "{unknown}");
        }
    }
}
