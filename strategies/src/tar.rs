//! Image as a docker tar: its writer, its compressor, and `docker load`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_model::recipe::{BuiltAt, Derived, Step, StepKind};
use handoff_model::{Conditions, Failure, SpanKind};

use crate::builder::BuilderOption;
use crate::buildx::{Build, Layers, Output, TO_STDOUT};
use crate::options::{named, options, words};
use crate::pipe::{self, Stage};
use crate::recorder::SOURCE;
use crate::source::builder_exports;
use crate::{ImageLocation, Job, Source, StepResult, steps};

words! {
    /// Compressor of the tar.
    pub enum Compress {
        None = "none",
        Gzip = "gzip",
        Zstd = "zstd",
    }
}

options! {
    /// Options of every strategy with a tar.
    pub(crate) struct LayersOption {
        /// compression of the layers in the tar by the builder's exporter, where zstd-1 is the fastest level (`docker save` keeps the
        /// layers of the engine)
        layers: Layers,
        ..build: BuilderOption,
    }
}

options! {
    /// Options of strategies that transfer a tar as a file.
    pub(crate) struct TarOptions {
        /// compressor of the tar: none, `gzip` (one core), or `zstd -3 -T0`
        compress: Compress,
        /// writer of the tar: the builder's exporter (output), `docker save` (save), or the exporter if there is one (auto)
        source: Source ["auto", "output", "save"] = Auto,
        ..exporter: LayersOption,
    }
}

impl TarOptions {
    /// Writer of the tar under these conditions. The error is the reason for a refusal.
    pub fn writer(&self, conditions: &Conditions) -> Result<Writer, String> {
        Writer::of(self.source, self.exporter.layers, conditions)
    }

    /// Location of the image after a recipe's producer. A compressed tar cannot be identified.
    pub fn built_at(&self) -> BuiltAt {
        match (self.source, self.compress) {
            (Source::Output, Compress::None) => BuiltAt::Tar(TAR),
            (Source::Output, _) => BuiltAt::BuilderCache,
            _ => BuiltAt::Engine,
        }
    }
}

/// Writer of the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Writer {
    /// The builder's docker exporter, without a load into the producer's engine.
    Builder(Layers),
    /// `docker save`, after a build that the engine has loaded.
    Engine,
}

impl Writer {
    /// Writer for these options and conditions. The error is the reason for a refusal.
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

    /// Writer in a job, recorded as a fact.
    pub fn in_job(writer: Result<Self, String>, job: &Job) -> StepResult<Self> {
        let writer = writer.map_err(|e| Failure::new(SpanKind::Build.as_str(), e))?;
        // A finished image can only be saved.
        let writer = if job.sources.built { Self::Engine } else { writer };
        let source = if writer == Self::Engine { Source::Save } else { Source::Output };
        job.recorder.fact(SOURCE, source.as_str());
        Ok(writer)
    }
}

/// File name of the tar, relative to the job's folder and the same in both roles.
pub fn file_name(compress: Compress) -> &'static str {
    match compress {
        Compress::None => TAR,
        Compress::Gzip => "image.tar.gz",
        Compress::Zstd => "image.tar.zst",
    }
}

/// Builds the image into a tar, plain or compressed. Returns its path and the location of the image.
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

/// Builds the image and pipes its tar into the first of `stages`. `between` is called when all programs but the last have
/// succeeded.
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
            let trace = build.end(job, &begun, piped.is_ok());
            match piped {
                // The trace explains a failed build better than the exit status.
                Err(failure) if failure.span != SpanKind::Command.as_str() => return Err(failure),
                _ => trace?,
            };
            Ok(ImageLocation::CachedTar(layers))
        }
    }
}

/// Builds the image into the producer's engine, unless the image was finished beforehand.
pub fn in_engine(job: &Job) -> StepResult<()> {
    if !job.sources.built {
        Build::plain("build", Output::Load).run(job)?;
    }
    Ok(())
}

/// Name of the step of a build in a pipe.
const BUILD: &str = "buildx-build";

/// Loads a tar, plain or compressed, into the job's engine.
pub fn load(job: &Job, path: &Path) -> StepResult<()> {
    let file = path.display().to_string();
    job.run(SpanKind::Load, "docker-load", &job.engine.docker(["load", "--input", &file]))
}

/// `gzip` with its arguments, here and on GitHub.
const GZIP: &[&str] = &["gzip", "--stdout"];
/// `zstd` with its arguments.
const ZSTD: &[&str] = &["zstd", "-3", "-T0", "--quiet", "--stdout"];
/// Builder that writes a tar into a pipe.
pub const BUILD_TO_PIPE: &[&str] = &["docker", "buildx", "build", "--tag", "{image}", TO_STDOUT, "{sources}"];
/// Engine that writes a tar into a pipe.
pub const SAVE_TO_PIPE: &[&str] = &["docker", "save", "{image}"];

/// Attributes of the exporter for the compression of layers.
pub const LAYERS_PLACE: Derived = Derived {
    place: "layers-attributes",
    shows: "layers",
    text: |word| named(word).map_or("", Layers::attribute).to_owned(),
};

/// File name of the tar.
pub const FILE_PLACE: Derived =
    Derived { place: "tar", shows: "compress", text: |word| named(word).map_or("", file_name).to_owned() };

/// Derived texts of recipes with a tar.
pub const PLACES: &[Derived] = &[LAYERS_PLACE, FILE_PLACE];

/// Steps of a recipe that write the tar: by the builder or the engine, plain or compressed.
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

/// Step of a recipe that builds and loads the image.
pub const BUILD_LOAD: Step = steps::build(None, None, None).when(&[("source", "save")]);

/// Step of a recipe that loads the tar.
pub const LOAD: Step = steps::run(SpanKind::Load, "docker load", &[&["docker", "load", "--input", "{dir}/{tar}"]]);

/// File name of the plain tar.
pub const TAR: &str = "image.tar";

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_model::{Builder, ImageStore};

    #[test]
    fn auto_source_prefers_the_builder_s_exporter() {
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
