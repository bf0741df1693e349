//! Build by buildx, with its trace as spans.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

use duct::Expression;
use handoff_build::push_output;
use handoff_build::trace::Trace;
use handoff_model::recipe::{Step, fill};
use handoff_model::{Conditions, Failure, SpanKind};

use crate::builder::BuilderOption;
use crate::options::{options, words};
use crate::source::builder_exports;
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
    /// Options of strategies that transfer the builder's cache.
    pub(crate) struct CacheOptions {
        /// layers in the cache: all (max) or those of the result (min)
        mode: Mode,
        /// whether the producer's engine also loads the image, as in a job that uses its own build (`load: true`)
        producer_load as "producer-load": bool = false,
        ..build: BuilderOption,
    }
}

impl CacheOptions {
    /// Output of a producer's build that exports a cache, and the resulting location of the image.
    pub fn output(&self) -> (Output<'static>, ImageLocation) {
        if self.producer_load {
            (Output::Load, ImageLocation::Engine)
        } else {
            (Output::To(CACHE_ONLY), ImageLocation::BuilderCache)
        }
    }
}

/// Value of `--output` for a build that exports only a cache.
const CACHE_ONLY: &str = "type=cacheonly";

/// Steps of a producer that exports a cache, of which one applies.
pub const fn cache_builds(cache_to: &'static str) -> [Step; 2] {
    let loads = Step { what: "build-push-action, loaded", ..steps::build(None, Some(cache_to), None) };
    [
        steps::build(Some(CACHE_ONLY), Some(cache_to), None).when(&[("producer-load", "false")]),
        loads.when(&[("producer-load", "true")]),
    ]
}

/// Reason why no cache can be exported under these conditions, if any.
pub fn refuses_cache_export(conditions: &Conditions) -> Option<String> {
    (!builder_exports(conditions)).then(|| {
        "the `docker` builder cannot export a cache with the overlay2 store: use --builder docker-container, or --image-store containerd"
            .to_owned()
    })
}

words! {
    /// Compression of the layers in a tar or in a cache folder that the builder writes.
    pub enum Layers {
        /// gzip, the builder's default.
        Gzip = "gzip",
        /// zstd at the builder's default level.
        Zstd = "zstd",
        /// zstd at its fastest level.
        Zstd1 = "zstd-1",
        /// No compression.
        Uncompressed = "uncompressed",
    }
}

impl Layers {
    /// Attribute of the exporter; empty for its default.
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
        /// zstd.
        Zstd = "zstd",
        /// gzip.
        Gzip = "gzip",
        /// No compression.
        Uncompressed = "uncompressed",
    }
}

/// Output of a build.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output<'a> {
    /// The job's engine.
    Load,
    /// Docker tar at this path.
    Tar(&'a Path, Layers),
    /// Docker tar on standard output, for [`Build::begin`] as the first program of a pipe.
    Stdout(Layers),
    /// Push to a registry.
    Push {
        /// Registry, repository and tag.
        reference: &'a str,
        /// Compression of the layers.
        compression: Compression,
        /// Level of zstd; 0 is the builder's default.
        level: u32,
    },
    /// Another value of `--output`.
    To(&'a str),
}

/// Option by which a builder writes a docker tar to standard output, here and on GitHub.
pub const TO_STDOUT: &str = "--output=type=docker,dest=-{layers-attributes}";

/// Build to run.
#[derive(Debug, Clone, Copy)]
pub struct Build<'a> {
    /// Name of the step, for log and spans.
    pub step: &'a str,
    /// Output.
    pub output: Output<'a>,
    /// Value of `--cache-to`.
    pub cache_to: Option<&'a str>,
    /// Value of `--cache-from`.
    pub cache_from: Option<&'a str>,
}

/// Build with its command: see [`Build::begin`].
#[derive(Debug)]
pub struct Begun {
    /// Command without standard input and output.
    pub command: Expression,
    log: PathBuf,
}

impl<'a> Build<'a> {
    /// Build without caches.
    pub fn plain(step: &'a str, output: Output<'a>) -> Self {
        Self { step, output, cache_to: None, cache_from: None }
    }

    /// Runs the build in the job's engine. Returns its trace.
    ///
    /// # Errors
    /// The build fails.
    pub fn run(&self, job: &Job) -> StepResult<Trace> {
        let begun = self.begin(job)?;
        let command = begun.command.stdin_null().stdout_null().unchecked();
        let what = format!("buildx build ({})", self.step);
        let result = job.recorder.span(SpanKind::Command, &what, || command.run());
        let status = result.map_err(|e| self.failure(&e))?.status;
        self.end(job, &begun, status.success())
    }

    /// Command of the build, whose trace goes to a separate log. The caller runs it and then calls [`Build::end`].
    ///
    /// # Errors
    /// The log cannot be created, or the builder does not boot.
    pub fn begin(&self, job: &Job) -> StepResult<Begun> {
        let log = job.logs.join(format!("{}.rawjson", self.step));
        let file = fs::File::create(&log).map_err(|e| self.failure(&format!("create {}: {e}", log.display())))?;
        // The client passes these variables to the builder, as in an action. Other builds get no token.
        let gha = self.cache_to.or(self.cache_from).is_some_and(|c| c.starts_with("type=gha"));
        let env = if gha { job.service_env.clone() } else { BTreeMap::new() };
        let builder = job.builder()?;
        let command = job.engine.docker_with(self.args(job, builder.as_deref())?, &env).stderr_file(file);
        Ok(Begun { command, log })
    }

    /// Reads the trace of a command that has ended, and records its spans.
    ///
    /// # Errors
    /// The build failed, or the trace cannot be read.
    pub fn end(&self, job: &Job, begun: &Begun, success: bool) -> StepResult<Trace> {
        let log = &begun.log;
        let text = fs::read_to_string(log).map_err(|e| self.failure(&format!("read {}: {e}", log.display())))?;
        let trace = Trace::parse(&text);
        job.recorder.record_trace(&trace, self.output == Output::Load);
        job.recorder.count_steps(trace.steps());
        if !success {
            return Err(self.failure(&Self::explained(&trace.failure)));
        }
        Ok(trace)
    }

    /// Error of BuildKit, with an explanation and a fix where the error has none.
    pub fn explained(error: &str) -> String {
        let hint = if error.contains("failed to resolve source metadata") || error.contains("failed to do request") {
            " (a base image or frontend cannot be pulled: engines of a run start empty, and see neither images nor credentials of \
             your daemon; hand the finished image over with --image)"
        } else if needs_secrets(error) {
            " (`RUN --mount=type=secret` and `type=ssh` are empty, because builds of a run are given no secrets: leave the mount out, \
             or hand the finished image over with --image)"
        } else {
            ""
        };
        format!("{error}{hint}")
    }

    fn failure(&self, error: &dyn std::fmt::Display) -> Failure {
        Failure::new(SpanKind::Build.as_str(), format!("{}: {error}", self.step))
    }

    /// Runs the build and requires that every step comes from the cache.
    ///
    /// # Errors
    /// The build fails, or executes a step.
    pub fn run_cached(&self, job: &Job) -> StepResult<()> {
        let trace = self.run(job)?;
        trace.cache_missed().map_or(Ok(()), |miss| Err(Failure::new(SpanKind::Build.as_str(), miss)))
    }

    fn args(&self, job: &Job, builder: Option<&str>) -> StepResult<Vec<OsString>> {
        // buildx pushes to every tag, so that a pushed image has only the tag of the registry.
        let tag = if let Output::Push { reference, .. } = self.output { reference } else { job.image };
        let mut args: Vec<OsString> =
            ["buildx", "build", "--progress=rawjson", "--tag", tag].iter().map(Into::into).collect();
        match self.output {
            Output::Push { compression, level, .. } => args.push(push_output(compression.as_str(), level).into()),
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

/// Whether a build failed because a step mounts a secret or an SSH agent.
fn needs_secrets(error: &str) -> bool {
    let secret = error.contains("secret ") && error.contains(": not found");
    secret || error.contains("unset ssh forward key") || error.contains("no SSH key")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_secret_mount_and_failed_base_image_are_explained() {
        for error in ["[2/2] RUN x: secret token: not found", "unset ssh forward key default"] {
            assert!(Build::explained(error).contains("given no secrets"), "{error}");
        }
        let base = "me/base:1: failed to resolve source metadata for docker.io/me/base:1: not found";
        assert!(Build::explained(base).contains("see neither images nor credentials of your daemon"));
        assert_eq!(Build::explained("exit code: 1"), "exit code: 1");
    }

    #[test]
    fn default_compression_adds_no_attribute() {
        assert_eq!(Layers::DEFAULT.attribute(), "");
        assert_eq!(Layers::Zstd1.attribute(), ",compression=zstd,compression-level=1");
    }
}
