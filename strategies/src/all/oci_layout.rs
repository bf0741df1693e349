//! `oci-layout`: the image as an OCI layout, a folder of blobs by digest, as a workflow artifact.
//!
//! The builder writes the folder, and the artifact client uploads it without a tar, so that layers keep the builder's
//! compression. An engine with the containerd store loads a layout. One with the overlay2 store also needs the
//! `manifest.json` of `docker save`. On GitHub, skopeo loads the layout: it is part of the Ubuntu images
//! (<https://github.com/actions/runner-images>).

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs;
use std::path::Path;

use handoff_model::recipe::BuiltAt;
use handoff_model::strategy::look;
use handoff_model::{
    Builder, Conditions, Failure, ImageIdentity, ImageStore, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket,
};
use serde_json::{Value, json};

use crate::buildx::{Build, Output};
use crate::options::{facts_and_recipe, options};
use crate::pipe::{self, Stage};
use crate::recorder::CLIENT;
use crate::tar::{self, LayersOption, Writer};
use crate::{ImageLocation, Job, ProducerOutput, Source, StepResult, Strategy, builder, clients, steps};

options! {
    /// Strategy `oci-layout`.
    pub struct OciLayout {
        /// writer of the folder: the builder's exporter (output), `docker save` unpacked (save), or the exporter if there is one
        /// (auto)
        source: Source ["auto", "output", "save"] = Auto,
        ..exporter: LayersOption,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "oci-layout",
    summary: "build to an OCI layout (a folder of blobs), upload it as an artifact, download it, docker load",
    storage: Storage::Artifact,
    transfer: Some(clients::ARTIFACT_TRANSFER),
    moves_image: true,
    has_producer: true,
    ours: false,
    colour: look::GREY,
    marker: Marker::Pentagon,
    options: OciLayout::OPTIONS,
};

/// Folder of the layout, relative to the job's folder and the same in both roles.
const FOLDER: &str = "oci";
/// `--output` of the producer's build, here and on GitHub.
const OUTPUT: &str = "type=oci,dest={dir}/oci,tar=false{layers-attributes}";
/// Command that unpacks the output of `docker save`.
const UNPACK: &[&str] = &["tar", "--extract", "--directory", "{dir}/oci"];
/// Command that packs the folder for `docker load`.
const PACK: &[&str] = &["tar", "--create", "--directory", "{dir}/oci", "."];

impl OciLayout {
    /// Stage of a pipe that runs `tar`.
    fn tar(&self, job: &Job, kind: SpanKind, words: &[&str]) -> StepResult<Stage> {
        let program = job.on_path(kind, words[0])?;
        let args = words[1..].iter().map(|word| job.fill(self, word));
        Ok(Stage::new(SpanKind::Command, "tar", job.program(&program, args, &BTreeMap::new())))
    }
}

impl Strategy for OciLayout {
    facts_and_recipe!();

    fn source(&mut self) -> Option<&mut Source> {
        Some(&mut self.source)
    }

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        Writer::of(self.source, self.exporter.layers, conditions).err()
    }

    fn builder(&self) -> Option<Builder> {
        self.exporter.build.named()
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let folder = job.scratch.join(FOLDER);
        fs::create_dir_all(&folder).map_err(|e| failed(SpanKind::Prepare, &folder, &e))?;
        let writer = Writer::of(self.source, self.exporter.layers, job.conditions);
        let built = if Writer::in_job(writer, job)? == Writer::Engine {
            tar::in_engine(job)?;
            let save = Stage::new(SpanKind::Save, "docker-save", job.engine.docker(["save", job.image]));
            pipe::start(job, vec![save, self.tar(job, SpanKind::Save, UNPACK)?])?.finish(job, 2, || Ok(()))?;
            ImageLocation::Engine
        } else {
            Build::plain("build", Output::To(&job.fill(self, OUTPUT))).run(job)?;
            ImageLocation::Known(Layout::read(&folder)?.identity()?)
        };
        let path = folder.display().to_string();
        let report =
            clients::node(job, "artifact.mjs", &["upload", "--name", job.name, "--file", &path], SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        Ok(ProducerOutput { ticket: Ticket::default().with("artifact", job.name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let name = ticket.get("artifact").map_err(|e| Failure::new(SpanKind::Resolve.as_str(), e))?;
        let folder = job.scratch.join(FOLDER);
        let dir = folder.display().to_string();
        clients::node(job, "artifact.mjs", &["download", "--name", name, "--dir", &dir], SpanKind::Download)?;
        // The output of `docker save` already has a manifest.
        if job.conditions.image_store == ImageStore::Overlay2 && !folder.join("manifest.json").exists() {
            Layout::read(&folder)?.write_docker_manifest(job.image)?;
        }
        let load = Stage::new(SpanKind::Load, "docker-load", job.engine.docker(["load"]));
        pipe::start(job, vec![self.tar(job, SpanKind::Load, PACK)?, load])?.finish(job, 2, || Ok(()))
    }

    fn built_at(&self) -> BuiltAt {
        if self.source == Source::Output { BuiltAt::BuilderCache } else { BuiltAt::Engine }
    }
}

fn failed(kind: SpanKind, path: &Path, error: &dyn Display) -> Failure {
    Failure::new(kind.as_str(), format!("{}: {error}", path.display()))
}

/// OCI layout on disk with one image.
struct Layout<'a> {
    folder: &'a Path,
    /// Digest of the image's index; of its manifest if it has no index.
    index: String,
    manifest: Value,
}

impl<'a> Layout<'a> {
    fn read(folder: &'a Path) -> StepResult<Self> {
        let lacks = |what: &str| failed(SpanKind::Resolve, &folder.join("index.json"), &format!("names no {what}"));
        let top = json_in(folder, "index.json")?;
        let index = text(&top, "/manifests/0/digest").ok_or_else(|| lacks("image"))?;
        let mut manifest = json_in(folder, &blob(&index))?;
        if let Some(manifests) = manifest.get("manifests").and_then(Value::as_array) {
            // The platform of attestations is `unknown`.
            let real = manifests.iter().find(|m| text(m, "/platform/os").as_deref() != Some("unknown"));
            let digest = real.and_then(|m| text(m, "/digest")).ok_or_else(|| lacks("manifest of a platform"))?;
            manifest = json_in(folder, &blob(&digest))?;
        }
        Ok(Self { folder, index, manifest })
    }

    fn config(&self) -> StepResult<String> {
        let lacks = || failed(SpanKind::Resolve, self.folder, &"the image has no config");
        text(&self.manifest, "/config/digest").ok_or_else(lacks)
    }

    fn identity(&self) -> StepResult<ImageIdentity> {
        let config = self.config()?;
        let diff_ids = json_in(self.folder, &blob(&config))?.pointer("/rootfs/diff_ids").cloned();
        // The list of an image without layers is null.
        let layers = diff_ids.filter(|ids| !ids.is_null()).map_or(Ok(Vec::new()), serde_json::from_value);
        let layers = layers.map_err(|e| failed(SpanKind::Resolve, self.folder, &e))?;
        let index = Some(self.index.clone());
        Ok(ImageIdentity { index, config: Some(config), layers: Some(layers), ..ImageIdentity::default() })
    }

    /// Writes the manifest that an engine with the overlay2 store reads instead of the index.
    fn write_docker_manifest(&self, image: &str) -> StepResult<()> {
        let path = self.folder.join("manifest.json");
        let layers = self.manifest.get("layers").and_then(Value::as_array).into_iter().flatten();
        let layers: Vec<String> = layers.filter_map(|layer| text(layer, "/digest")).map(|d| blob(&d)).collect();
        let entry = json!([{ "Config": blob(&self.config()?), "RepoTags": [image], "Layers": layers }]);
        fs::write(&path, entry.to_string()).map_err(|e| failed(SpanKind::Load, &path, &e))
    }
}

fn text(json: &Value, pointer: &str) -> Option<String> {
    json.pointer(pointer)?.as_str().map(str::to_owned)
}

/// Path of a blob in a layout.
fn blob(digest: &str) -> String {
    format!("blobs/{}", digest.replace(':', "/"))
}

fn json_in(folder: &Path, file: &str) -> StepResult<Value> {
    let path = folder.join(file);
    let bytes = fs::read(&path).map_err(|e| failed(SpanKind::Resolve, &path, &e))?;
    serde_json::from_slice(&bytes).map_err(|e| failed(SpanKind::Resolve, &path, &e))
}

const UPLOAD: &[(&str, &str)] = &[
    ("name", "{name}"),
    ("path", "{dir}/oci"),
    ("compression-level", "0"),
    ("if-no-files-found", "error"),
    ("retention-days", "1"),
];

const DOWNLOAD: &[(&str, &str)] = &[("name", "{name}"), ("path", "{dir}/oci")];

const RECIPE: Recipe = Recipe {
    not_in_a_cell: &[builder::NOT_IN_A_CELL],
    of_the_machine: &[builder::OF_THE_MACHINE],
    derived: &[tar::LAYERS_PLACE],
    producer: &[
        steps::build(Some(OUTPUT), None, None).when(&[("source", "output")]),
        tar::BUILD_LOAD,
        steps::run(SpanKind::Prepare, "mkdir", &[&["mkdir", "--parents", "{dir}/oci"]]).when(&[("source", "save")]),
        steps::run(SpanKind::Save, "docker save | tar", &[tar::SAVE_TO_PIPE, UNPACK]).when(&[("source", "save")]),
        steps::uses(SpanKind::Upload, "upload-artifact", "actions/upload-artifact", UPLOAD),
    ],
    consumer: &[
        steps::uses(SpanKind::Download, "download-artifact", "actions/download-artifact", DOWNLOAD),
        steps::run(SpanKind::Load, "skopeo copy", &[&["skopeo", "copy", "oci:{dir}/oci", "docker-daemon:{image}"]]),
    ],
    ..Recipe::EMPTY
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layout_skips_the_attestation_and_gets_a_manifest_for_overlay2() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join("blobs/sha256")).unwrap();
        let write = |file: &str, json: Value| fs::write(dir.path().join(file), json.to_string()).unwrap();
        write("index.json", json!({"manifests": [{"digest": "sha256:i"}]}));
        let unknown = json!({"digest": "sha256:a", "platform": {"os": "unknown"}});
        write("blobs/sha256/i", json!({"manifests": [unknown, {"digest": "sha256:m", "platform": {"os": "linux"}}]}));
        write("blobs/sha256/m", json!({"config": {"digest": "sha256:c"}, "layers": [{"digest": "sha256:l"}]}));
        write("blobs/sha256/c", json!({"rootfs": {"diff_ids": ["sha256:d"]}}));
        let layout = Layout::read(dir.path()).unwrap();
        let identity = layout.identity().unwrap();
        assert_eq!((identity.index.as_deref(), identity.config.as_deref()), (Some("sha256:i"), Some("sha256:c")));
        assert_eq!(identity.layers, Some(vec!["sha256:d".to_owned()]));
        layout.write_docker_manifest("a:1").unwrap();
        let written = json_in(dir.path(), "manifest.json").unwrap();
        let expected = json!([{"Config": "blobs/sha256/c", "RepoTags": ["a:1"], "Layers": ["blobs/sha256/l"]}]);
        assert_eq!(written, expected);
    }
}
