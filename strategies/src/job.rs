//! What a strategy may see of the job it runs in.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use handoff_docker::Engine;
use handoff_docker::programs::on_path;
use handoff_model::shell::last_lines;
use handoff_model::{Builder, Conditions, Failure, Sources, SpanKind, recipe};

use crate::{Options, Recorder, StepResult};

/// Where the service is, and the job's token.
#[derive(Debug, Clone)]
pub struct ServiceAccess {
    /// The variables that a runner gives to actions: addresses and the token.
    pub env: BTreeMap<String, String>,
}

/// Programs beside the engine that strategies run.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Tools {
    /// Node.
    pub node: PathBuf,
    /// The folder with the npm clients and their drivers.
    pub clients: PathBuf,
    /// zstd.
    pub zstd: PathBuf,
    /// The `handoff` binary itself: its streaming client runs as a process of its own.
    pub handoff: PathBuf,
}

/// One side of one trial.
#[derive(Debug)]
pub struct Job<'a> {
    /// The job's own engine.
    pub engine: &'a Engine,
    /// The clock and the spans.
    pub recorder: &'a Recorder,
    /// The service's address and token.
    pub service: &'a ServiceAccess,
    /// Programs.
    pub tools: &'a Tools,
    /// Name of this image, unique to the trial: keys, scopes and artifact names are made from it.
    pub name: &'a str,
    /// The commit of the sources where caches of earlier runs may be there; none where a run has nothing but itself.
    pub commit: Option<&'a str>,
    /// Reference under which the engine shall know the image.
    pub image: &'a str,
    /// The sources: a build context with a Dockerfile, and how it is built.
    pub sources: &'a Sources,
    /// Sources of further images, where the strategy asks for some ([`crate::MoreBuilds::other_images`]).
    pub others: &'a [Sources],
    /// An empty folder, gone when the job ends. At the same place on both sides, as a runner's workspace is.
    pub scratch: &'a Path,
    /// Folder of the trial's logs.
    pub logs: &'a Path,
    /// The conditions.
    pub conditions: &'a Conditions,
}

impl Job<'_> {
    /// The key of this image in a cache: of its commit where earlier runs count, else of the run alone.
    pub fn key(&self) -> String {
        self.commit.map_or_else(|| self.name.to_owned(), |commit| format!("{}-{commit}", self.name))
    }

    /// A text of a recipe, with its places filled for this job and a strategy's options.
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

    /// The builder to name to buildx, if it is not the engine's own. The first build of a job creates and boots it, on the
    /// clock.
    pub fn builder(&self) -> StepResult<Option<String>> {
        if self.conditions.builder == Builder::Docker {
            return Ok(None);
        }
        if !self.engine.has_builder() {
            for (step, command) in self.engine.builder_commands() {
                self.run(SpanKind::Builder, step, &command)?;
            }
            self.engine.builder_has_booted();
        }
        Ok(Some(self.engine.builder_name()))
    }

    /// The log file of a step.
    pub fn log(&self, step: &str) -> StepResult<File> {
        let path = self.logs.join(format!("{step}.log"));
        let file = OpenOptions::new().create(true).append(true).read(true).open(&path);
        file.map_err(|e| Failure::new(step, format!("open {}: {e}", path.display())))
    }

    /// A program of the host that every distribution has, by its name.
    pub fn on_path(&self, kind: SpanKind, name: &str) -> StepResult<PathBuf> {
        let path = self.engine.env().get("PATH").map_or("", String::as_str);
        let missing = || Failure::new(kind.as_str(), format!("there is no {name} on the PATH: apt-get install {name}"));
        on_path(path, name).ok_or_else(missing)
    }

    /// A program of the host (not of the engine) in the job's folder, with the job's environment and the given variables.
    pub fn program<I, S>(&self, program: &Path, args: I, extra: &BTreeMap<String, String>) -> duct::Expression
    where
        I: IntoIterator<Item = S>,
        S: Into<OsString>,
    {
        duct::cmd(program, args).full_env(self.engine.env_with(extra)).dir(self.scratch)
    }

    /// Runs a command to its end as a span. Its output goes to the step's log; a failure quotes the log's end.
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

/// What an engine says, and what it means where that is not plain.
pub fn explained(words: String) -> String {
    if words.contains("empty export - not implemented") {
        return format!(
            "{words} (an engine with the overlay2 store saves no image without a layer: use --image-store containerd, or a \
             strategy whose builder writes the tar, source=output)"
        );
    }
    words
}

/// The last lines of a log, for an error message.
pub fn tail(log: &mut File) -> String {
    // The end of a log explains an error that is reported anyway: as much of it as can be read.
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
    fn engine_that_saves_no_image_without_a_layer_is_named_as_the_limit() {
        let said = explained("Error response from daemon: empty export - not implemented".to_owned());
        assert!(said.contains("saves no image without a layer: use --image-store containerd"), "{said}");
        assert_eq!(explained("no space left".to_owned()), "no space left");
    }
}
