//! The image as a docker tar: who writes it, what compresses it, and how it is read into an engine.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_docker::programs::on_path;
use handoff_model::recipe::{BuiltAt, Derived, Does, Step, Values};
use handoff_model::{
    Builder, Conditions, Failure, ImageStore, OptionKind, OptionSpec, SpanKind, StrategyFacts, StrategySpec,
};

use crate::buildx::{Build, Layers, Output, TO_STDOUT};
use crate::pipe::{self, Stage};
use crate::recorder::SOURCE;
use crate::{Built, Job, StepResult};

/// `source`: what makes the tar.
pub const SOURCE_OPTION: OptionSpec = OptionSpec {
    name: "source",
    kind: OptionKind::Word(&["auto", "output", "save"]),
    default: "auto",
    help: "what makes the tar: the builder's exporter (output), `docker save` (save), or the exporter where there is one (auto)",
};

/// `compress`: what is done to the tar before it is handed over.
pub const COMPRESS_OPTION: OptionSpec = OptionSpec {
    name: "compress",
    kind: OptionKind::Word(&["none", "gzip", "zstd"]),
    default: "none",
    help: "what the tar is piped through before it is handed over: nothing, `gzip` (one core), or `zstd -3 -T0`",
};

/// `layers`: how the layers in the tar are compressed.
pub const LAYERS_OPTION: OptionSpec = OptionSpec {
    name: "layers",
    kind: Layers::WORDS,
    default: "gzip",
    help: "how the builder's exporter compresses the layers in the tar, zstd-1 at zstd's fastest level (`docker save` writes them as the engine keeps them)",
};

/// Who writes the tar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The builder's docker exporter: nothing is loaded into the producer's engine.
    Output(Layers),
    /// `docker save`, after a build that was loaded.
    Save,
}

impl Source {
    /// As an option's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Output(_) => "output",
            Self::Save => "save",
        }
    }

    /// What an option's value means under these conditions, or why it cannot be.
    pub fn of(value: &str, conditions: &Conditions) -> Result<Self, String> {
        // The engine's own builder exports a tar only from the containerd store.
        let exporter =
            conditions.builder == Builder::DockerContainer || conditions.image_store == ImageStore::Containerd;
        match value {
            "output" if !exporter => Err(
                "source=output: the `docker` builder has no docker exporter with the overlay2 store: use source=save"
                    .to_owned(),
            ),
            "save" => Ok(Self::Save),
            "output" => Ok(Self::Output(Layers::default())),
            _ if exporter => Ok(Self::Output(Layers::default())),
            _ => Ok(Self::Save),
        }
    }

    /// What a strategy's options `source` and `layers` mean under these conditions, or why they cannot be.
    pub fn named(facts: &StrategyFacts, spec: &StrategySpec, conditions: &Conditions) -> Result<Self, String> {
        let layers = facts.option(spec, LAYERS_OPTION.name);
        match Self::of(facts.option(spec, SOURCE_OPTION.name), conditions)? {
            Self::Output(_) => Ok(Self::Output(Layers::of(layers))),
            Self::Save if layers != LAYERS_OPTION.default => Err(format!(
                "layers={layers}: `docker save` writes layers as the engine keeps them, only the builder's exporter compresses them \
                 otherwise: use source=output where there is one, or leave layers out"
            )),
            Self::Save => Ok(Self::Save),
        }
    }

    /// [`Source::named`] in a job, recorded as a fact.
    pub fn in_job(facts: &StrategyFacts, job: &Job) -> StepResult<Self> {
        let named = Self::named(facts, job.spec, job.conditions);
        let source = named.map_err(|e| Failure::new(SpanKind::Build.as_str(), e))?;
        // What is built already can only be saved.
        let source = if job.sources.built { Self::Save } else { source };
        job.recorder.fact(SOURCE, source.as_str());
        Ok(source)
    }
}

/// File name of the tar, relative to the job's folder and alike on both sides.
pub fn file_name(compress: &str) -> &'static str {
    match compress {
        "gzip" => "image.tar.gz",
        "zstd" => "image.tar.zst",
        _ => TAR,
    }
}

/// Builds the image into a file, plain or compressed.
pub fn build(job: &Job, facts: &StrategyFacts, compress: &str) -> StepResult<(PathBuf, Built)> {
    let source = Source::in_job(facts, job)?;
    let path = job.scratch.join(file_name(compress));
    let none = BTreeMap::new();
    let program = match compress {
        "gzip" => {
            let path = job.engine.env().get("PATH").map_or("", String::as_str);
            let gzip = on_path(path, "gzip").ok_or_else(|| {
                Failure::new(SpanKind::Compress.as_str(), "there is no gzip on the PATH: apt-get install gzip")
            })?;
            Some(("gzip", job.program(&gzip, &GZIP[1..], &none)))
        }
        "zstd" => Some(("zstd", job.program(&job.tools.zstd, &ZSTD[1..], &none))),
        _ => None,
    };
    if let Some((step, command)) = program {
        let stage = Stage::new(SpanKind::Compress, step, command.stdout_path(&path));
        let built = pipe_from(job, source, vec![stage], || Ok(()))?;
        return Ok((path, built));
    }
    match source {
        Source::Output(layers) => {
            Build::plain("build", Output::Tar(&path, layers)).run(job)?;
        }
        Source::Save => {
            in_engine(job)?;
            let file = path.display().to_string();
            job.run(SpanKind::Save, "docker-save", &job.engine.docker(["save", "--output", &file, job.image]))?;
        }
    }
    Ok((path.clone(), Built::Tar(path)))
}

/// Builds the image and writes its tar into the first of `stages`. When all programs but the last have ended well,
/// `between` is called, and then the last one is waited for.
pub fn pipe_from(
    job: &Job,
    source: Source,
    stages: Vec<Stage>,
    between: impl FnOnce() -> StepResult<()>,
) -> StepResult<Built> {
    let count = stages.len();
    let with_first = |first| std::iter::once(first).chain(stages).collect::<Vec<_>>();
    match source {
        Source::Save => {
            in_engine(job)?;
            let save = Stage::new(SpanKind::Save, "docker-save", job.engine.docker(["save", job.image]));
            pipe::start(job, with_first(save))?.finish(job, count, between)?;
            Ok(Built::Engine)
        }
        Source::Output(layers) => {
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
            Ok(Built::CachedTar(layers))
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

/// What `source=auto` means under conditions, for a recipe.
pub fn settle_source(options: &mut Values, conditions: &Conditions) {
    if options.get("source").is_some_and(|s| s == "auto") {
        let source = Source::of("auto", conditions).map_or("save", Source::as_str);
        options.insert("source".to_owned(), source.to_owned());
    }
}

/// Where a recipe's image can be looked at: a tar that went through a compressor is not read.
pub fn built(options: &Values) -> BuiltAt {
    let is = |option: &str, value: &str| options.get(option).is_some_and(|v| v == value);
    match (is("source", "output"), is("compress", "none")) {
        (true, true) => BuiltAt::Tar(TAR),
        (true, false) => BuiltAt::BuilderCache,
        (false, _) => BuiltAt::Engine,
    }
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
pub const LAYERS_PLACE: Derived =
    Derived { place: "layers-attributes", shows: "layers", text: |word| Layers::of(word).attribute().to_owned() };

/// The tar's file name.
pub const FILE_PLACE: Derived = Derived { place: "tar", shows: "compress", text: |word| file_name(word).to_owned() };

/// What the recipes of tars derive.
pub const PLACES: &[Derived] = &[LAYERS_PLACE, FILE_PLACE];

/// A recipe's steps that make the tar: with the builder or the engine, plain or through a compressor.
pub const MAKE: [Step; 7] = [
    Step::always(
        SpanKind::Command,
        "build-push-action",
        Does::Build {
            outputs: Some("type=docker,dest={dir}/image.tar{layers-attributes}"),
            cache_to: None,
            cache_from: None,
        },
    )
    .when(&[("source", "output"), ("compress", "none")]),
    Step::always(SpanKind::Command, "buildx build | gzip", Does::RunInto(&[BUILD_TO_PIPE, GZIP], "{dir}/image.tar.gz"))
        .when(&[("source", "output"), ("compress", "gzip")]),
    Step::always(
        SpanKind::Command,
        "buildx build | zstd",
        Does::RunInto(&[BUILD_TO_PIPE, ZSTD], "{dir}/image.tar.zst"),
    )
    .when(&[("source", "output"), ("compress", "zstd")]),
    BUILD_LOAD,
    Step::always(
        SpanKind::Save,
        "docker save",
        Does::Run(&[&["docker", "save", "--output", "{dir}/image.tar", "{image}"]]),
    )
    .when(&[("source", "save"), ("compress", "none")]),
    Step::always(SpanKind::Save, "docker save | gzip", Does::RunInto(&[SAVE_TO_PIPE, GZIP], "{dir}/image.tar.gz"))
        .when(&[("source", "save"), ("compress", "gzip")]),
    Step::always(SpanKind::Save, "docker save | zstd", Does::RunInto(&[SAVE_TO_PIPE, ZSTD], "{dir}/image.tar.zst"))
        .when(&[("source", "save"), ("compress", "zstd")]),
];

/// A recipe's step: the builder loads the image.
pub const BUILD_LOAD: Step = Step::always(
    SpanKind::Command,
    "build-push-action",
    Does::Build { outputs: None, cache_to: None, cache_from: None },
)
.when(&[("source", "save")]);

/// A recipe's step: the engine reads the tar.
pub const LOAD: Step =
    Step::always(SpanKind::Load, "docker load", Does::Run(&[&["docker", "load", "--input", "{dir}/{tar}"]]));

/// File name of the plain tar, where a recipe has it.
pub const TAR: &str = "image.tar";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Strategy;

    #[test]
    fn the_exporter_is_taken_where_there_is_one() {
        let conditions = |builder, image_store| Conditions { builder, image_store, ..Conditions::default() };
        let overlay2 = conditions(Builder::Docker, ImageStore::Overlay2);
        let container = conditions(Builder::DockerContainer, ImageStore::Overlay2);
        assert_eq!(Source::of("auto", &Conditions::default()), Ok(Source::Output(Layers::Gzip)));
        assert_eq!(Source::of("auto", &overlay2), Ok(Source::Save));
        assert_eq!(Source::of("auto", &container), Ok(Source::Output(Layers::Gzip)));
        assert_eq!(Source::of("save", &container), Ok(Source::Save));
        assert!(Source::of("output", &overlay2).unwrap_err().contains("use source=save"));
        let facts = crate::artifact::Artifact.facts();
        let named = |text: &str, conditions: &Conditions| Source::named(facts, &text.parse().unwrap(), conditions);
        assert_eq!(named("artifact:layers=zstd", &container), Ok(Source::Output(Layers::Zstd)));
        assert_eq!(named("artifact", &overlay2), Ok(Source::Save));
        assert!(named("artifact:layers=zstd", &overlay2).unwrap_err().contains("leave layers out"));
    }
}
