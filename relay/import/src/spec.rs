//! Image to import: its documents as they were pushed, and what follows from them.

use bytes::Bytes;
use handoff_containerd::{ChainId, Digest, full_name};
use serde::{Deserialize, Serialize};

use crate::failure::ImportError;
use crate::layer::Encoding;

const INDEX_TYPES: [&str; 2] =
    ["application/vnd.oci.image.index.v1+json", "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST_TYPES: [&str; 2] =
    ["application/vnd.oci.image.manifest.v1+json", "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIG_TYPES: [&str; 2] =
    ["application/vnd.oci.image.config.v1+json", "application/vnd.docker.container.image.v1+json"];
/// Most layers of an image. overlayfs takes 500 lower folders at most (Linux, `OVL_MAX_STACK`).
const MAX_LAYERS: usize = 500;

/// Manifest or index as it was pushed, byte for byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Document {
    /// Media type.
    pub media_type: String,
    /// JSON text.
    pub text: String,
}

impl Document {
    /// Digest of the text.
    pub fn digest(&self) -> Digest {
        Digest::of(self.text.as_bytes())
    }

    fn parse(&self) -> Result<Manifest, ImportError> {
        serde_json::from_str(&self.text).map_err(|e| damaged(format!("a manifest is no manifest: {e}")))
    }
}

/// Image to import. Everything in it is verified by digest before anything is written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageSpec {
    /// References to record, such as `app:1` or `ghcr.io/me/app:1`.
    pub references: Vec<String>,
    /// Manifest, or index and manifest, as [`Selection::documents`] has them.
    pub documents: Vec<Document>,
    /// JSON text of the config.
    pub config: String,
}

impl ImageSpec {
    /// Digests of the layers, lowest first.
    ///
    /// # Errors
    /// There is no manifest that is understood.
    pub fn layers(&self) -> Result<Vec<Digest>, ImportError> {
        Ok(manifest_of(&self.documents)?.layers.into_iter().flatten().map(|layer| layer.digest).collect())
    }
}

/// Documents that this machine needs of an image, and the config to fetch for an [`ImageSpec`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    /// Manifest, or index and manifest.
    pub documents: Vec<Document>,
    /// Digest of the config.
    pub config: Digest,
}

impl Selection {
    /// Selects the manifest of this machine's platform, as the engine's pull does. `find` gives documents by digest.
    ///
    /// Attestations and manifests of other platforms are not needed.
    ///
    /// # Errors
    /// A document is missing or damaged, or none is for this platform.
    pub fn of(target: &Digest, find: impl Fn(&Digest) -> Option<Document>) -> Result<Self, ImportError> {
        let get = |digest: &Digest| {
            let found = find(digest).ok_or_else(|| damaged(format!("the manifest {digest} is missing")))?;
            if found.digest() == *digest { Ok(found) } else { Err(damaged(format!("the manifest {digest} differs"))) }
        };
        let top = get(target)?;
        let mut documents = vec![top];
        if is_one_of(&INDEX_TYPES, &documents[0].media_type) {
            let manifest = documents[0].parse()?.manifest_of(machine())?;
            documents.push(get(&manifest)?);
        }
        let config = manifest_of(&documents)?.config;
        let config = config.ok_or_else(|| ImportError::refused("the manifest names no config: pull the image"))?;
        Ok(Self { documents, config: config.digest })
    }
}

#[derive(Deserialize)]
struct Manifest {
    config: Option<Descriptor>,
    // BuildKit writes null for an image without a layer.
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Descriptor {
    media_type: String,
    digest: Digest,
    size: u64,
    platform: Option<Platform>,
}

#[derive(Deserialize)]
struct Platform {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
}

#[derive(Deserialize)]
struct Config {
    os: String,
    architecture: String,
    #[serde(default)]
    variant: String,
    #[serde(default)]
    rootfs: RootFs,
}

#[derive(Default, Deserialize)]
struct RootFs {
    // Builders write null for an image without a layer.
    diff_ids: Option<Vec<Digest>>,
}

impl Manifest {
    /// Manifest for an architecture. containerd takes the first of several equally good ones too.
    fn manifest_of(&self, architecture: &str) -> Result<Digest, ImportError> {
        let fits = |d: &&Descriptor| {
            let platform = d.platform.as_ref();
            platform.is_some_and(|p| is_platform(&p.os, &p.architecture, &p.variant, architecture))
        };
        let found = self.manifests.iter().flatten().find(fits);
        let none = || ImportError::refused(format!("the image has no manifest for linux/{architecture}: pull it"));
        found.map(|d| d.digest.clone()).ok_or_else(none)
    }
}

/// Whether a platform is this machine's. Variants are compared as containerd normalises them (`platforms.Normalize`).
fn is_platform(os: &str, architecture: &str, variant: &str, wanted: &str) -> bool {
    let usual = match wanted {
        "arm64" => ["", "8", "v8"].contains(&variant),
        _ => ["", "v1"].contains(&variant),
    };
    os == "linux" && architecture == wanted && usual
}

/// Architecture of this machine in Go's words.
fn machine() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

fn is_one_of(types: &[&str], media_type: &str) -> bool {
    types.contains(&media_type)
}

fn damaged(why: impl std::fmt::Display) -> ImportError {
    ImportError::transfer(format!("{why}; send the image again"))
}

/// Manifest at the end of the documents.
fn manifest_of(documents: &[Document]) -> Result<Manifest, ImportError> {
    let document = documents.last().ok_or_else(|| damaged("there is no manifest"))?;
    if !is_one_of(&MANIFEST_TYPES, &document.media_type) {
        let why = format!("{:?} is no manifest that is understood: pull the image", document.media_type);
        return Err(ImportError::refused(why));
    }
    document.parse()
}

/// Layer of an image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Layer {
    pub digest: Digest,
    pub size: u64,
    pub encoding: Encoding,
    pub diff_id: Digest,
    pub chain: ChainId,
}

/// Image whose parts fit together.
#[derive(Clone, Debug)]
pub(crate) struct Image {
    /// Full names to record.
    pub names: Vec<String>,
    /// Lowest first.
    pub layers: Vec<Layer>,
    pub config: Bytes,
    /// Digest, media type and bytes of the manifest, or of index and manifest.
    pub documents: Vec<(Digest, String, Bytes)>,
}

impl Image {
    /// Checks a spec and reads it.
    ///
    /// # Errors
    /// Parts do not fit together, or are not surely understood.
    pub(crate) fn read(spec: ImageSpec) -> Result<Self, ImportError> {
        let names: Vec<String> = spec.references.iter().map(|r| full_name(r)).collect::<Result<_, _>>()?;
        if names.is_empty() {
            return Err(ImportError::refused("the image has no name: give it one"));
        }
        let top = spec.documents.first().ok_or_else(|| damaged("there is no manifest"))?;
        let selected = Selection::of(&top.digest(), |digest| {
            spec.documents.iter().find(|document| document.digest() == *digest).cloned()
        })?;
        let manifest = manifest_of(&selected.documents)?;
        let config_type = manifest.config.as_ref().map(|c| &c.media_type[..]).unwrap_or_default();
        if !is_one_of(&CONFIG_TYPES, config_type) {
            return Err(ImportError::refused(format!("{config_type:?} is no image's config: pull it")));
        }
        if Digest::of(spec.config.as_bytes()) != selected.config {
            return Err(damaged(format!("the config differs from {}", selected.config)));
        }
        let config: Config =
            serde_json::from_str(&spec.config).map_err(|e| damaged(format!("the config is not usable: {e}")))?;
        if !is_platform(&config.os, &config.architecture, &config.variant, machine()) {
            let why = format!("the image is for {}/{}: pull it", config.os, config.architecture);
            return Err(ImportError::refused(why));
        }
        let (diff_ids, layers) = (config.rootfs.diff_ids.unwrap_or_default(), manifest.layers.unwrap_or_default());
        if diff_ids.len() != layers.len() || diff_ids.len() > MAX_LAYERS {
            let why = format!("{} layers and {} diff IDs: pull it", layers.len(), diff_ids.len());
            return Err(ImportError::refused(why));
        }
        let chains = ChainId::stack(&diff_ids);
        let parts = layers.into_iter().zip(diff_ids).zip(chains);
        let layers: Result<Vec<Layer>, ImportError> = parts
            .map(|((layer, diff_id), chain)| {
                let encoding = Encoding::of_media_type(&layer.media_type)?;
                Ok(Layer { digest: layer.digest, size: layer.size, encoding, diff_id, chain })
            })
            .collect();
        let documents =
            selected.documents.into_iter().map(|d| (d.digest(), d.media_type, Bytes::from(d.text.into_bytes())));
        Ok(Self { names, layers: layers?, config: spec.config.into_bytes().into(), documents: documents.collect() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(media_type: &str, json: &serde_json::Value) -> Document {
        Document { media_type: media_type.to_owned(), text: json.to_string() }
    }

    fn config(architecture: &str, diff_ids: &[Digest]) -> String {
        let ids: Vec<&str> = diff_ids.iter().map(Digest::as_str).collect();
        serde_json::json!({"os": "linux", "architecture": architecture, "rootfs": {"diff_ids": ids}}).to_string()
    }

    fn manifest(config: &str, layers: &[(&str, u64)]) -> Document {
        let layers: Vec<_> = layers
            .iter()
            .map(|(media_type, size)| {
                serde_json::json!({"mediaType": media_type, "digest": Digest::of(b"layer").as_str(), "size": size})
            })
            .collect();
        let digest = Digest::of(config.as_bytes());
        document(
            MANIFEST_TYPES[0],
            &serde_json::json!({"schemaVersion": 2, "layers": layers, "config":
                {"mediaType": CONFIG_TYPES[0], "digest": digest.as_str(), "size": config.len()}}),
        )
    }

    fn entry(document: &Document, os: &str, architecture: &str) -> serde_json::Value {
        serde_json::json!({"mediaType": document.media_type, "digest": document.digest().as_str(),
            "size": document.text.len(), "platform": {"os": os, "architecture": architecture}})
    }

    fn index(entries: &[serde_json::Value]) -> Document {
        document(INDEX_TYPES[0], &serde_json::json!({"schemaVersion": 2, "manifests": entries}))
    }

    fn reason(spec: ImageSpec) -> (crate::failure::FailureKind, String) {
        let error = Image::read(spec).unwrap_err();
        (error.kind, error.reason)
    }

    #[test]
    fn manifest_of_this_machine_is_selected_and_attestations_are_not_needed() {
        let layer = "application/vnd.oci.image.layer.v1.tar+gzip";
        let ours = config(machine(), &[Digest::of(b"plain")]);
        let [mine, other] = [manifest(&ours, &[(layer, 5)]), manifest(&config("s390x", &[]), &[])];
        let attestation = manifest("{}", &[("application/vnd.in-toto+json", 5)]);
        let top = index(&[
            entry(&attestation, "unknown", "unknown"),
            entry(&other, "linux", "s390x"),
            entry(&mine, "linux", machine()),
        ]);
        let all = [top.clone(), mine.clone()];
        let selected = Selection::of(&top.digest(), |d| all.iter().find(|x| x.digest() == *d).cloned()).unwrap();
        assert_eq!(selected.documents, [top.clone(), mine]);
        let spec = ImageSpec { references: vec!["app:1".to_owned()], documents: selected.documents, config: ours };
        let image = Image::read(spec).unwrap();
        assert_eq!((image.names, image.layers.len()), (vec!["docker.io/library/app:1".to_owned()], 1));
        let none = index(&[entry(&other, "linux", "s390x")]);
        let error = Selection::of(&none.digest(), |_| Some(none.clone())).unwrap_err();
        assert_eq!(error.kind, crate::failure::FailureKind::Refused, "{error}");
    }

    #[test]
    fn image_without_layers_is_read_also_where_its_lists_are_null() {
        let config =
            serde_json::json!({"os": "linux", "architecture": machine(), "rootfs": {"diff_ids": null}}).to_string();
        let digest = Digest::of(config.as_bytes());
        let descriptor =
            serde_json::json!({"mediaType": CONFIG_TYPES[0], "digest": digest.as_str(), "size": config.len()});
        let manifest = document(MANIFEST_TYPES[0], &serde_json::json!({"config": descriptor, "layers": null}));
        let spec = ImageSpec { references: vec!["app".to_owned()], documents: vec![manifest], config };
        assert_eq!(spec.layers().unwrap(), []);
        assert_eq!(Image::read(spec).unwrap().layers, []);
    }

    #[test]
    fn parts_that_do_not_fit_are_refused() {
        use crate::failure::FailureKind::{Refused, Transfer};
        let text = config(machine(), &[Digest::of(b"plain")]);
        let layer = "application/vnd.oci.image.layer.v1.tar";
        let spec = |document: Document, config: &str| ImageSpec {
            references: vec!["app".to_owned()],
            documents: vec![document],
            config: config.to_owned(),
        };
        assert!(Image::read(spec(manifest(&text, &[(layer, 5)]), &text)).is_ok());
        assert_eq!(reason(spec(manifest(&text, &[(layer, 5)]), "{}")).0, Transfer);
        assert_eq!(reason(spec(manifest(&text, &[]), &text)).0, Refused);
        assert_eq!(reason(spec(manifest(&text, &[("foreign", 5)]), &text)).0, Refused);
        let other = config("s390x", &[]);
        assert!(reason(spec(manifest(&other, &[]), &other)).1.contains("linux/s390x"));
        let list = Document { media_type: "text/plain".to_owned(), ..manifest(&text, &[]) };
        assert_eq!(reason(spec(list, &text)).0, Refused);
        let unnamed = ImageSpec { references: Vec::new(), ..spec(manifest(&text, &[(layer, 5)]), &text) };
        assert_eq!(reason(unnamed).0, Refused);
    }
}
