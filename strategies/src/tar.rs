//! Build to a docker tar, and load one: what the strategies that move a tar as a file share.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_model::recipe::{Does, Step};
use handoff_model::{Builder, Conditions, Failure, ImageStore, OptionKind, OptionSpec, SpanKind};

use crate::buildx::{Build, Output};
use crate::recorder::SOURCE;
use crate::{Job, StepResult};

/// File name of the tar, relative to the job's folder and alike on both sides.
pub const TAR: &str = "image.tar";

/// `source`: what makes the tar.
pub const SOURCE_OPTION: OptionSpec = OptionSpec {
    name: "source",
    kind: OptionKind::Word(&["auto", "output", "save"]),
    default: "auto",
    help: "what makes the tar: the builder's exporter (output), `docker save` (save), or the exporter where there is one (auto)",
};

/// Whether the builder can write a docker tar itself.
pub fn has_exporter(builder: Builder, store: ImageStore) -> bool {
    builder == Builder::DockerContainer || store == ImageStore::Containerd
}

/// Builds the image into a tar, by the way that `source` names.
pub fn build(job: &Job, source: &str) -> StepResult<PathBuf> {
    let path = job.scratch.join(TAR);
    let exporter = has_exporter(job.conditions.builder, job.engine.store());
    match source {
        "output" if !exporter => Err(Failure::new(
            SpanKind::Build.as_str(),
            "source=output: this builder has no docker exporter, use source=save",
        )),
        "save" => save(job, path),
        "output" => output(job, path),
        _ if exporter => output(job, path),
        _ => save(job, path),
    }
}

fn output(job: &Job, path: PathBuf) -> StepResult<PathBuf> {
    job.recorder.fact(SOURCE, "output");
    Build::plain("build", Output::Tar(&path)).run(job)?;
    Ok(path)
}

fn save(job: &Job, path: PathBuf) -> StepResult<PathBuf> {
    job.recorder.fact(SOURCE, "save");
    Build::plain("build", Output::Load).run(job)?;
    let file = path.display().to_string();
    job.run(SpanKind::Save, "docker-save", &job.engine.docker(["save", "--output", &file, job.image]))?;
    Ok(path)
}

/// Reads a tar into the job's engine.
pub fn load(job: &Job, path: &Path) -> StepResult<()> {
    let file = path.display().to_string();
    job.run(SpanKind::Load, "docker-load", &job.engine.docker(["load", "--input", &file]))
}

/// What `source=auto` means under conditions, for a recipe.
pub fn settle_source(options: &mut BTreeMap<String, String>, conditions: &Conditions) {
    if options.get("source").is_some_and(|s| s == "auto") {
        let source = if has_exporter(conditions.builder, conditions.image_store) { "output" } else { "save" };
        options.insert("source".to_owned(), source.to_owned());
    }
}

/// A recipe's step: the builder writes the tar.
pub const BUILD_OUTPUT: Step = Step::always(
    SpanKind::Command,
    "build-push-action",
    Does::Build { outputs: Some("type=docker,dest={dir}/image.tar"), cache_to: None, cache_from: None },
)
.when(&[("source", "output")]);

/// A recipe's step: the builder loads the image.
pub const BUILD_LOAD: Step = Step::always(
    SpanKind::Command,
    "build-push-action",
    Does::Build { outputs: None, cache_to: None, cache_from: None },
)
.when(&[("source", "save")]);

/// A recipe's step: the engine writes the tar.
pub const SAVE: Step = Step::always(
    SpanKind::Save,
    "docker save",
    Does::Run(&[&["docker", "save", "--output", "{dir}/image.tar", "{image}"]]),
)
.when(&[("source", "save")]);

/// A recipe's step: the engine reads the tar.
pub const LOAD: Step =
    Step::always(SpanKind::Load, "docker load", Does::Run(&[&["docker", "load", "--input", "{dir}/image.tar"]]));
