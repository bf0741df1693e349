//! Build to a docker tar, and load one: what the strategies that move a tar as a file share.

use std::path::{Path, PathBuf};

use handoff_model::{Builder, Failure, ImageStore, OptionKind, OptionSpec, SpanKind};

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
