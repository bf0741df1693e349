//! One build by buildx, with its trace as spans.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use duct::Expression;
use handoff_model::recipe::{Step, fill};
use handoff_model::{Conditions, Failure, SpanKind};

use crate::options::{options, words};
use crate::source::builder_exports;
use crate::trace::Trace;
use crate::{ImageLocation, Job, StepResult, steps};

words! {
    /// Layers that an exported cache holds.
    pub enum Mode {
        /// All.
        Max = "max",
        /// Those of the result.
        Min = "min",
    }
}

options! {
    /// What strategies that hand the builder's cache over can be told.
    pub(crate) struct CacheOptions {
        /// which layers the cache holds: all (max) or those of the result (min)
        mode: Mode,
        /// load the image into the producer's own engine as well, as a job does that also uses what it builds (`load: true`)
        producer_load as "producer-load": bool = false,
    }
}

impl CacheOptions {
    /// Where a producer that exports a cache puts the image, and where it can be looked at afterwards.
    pub fn output(&self) -> (Output<'static>, ImageLocation) {
        if self.producer_load {
            (Output::Load, ImageLocation::Engine)
        } else {
            (Output::To(CACHE_ONLY), ImageLocation::BuilderCache)
        }
    }
}

/// The value of `--output` of a build of which only the cache is of interest.
const CACHE_ONLY: &str = "type=cacheonly";

/// The producer's builds of a strategy that exports a cache, as steps: one of the two is taken.
pub const fn cache_builds(cache_to: &'static str) -> [Step; 2] {
    let loads = Step { what: "build-push-action, loaded", ..steps::build(None, Some(cache_to), None) };
    [
        steps::build(Some(CACHE_ONLY), Some(cache_to), None).when(&[("producer-load", "false")]),
        loads.when(&[("producer-load", "true")]),
    ]
}

/// Why no cache can be exported under these conditions, if so.
pub fn refuses_cache_export(conditions: &Conditions) -> Option<String> {
    (!builder_exports(conditions)).then(|| {
        "the `docker` builder cannot export a cache with the overlay2 store: use --builder docker-container, or --image-store containerd"
            .to_owned()
    })
}

words! {
    /// How the builder compresses the layers of what it writes: a tar, or a cache in a folder.
    pub enum Layers {
        /// By gzip, as it does unless told otherwise.
        Gzip = "gzip",
        /// By zstd, at the builder's own level.
        Zstd = "zstd",
        /// By zstd at its fastest level.
        Zstd1 = "zstd-1",
        /// Not at all.
        Uncompressed = "uncompressed",
    }
}

impl Layers {
    /// As an attribute of the exporter; empty for what it does anyway.
    pub fn attribute(self) -> &'static str {
        match self {
            Self::Gzip => "",
            Self::Zstd => ",compression=zstd",
            Self::Zstd1 => ",compression=zstd,compression-level=1",
            Self::Uncompressed => ",compression=uncompressed",
        }
    }
}

words! {
    /// Compression of the layers that a builder pushes.
    pub enum Compression {
        /// By zstd.
        Zstd = "zstd",
        /// By gzip.
        Gzip = "gzip",
        /// None.
        Uncompressed = "uncompressed",
    }
}

/// What becomes of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// Into the job's engine.
    Load,
    /// Into a docker tar at this path.
    Tar(&'a Path, Layers),
    /// As a docker tar onto standard output: for [`Build::begin`], as the first program of a pipe.
    Stdout(Layers),
    /// Pushed to a registry under this name, its layers compressed so.
    Push {
        /// Registry, repository and tag.
        reference: &'a str,
        /// Compression of its layers.
        compression: Compression,
        /// The level of zstd; 0: the builder's own choice.
        level: u32,
    },
    /// Wherever this value of `--output` says.
    To(&'a str),
}

/// The option by which a builder writes a docker tar to standard output, here and on GitHub.
pub const TO_STDOUT: &str = "--output=type=docker,dest=-{layers-attributes}";

/// The builder's own choice of a level of zstd.
const OWN_LEVEL: u32 = 0;

/// The option by which a builder pushes to a registry on loopback, its layers compressed so. It keeps no image
/// (`store=false`): the builder inside an engine with the containerd store would unpack it for that, `unpack=false` or not.
pub fn push_output(compression: Compression, level: u32) -> String {
    let levelled = compression == Compression::Zstd && level != OWN_LEVEL;
    let level = if levelled { format!(",compression-level={level}") } else { String::new() };
    let compression = compression.as_str();
    format!(
        "--output=type=image,push=true,store=false,unpack=false,registry.insecure=true,oci-mediatypes=true,compression={compression}{level}"
    )
}

/// A build to run.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// Name of the step, for log and spans.
    pub step: &'a str,
    /// What becomes of the result.
    pub output: Output<'a>,
    /// Value of `--cache-to`.
    pub cache_to: Option<&'a str>,
    /// Value of `--cache-from`.
    pub cache_from: Option<&'a str>,
}

/// A build whose command is made: see [`Build::begin`].
#[derive(Debug)]
pub struct Begun {
    /// The command, without standard input and output.
    pub command: Expression,
    log: PathBuf,
}

impl<'a> Build<'a> {
    /// A build without caches.
    pub fn plain(step: &'a str, output: Output<'a>) -> Self {
        Self { step, output, cache_to: None, cache_from: None }
    }

    /// Runs the build in the job's engine.
    pub fn run(&self, job: &Job) -> StepResult<Trace> {
        let begun = self.begin(job)?;
        let command = begun.command.stdin_null().stdout_null().unchecked();
        let what = format!("buildx build ({})", self.step);
        let result = job.recorder.span(SpanKind::Command, &what, || command.run());
        let status = result.map_err(|e| self.failure(&e))?.status;
        self.end(job, &begun, status.success())
    }

    /// The command that builds; its trace goes to a log of its own. Whoever runs it calls [`Build::end`] afterwards.
    pub fn begin(&self, job: &Job) -> StepResult<Begun> {
        let log = job.logs.join(format!("{}.rawjson", self.step));
        let file = fs::File::create(&log).map_err(|e| self.failure(&format!("create {}: {e}", log.display())))?;
        // The client reads these, as in an action, and hands them to the builder. No other build gets a token.
        let gha = self.cache_to.or(self.cache_from).is_some_and(|c| c.starts_with("type=gha"));
        let env = if gha { job.service.env.clone() } else { BTreeMap::new() };
        let builder = job.builder()?;
        let command = job.engine.docker_with(self.args(job, builder.as_deref())?, &env).stderr_file(file);
        Ok(Begun { command, log })
    }

    /// Reads the trace of a command that has ended: its spans, and why the build failed.
    pub fn end(&self, job: &Job, begun: &Begun, success: bool) -> StepResult<Trace> {
        let log = &begun.log;
        let text = fs::read_to_string(log).map_err(|e| self.failure(&format!("read {}: {e}", log.display())))?;
        let trace = Trace::parse(&text);
        trace.record(job.recorder, self.output == Output::Load);
        job.recorder.count_steps(trace.steps());
        if !success {
            return Err(self.failure(&Self::explained(&trace.failure)));
        }
        Ok(trace)
    }

    /// What BuildKit says, and what it means where that is not plain.
    fn explained(error: &str) -> String {
        let hint = if error.contains("failed to resolve source metadata") || error.contains("failed to do request") {
            " (a base image or frontend that cannot be pulled from here: engines of a run start empty, and see neither images nor \
             credentials of your daemon)"
        } else if asks_for_secrets(error) {
            " (`RUN --mount=type=secret` and `type=ssh` get nothing here: builds of a run are given no secrets; leave the mount out, \
             or hand the finished image over with --image)"
        } else {
            ""
        };
        format!("{error}{hint}")
    }

    fn failure(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(SpanKind::Build.as_str(), format!("{}: {error}", self.step))
    }

    /// Runs the build and demands that no step was executed: each came from the cache, if there is any.
    pub fn run_cached(&self, job: &Job) -> StepResult<()> {
        let trace = self.run(job)?;
        trace.cache_missed().map_or(Ok(()), |miss| Err(Failure::new(SpanKind::Build.as_str(), miss)))
    }

    fn args(&self, job: &Job, builder: Option<&str>) -> StepResult<Vec<OsString>> {
        // A pushed image has the registry in its name, and no other: buildx pushes to every name that it is given.
        let tag = if let Output::Push { reference, .. } = self.output { reference } else { job.image };
        let mut args: Vec<OsString> =
            ["buildx", "build", "--progress=rawjson", "--tag", tag].iter().map(Into::into).collect();
        match self.output {
            Output::Push { compression, level, .. } => args.push(push_output(compression, level).into()),
            Output::Load => args.push("--load".into()),
            Output::To(value) => args.push(format!("--output={value}").into()),
            Output::Stdout(layers) => {
                args.push(fill(TO_STDOUT, |_| Some(layers.attribute().to_owned())).into());
            }
            Output::Tar(path, layers) => {
                let mut value = OsString::from("--output=type=docker,dest=");
                value.push(path);
                value.push(layers.attribute());
                args.push(value);
                if let Some(dir) = path.parent() {
                    fs::create_dir_all(dir)
                        .map_err(|e| Failure::new("build", format!("create {}: {e}", dir.display())))?;
                }
            }
        }
        let caches = [("--cache-to", self.cache_to), ("--cache-from", self.cache_from)];
        for (flag, value) in [("--builder", builder)].into_iter().chain(caches) {
            if let Some(value) = value {
                args.push(format!("{flag}={value}").into());
            }
        }
        let sources = job.sources;
        if let Some(file) = &sources.dockerfile {
            args.extend(["--file".into(), file.into()]);
        }
        for arg in &sources.build_args {
            args.extend(["--build-arg".into(), arg.into()]);
        }
        if sources.network {
            args.push("--network=host".into());
        }
        args.push((&sources.context).into());
        Ok(args)
    }
}

/// Whether a build failed because a step mounts what only a caller can give.
fn asks_for_secrets(error: &str) -> bool {
    let secret = error.contains("secret ") && error.contains(": not found");
    secret || error.contains("unset ssh forward key") || error.contains("no SSH key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn error_of_a_secret_mount_or_a_local_base_says_what_a_run_lacks() {
        for error in ["[2/2] RUN x: secret token: not found", "unset ssh forward key default"] {
            assert!(Build::explained(error).contains("given no secrets"), "{error}");
        }
        let base = "me/base:1: failed to resolve source metadata for docker.io/me/base:1: not found";
        assert!(Build::explained(base).contains("see neither images nor credentials of your daemon"));
        assert_eq!(Build::explained("exit code: 1"), "exit code: 1");
    }

    #[test]
    fn exporters_are_told_how_to_compress_and_nothing_where_they_choose() {
        assert!(push_output(Compression::Zstd, 1).ends_with(",compression=zstd,compression-level=1"));
        assert!(push_output(Compression::Zstd, OWN_LEVEL).ends_with(",compression=zstd"));
        assert!(push_output(Compression::Gzip, 1).ends_with(",compression=gzip"), "the level is zstd's");
        assert!(
            push_output(Compression::Gzip, 1).contains(",store=false,"),
            "an image that is kept is unpacked for it"
        );
        assert_eq!(Layers::DEFAULT.attribute(), "");
        assert_eq!(Layers::Zstd1.attribute(), ",compression=zstd,compression-level=1");
    }
}
