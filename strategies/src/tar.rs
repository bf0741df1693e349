//! The image as a docker tar: who writes it, what compresses it, and how it is read into an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_model::recipe::{BuiltAt, Derived, Step, StepKind};
use handoff_model::{Conditions, Failure, SpanKind};

use crate::buildx::{Build, Layers, Output, TO_STDOUT};
use crate::options::{named, options, words};
use crate::pipe::{self, Stage};
use crate::recorder::SOURCE;
use crate::source::builder_exports;
use crate::{ImageLocation, Job, Source, StepResult, steps};

words! {
    /// The compressor that a tar is piped through before it is handed over.
    pub enum Compress {
        None = "none",
        Gzip = "gzip",
        Zstd = "zstd",
    }
}

options! {
    /// The option that every tar has.
    pub(crate) struct LayersOption {
        /// how the builder's exporter compresses the layers in the tar, zstd-1 at zstd's fastest level (`docker save` writes them as
        /// the engine keeps them)
        layers: Layers,
    }
}

options! {
    /// What strategies that hand a tar over as a file can be told.
    pub(crate) struct TarOptions {
        /// what the tar is piped through before it is handed over: nothing, `gzip` (one core), or `zstd -3 -T0`
        compress: Compress,
        /// what makes the tar: the builder's exporter (output), `docker save` (save), or the exporter where there is one (auto)
        source: Source ["auto", "output", "save"] = Auto,
        ..exporter: LayersOption,
    }
}

impl TarOptions {
    /// Who writes the tar under these conditions, or why nobody can.
    pub fn writer(&self, conditions: &Conditions) -> Result<Writer, String> {
        Writer::of(self.source, self.exporter.layers, conditions)
    }

    /// Where a recipe's image can be looked at: a tar that went through a compressor is not read.
    pub fn built_at(&self) -> BuiltAt {
        match (self.source, self.compress) {
            (Source::Output, Compress::None) => BuiltAt::Tar(TAR),
            (Source::Output, _) => BuiltAt::BuilderCache,
            _ => BuiltAt::Engine,
        }
    }
}

/// Who writes the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The builder's docker exporter: nothing is loaded into the producer's engine.
    Builder(Layers),
    /// `docker save`, after a build that was loaded.
    Engine,
}

impl Writer {
    /// The writer that options ask for under these conditions, or why there is none.
    pub fn of(source: Source, layers: Layers, conditions: &Conditions) -> Result<Self, String> {
        match source.resolved(conditions, Source::Save) {
            Source::Output if !builder_exports(conditions) => Err(
                "source=output: the `docker` builder has no docker exporter with the overlay2 store: use source=save"
                    .to_owned(),
            ),
            Source::Output => Ok(Self::Builder(layers)),
            _ if layers != Layers::DEFAULT => Err(format!(
                "layers={}: `docker save` writes layers as the engine keeps them, only the builder's exporter compresses them \
                 otherwise: use source=output where there is one, or leave layers out",
                layers.as_str()
            )),
            _ => Ok(Self::Engine),
        }
    }

    /// The writer of [`Writer::of`] in a job, recorded as a fact.
    pub fn in_job(of: Result<Self, String>, job: &Job) -> StepResult<Self> {
        let writer = of.map_err(|e| Failure::new(SpanKind::Build.as_str(), e))?;
        // What is built already can only be saved.
        let writer = if job.sources.built { Self::Engine } else { writer };
        let source = if writer == Self::Engine { Source::Save } else { Source::Output };
        job.recorder.fact(SOURCE, source.as_str());
        Ok(writer)
    }
}

/// File name of the tar, relative to the job's folder and alike on both sides.
pub fn file_name(compress: Compress) -> &'static str {
    match compress {
        Compress::None => TAR,
        Compress::Gzip => "image.tar.gz",
        Compress::Zstd => "image.tar.zst",
    }
}

/// Builds the image into a file, plain or compressed.
pub fn build(job: &Job, options: &TarOptions) -> StepResult<(PathBuf, ImageLocation)> {
    let writer = Writer::in_job(options.writer(job.conditions), job)?;
    let path = job.scratch.join(file_name(options.compress));
    let none = BTreeMap::new();
    let program = match options.compress {
        Compress::None => None,
        Compress::Gzip => Some(("gzip", job.program(&job.on_path(SpanKind::Compress, GZIP[0])?, &GZIP[1..], &none))),
        Compress::Zstd => Some(("zstd", job.program(&job.tools.zstd, &ZSTD[1..], &none))),
    };
    if let Some((step, command)) = program {
        let stage = Stage::new(SpanKind::Compress, step, command.stdout_path(&path));
        let built = pipe_from(job, writer, vec![stage], || Ok(()))?;
        return Ok((path, built));
    }
    match writer {
        Writer::Builder(layers) => {
            Build::plain("build", Output::Tar(&path, layers)).run(job)?;
        }
        Writer::Engine => {
            in_engine(job)?;
            let file = path.display().to_string();
            job.run(SpanKind::Save, "docker-save", &job.engine.docker(["save", "--output", &file, job.image]))?;
        }
    }
    Ok((path.clone(), ImageLocation::Tar(path)))
}

/// Builds the image and writes its tar into the first of `stages`. When all programs but the last have ended well,
/// `between` is called, and then the last one is waited for.
pub fn pipe_from(
    job: &Job,
    writer: Writer,
    stages: Vec<Stage>,
    between: impl FnOnce() -> StepResult<()>,
) -> StepResult<ImageLocation> {
    let count = stages.len();
    let with_first = |first| std::iter::once(first).chain(stages).collect::<Vec<_>>();
    match writer {
        Writer::Engine => {
            in_engine(job)?;
            let save = Stage::new(SpanKind::Save, "docker-save", job.engine.docker(["save", job.image]));
            pipe::start(job, with_first(save))?.finish(job, count, between)?;
            Ok(ImageLocation::Engine)
        }
        Writer::Builder(layers) => {
            let build = Build::plain("build", Output::Stdout(layers));
            let begun = build.begin(job)?;
            let first = Stage::new(SpanKind::Command, BUILD, begun.command.clone());
            let piped = pipe::start(job, with_first(first)).and_then(|running| running.finish(job, count, between));
            let told = build.end(job, &begun, piped.is_ok());
            match piped {
                // The build's own words say more than its exit status.
                Err(failure) if failure.span != SpanKind::Command.as_str() => return Err(failure),
                _ => told?,
            };
            Ok(ImageLocation::CachedTar(layers))
        }
    }
}

/// Sees to it that the producer's engine has the image: there is a build, unless it was put there.
pub fn in_engine(job: &Job) -> StepResult<()> {
    if !job.sources.built {
        Build::plain("build", Output::Load).run(job)?;
    }
    Ok(())
}

/// The step's name of a build in a pipe.
const BUILD: &str = "buildx-build";

/// Reads a tar, also a compressed one, into the job's engine.
pub fn load(job: &Job, path: &Path) -> StepResult<()> {
    let file = path.display().to_string();
    job.run(SpanKind::Load, "docker-load", &job.engine.docker(["load", "--input", &file]))
}

/// `gzip` with its arguments, here and on GitHub.
const GZIP: &[&str] = &["gzip", "--stdout"];
/// `zstd` with its arguments.
const ZSTD: &[&str] = &["zstd", "-3", "-T0", "--quiet", "--stdout"];
/// A builder that writes a tar into a pipe.
pub const BUILD_TO_PIPE: &[&str] = &["docker", "buildx", "build", "--tag", "{image}", TO_STDOUT, "{sources}"];
/// An engine that writes a tar into a pipe.
pub const SAVE_TO_PIPE: &[&str] = &["docker", "save", "{image}"];

/// What exporters are told of layers.
pub const LAYERS_PLACE: Derived = Derived {
    place: "layers-attributes",
    shows: "layers",
    text: |word| named(word).map_or("", Layers::attribute).to_owned(),
};

/// The tar's file name.
pub const FILE_PLACE: Derived =
    Derived { place: "tar", shows: "compress", text: |word| named(word).map_or("", file_name).to_owned() };

/// What the recipes of tars derive.
pub const PLACES: &[Derived] = &[LAYERS_PLACE, FILE_PLACE];

/// A recipe's steps that make the tar: with the builder or the engine, plain or through a compressor.
pub const MAKE: [Step; 7] = [
    steps::build(Some("type=docker,dest={dir}/image.tar{layers-attributes}"), None, None)
        .when(&[("source", "output"), ("compress", "none")]),
    Step::always(
        SpanKind::Command,
        "buildx build | gzip",
        StepKind::RunInto(&[BUILD_TO_PIPE, GZIP], "{dir}/image.tar.gz"),
    )
    .when(&[("source", "output"), ("compress", "gzip")]),
    Step::always(
        SpanKind::Command,
        "buildx build | zstd",
        StepKind::RunInto(&[BUILD_TO_PIPE, ZSTD], "{dir}/image.tar.zst"),
    )
    .when(&[("source", "output"), ("compress", "zstd")]),
    BUILD_LOAD,
    steps::run(SpanKind::Save, "docker save", &[&["docker", "save", "--output", "{dir}/image.tar", "{image}"]])
        .when(&[("source", "save"), ("compress", "none")]),
    Step::always(SpanKind::Save, "docker save | gzip", StepKind::RunInto(&[SAVE_TO_PIPE, GZIP], "{dir}/image.tar.gz"))
        .when(&[("source", "save"), ("compress", "gzip")]),
    Step::always(SpanKind::Save, "docker save | zstd", StepKind::RunInto(&[SAVE_TO_PIPE, ZSTD], "{dir}/image.tar.zst"))
        .when(&[("source", "save"), ("compress", "zstd")]),
];

/// A recipe's step: the builder loads the image.
pub const BUILD_LOAD: Step = steps::build(None, None, None).when(&[("source", "save")]);

/// A recipe's step: the engine reads the tar.
pub const LOAD: Step = steps::run(SpanKind::Load, "docker load", &[&["docker", "load", "--input", "{dir}/{tar}"]]);

/// File name of the plain tar, where a recipe has it.
pub const TAR: &str = "image.tar";

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_model::{Builder, ImageStore};

    #[test]
    fn the_exporter_is_taken_where_there_is_one() {
        let conditions = |builder, image_store| Conditions { builder, image_store, ..Conditions::default() };
        let overlay2 = conditions(Builder::Docker, ImageStore::Overlay2);
        let container = conditions(Builder::DockerContainer, ImageStore::Overlay2);
        let of = |source, conditions: &Conditions| Writer::of(source, Layers::DEFAULT, conditions);
        assert_eq!(of(Source::Auto, &Conditions::default()), Ok(Writer::Builder(Layers::Gzip)));
        assert_eq!(of(Source::Auto, &overlay2), Ok(Writer::Engine));
        assert_eq!(of(Source::Auto, &container), Ok(Writer::Builder(Layers::Gzip)));
        assert_eq!(of(Source::Save, &container), Ok(Writer::Engine));
        assert!(of(Source::Output, &overlay2).unwrap_err().contains("use source=save"));
        let zstd = |conditions: &Conditions| Writer::of(Source::Auto, Layers::Zstd, conditions);
        assert_eq!(zstd(&container), Ok(Writer::Builder(Layers::Zstd)));
        assert!(zstd(&overlay2).unwrap_err().contains("leave layers out"));
    }
}
