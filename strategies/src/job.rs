//! Job as a strategy sees it: engine, clock, service, sources and folders.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use handoff_docker::Engine;
use handoff_docker::programs::on_path;
use handoff_model::shell::last_lines;
use handoff_model::{Builder, Conditions, Failure, Sources, SpanKind, recipe};

use crate::{Options, Recorder, StepResult};

/// Detail of the span in which a job waits as long as a runner needs to pull the builder's image.
pub const PULL_BUILDER_IMAGE: &str = "pull builder image (simulated)";

/// Paths of the programs that strategies run, beside the engine.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Tools {
    /// Node.
    pub node: PathBuf,
    /// Folder with the npm clients and their drivers.
    pub clients: PathBuf,
    /// zstd.
    pub zstd: PathBuf,
    /// The `handoff` binary, whose streaming client runs as a separate process.
    pub handoff: PathBuf,
    /// The program `handoff-relay`.
    pub relay: PathBuf,
}

/// Job of one role of a trial.
#[derive(Debug)]
pub struct Job<'a> {
    /// Engine of the job.
    pub engine: &'a Engine,
    /// Clock and spans.
    pub recorder: &'a Recorder,
    /// Variables of a GitHub runner for actions, with the addresses of the service and the job's token.
    pub service_env: &'a BTreeMap<String, String>,
    /// Programs.
    pub tools: &'a Tools,
    /// Name, unique to the trial, from which keys, scopes and artifact names derive.
    pub name: &'a str,
    /// Commit of the sources, if caches of earlier runs may exist.
    pub commit: Option<&'a str>,
    /// Image reference in the engine.
    pub image: &'a str,
    /// Build context with a Dockerfile, and the options of its build.
    pub sources: &'a Sources,
    /// Sources of further images ([`crate::MoreBuilds::other_images`]).
    pub others: &'a [Sources],
    /// Empty folder that is removed with the job. Its path is the same in both roles, as that of a runner's workspace.
    pub scratch: &'a Path,
    /// Folder of the job's logs.
    pub logs: &'a Path,
    /// Conditions.
    pub conditions: &'a Conditions,
}

impl Job<'_> {
    /// Cache key of this image, with the commit if caches of earlier runs may exist.
    pub fn key(&self) -> String {
        self.commit.map_or_else(|| self.name.to_owned(), |commit| format!("{}-{commit}", self.name))
    }

    /// Text of a recipe with its placeholders replaced for this job and a strategy's options.
    pub fn fill(&self, strategy: &impl Options, text: &str) -> String {
        let values = strategy.values();
        recipe::fill(text, |place| match place {
            "name" => Some(self.name.to_owned()),
            "image" => Some(self.image.to_owned()),
            "sources" => Some(self.sources.context.display().to_string()),
            "dir" => Some(self.scratch.display().to_string()),
            option => values.get(option).cloned(),
        })
    }

    /// Name of the builder container; none if the engine's builder is used. The first build of a job boots the builder, on
    /// the clock, after the simulated pull of its image.
    ///
    /// # Errors
    /// The builder does not boot.
    pub fn builder(&self) -> StepResult<Option<String>> {
        if self.conditions.builder == Builder::Docker {
            return Ok(None);
        }
        if !self.engine.has_builder() {
            let pull = Duration::from_millis(self.conditions.builder_pull_ms);
            if !pull.is_zero() {
                // The image is in the engine already: the wait stands for its pull on a runner, before the builder boots.
                self.recorder.span(SpanKind::Builder, PULL_BUILDER_IMAGE, || thread::sleep(pull));
            }
            for (step, command) in self.engine.builder_commands() {
                self.run(SpanKind::Builder, step, &command)?;
            }
            self.engine.builder_has_booted();
        }
        Ok(Some(self.engine.builder_name()))
    }

    /// Log file of a step, opened for appending.
    ///
    /// # Errors
    /// The file cannot be opened.
    pub fn log(&self, step: &str) -> StepResult<File> {
        let path = self.logs.join(format!("{step}.log"));
        let file = OpenOptions::new().create(true).append(true).read(true).open(&path);
        file.map_err(|e| Failure::new(step, format!("open {}: {e}", path.display())))
    }

    /// Path of a program of the host, by its name.
    ///
    /// # Errors
    /// The program is not on PATH.
    pub fn on_path(&self, kind: SpanKind, name: &str) -> StepResult<PathBuf> {
        let path = self.engine.env().get("PATH").map_or("", String::as_str);
        let missing = || Failure::new(kind.as_str(), format!("{name} is not on PATH: run `apt-get install {name}`"));
        on_path(path, name).ok_or_else(missing)
    }

    /// Command of a host program in the job's folder, with the job's environment and additional variables.
    pub fn program<I, S>(&self, program: &Path, args: I, extra: &BTreeMap<String, String>) -> duct::Expression
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        duct::cmd(program, args).full_env(self.engine.env_with(extra)).dir(self.scratch)
    }

    /// Runs a command as a span, with its output in the step's log.
    ///
    /// # Errors
    /// The command fails: the failure quotes the end of the log.
    pub fn run(&self, kind: SpanKind, step: &str, command: &duct::Expression) -> StepResult<()> {
        let mut log = self.log(step)?;
        let out = log.try_clone().map_err(|e| Failure::new(kind.as_str(), e))?;
        let err = log.try_clone().map_err(|e| Failure::new(kind.as_str(), e))?;
        let command = command.stdin_null().stdout_file(out).stderr_file(err).unchecked();
        let result = self.recorder.span(kind, step, || command.run());
        let status = result.map_err(|e| Failure::new(kind.as_str(), format!("{step}: {e}")))?.status;
        if status.success() {
            return Ok(());
        }
        Err(Failure::new(kind.as_str(), format!("{step} ended with {status}: {}", explained(tail(&mut log)))))
    }
}

/// Error of an engine, with an explanation and a fix where the error has none.
pub fn explained(error: String) -> String {
    if error.contains("empty export - not implemented") {
        return format!(
            "{error} (an engine with the overlay2 store saves no image without a layer: use --image-store containerd, or a \
             strategy whose builder writes the tar, source=output)"
        );
    }
    error
}

/// Last lines of a log, for an error message.
pub fn tail(log: &mut File) -> String {
    let len = log.seek(SeekFrom::End(0)).unwrap_or(0);
    let mut text = Vec::new();
    let _ = log.seek(SeekFrom::Start(len.saturating_sub(2_000)));
    let _ = log.read_to_end(&mut text);
    last_lines(&String::from_utf8_lossy(&text), 4, 2_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_save_of_an_image_without_layers_is_explained() {
        let error = explained("Error response from daemon: empty export - not implemented".to_owned());
        assert!(error.contains("saves no image without a layer: use --image-store containerd"), "{error}");
        assert_eq!(explained("no space left".to_owned()), "no space left");
    }
}
