//! Clients that transfer a stream: `handoff stream`, and the client that the spike names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use handoff_model::{Failure, SpanKind};

use crate::clients::{self, read_report};
use crate::options::{options, words};
use crate::pipe::Stage;
use crate::recorder::CLIENT;
use crate::{Job, StepResult};

/// Repository of the spike's client.
const HOME: &str = "https://github.com/lhotari/gh-actions-artifact-client";
/// Program in that repository.
const PROGRAM: &str = "dist/index.js";

words! {
    /// Client of a stream.
    pub enum Client {
        Handoff = "handoff",
        Lhotari = "lhotari",
    }
}

options! {
    /// Client of a stream and its connection plan.
    pub(crate) struct ClientOptions {
        /// blocks of 8 MiB in flight in an upload
        blocks: u32 [1..=256] = 24,
        /// ranges of 8 MiB in flight in a download; 1 is one request for the whole stream
        ranges: u32 [1..=256] = 1,
        /// client of the stream: Handoff's, or lhotari/gh-actions-artifact-client from your checkout
        client: Client,
        /// checkout for client=lhotari, with dist/index.js in it
        dir: String,
    }
}

impl ClientOptions {
    /// First option of Handoff's connection plan that is not at its default.
    pub fn changed_plan(&self) -> Option<&'static str> {
        let (blocks, ranges) = (Self::DEFAULT.blocks, Self::DEFAULT.ranges);
        let options = [("blocks", self.blocks != blocks), ("ranges", self.ranges != ranges)];
        options.into_iter().find_map(|(name, changed)| changed.then_some(name))
    }

    /// Reason why these options contradict each other, if any.
    pub fn refuses(&self) -> Option<String> {
        match (self.client, self.dir.as_str()) {
            (Client::Handoff, "") => None,
            (Client::Handoff, _) => Some("dir=DIR is for client=lhotari: leave it out".to_owned()),
            (Client::Lhotari, "") => {
                Some(format!("client=lhotari needs dir=DIR: name a tree of {HOME}, which handoff does not contain"))
            }
            (Client::Lhotari, dir) => {
                if let Some(name) = self.changed_plan() {
                    return Some(format!("client=lhotari has a fixed connection plan: leave {name} out"));
                }
                let program = Path::new(dir).join(PROGRAM);
                (!program.is_file())
                    .then(|| format!("{} does not exist: name a checkout of {HOME} with dir=DIR", program.display()))
            }
        }
    }

    /// Checkout of the spike's client, relative to the folder of the run's start.
    fn checkout(&self) -> StepResult<PathBuf> {
        let failure = |e| Failure::new(SpanKind::Command.as_str(), format!("{}: {e}", self.dir));
        fs::canonicalize(&self.dir).map_err(failure)
    }

    /// Stage that uploads standard input as an artifact, and the gate that lets Handoff's client commit.
    ///
    /// The gate opens after the earlier programs have succeeded, because a truncated stream must not become an artifact. The
    /// spike's client has no gate.
    pub fn upload(&self, job: &Job) -> StepResult<(Stage, Gate)> {
        match self.client {
            Client::Handoff => {
                let gate = Gate::make(&job.scratch.join("commit-gate"))?;
                let more = ["--blocks", &self.blocks.to_string(), "--commit-gate", text(&gate.path)?];
                Ok((
                    Stage::new(SpanKind::Command, "handoff-stream-upload", handoff_client(job, "upload", &more)?),
                    gate,
                ))
            }
            Client::Lhotari => {
                let command = lhotari_client(job, &self.checkout()?, "upload", SpanKind::Upload)?;
                Ok((Stage::new(SpanKind::Upload, "lhotari-upload", command), Gate::default()))
            }
        }
    }

    /// Stage that downloads an artifact to standard output.
    pub fn download(&self, job: &Job) -> StepResult<Stage> {
        match self.client {
            Client::Handoff => {
                let command = handoff_client(job, "download", &["--ranges", &self.ranges.to_string()])?;
                Ok(Stage::new(SpanKind::Command, "handoff-stream-download", command))
            }
            Client::Lhotari => {
                let command = lhotari_client(job, &self.checkout()?, "download", SpanKind::Download)?;
                Ok(Stage::new(SpanKind::Download, "lhotari-download", command))
            }
        }
    }

    /// Records the client, and the spans of its report, after the pipe has ended.
    pub fn record_client(&self, job: &Job, verb: &str) -> StepResult<()> {
        let name = match self.client {
            Client::Handoff => {
                let report = read_report(job, &report(job, verb)).map_err(|e| Failure::new(verb, e))?;
                if report.client.name.is_empty() { "handoff".to_owned() } else { report.client.to_string() }
            }
            Client::Lhotari => describe(&self.checkout()?),
        };
        job.recorder.fact(CLIENT, name);
        Ok(())
    }
}

/// Named pipe over which a client gets the request to commit.
#[derive(Debug, Default)]
pub struct Gate {
    path: PathBuf,
    /// Both ends of the pipe, so that opening never blocks.
    file: Option<fs::File>,
}

impl Gate {
    fn make(path: &Path) -> StepResult<Self> {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).map_err(|e| Self::failure(&e))?;
        let file = fs::OpenOptions::new().read(true).write(true).open(path).map_err(|e| Self::failure(&e))?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    /// Sends the request to commit.
    pub fn commit(&mut self) -> StepResult<()> {
        self.file.as_mut().map_or(Ok(()), |f| f.write_all(b"commit\n")).map_err(|e| Self::failure(&e))
    }

    fn failure(error: &dyn std::fmt::Display) -> Failure {
        Failure::new(SpanKind::Upload.as_str(), format!("commit gate: {error}"))
    }
}

fn text(path: &Path) -> StepResult<&str> {
    let error = || Failure::new(SpanKind::Command.as_str(), format!("{} is not UTF-8", path.display()));
    path.to_str().ok_or_else(error)
}

fn report(job: &Job, verb: &str) -> PathBuf {
    job.logs.join(format!("stream-{verb}.json"))
}

/// Command of `handoff stream`, with the variables of an action.
fn handoff_client(job: &Job, verb: &str, more: &[&str]) -> StepResult<duct::Expression> {
    let path = report(job, verb);
    let mut args = vec!["stream", verb, job.name, "--report", text(&path)?];
    args.extend(more);
    Ok(job.program(&job.tools.handoff, args, job.service_env))
}

/// Command of the spike's client, as its action runs it.
fn lhotari_client(job: &Job, dir: &Path, verb: &str, kind: SpanKind) -> StepResult<duct::Expression> {
    let program = dir.join(PROGRAM);
    Ok(job.program(&job.tools.node, [text(&program)?, verb, job.name], &clients::environment(job, kind)?))
}

/// Name, version and digest of the spike's client, for the row.
fn describe(dir: &Path) -> String {
    use sha2::{Digest, Sha256};
    let json: Option<serde_json::Value> =
        fs::read(dir.join("package.json")).ok().and_then(|b| serde_json::from_slice(&b).ok());
    let version = json.as_ref().and_then(|j| j.get("version")?.as_str()).unwrap_or("of unknown version");
    let digest = fs::read(dir.join(PROGRAM)).map(Sha256::digest);
    let hex = digest.map_or_else(|e| format!("unknown: {e}"), |digest| hex::encode(&digest[..6]));
    format!("lhotari/gh-actions-artifact-client {version} (sha256 {hex})")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lhotari_client_needs_a_checkout_and_the_default_plan() {
        let dir = tempfile::tempdir().unwrap();
        let refusal = |options: &str| {
            let spec = format!("zstd-stream:{options}").parse().unwrap();
            crate::find(&spec).unwrap().refuses(&handoff_model::Conditions::default())
        };
        let tree = dir.path().display();
        assert!(refusal("client=lhotari").unwrap().contains("needs dir=DIR"));
        assert!(refusal(&format!("client=lhotari,dir={tree}")).unwrap().contains("dist/index.js does not exist"));
        assert!(refusal("dir=/x").unwrap().contains("client=lhotari"));
        fs::create_dir(dir.path().join("dist")).unwrap();
        fs::write(dir.path().join(PROGRAM), "").unwrap();
        assert_eq!(refusal(&format!("client=lhotari,dir={tree},level=1")), None);
        for option in ["blocks=2", "ranges=8"] {
            let reason = refusal(&format!("client=lhotari,dir={tree},{option}")).unwrap();
            assert!(reason.contains("fixed connection plan"), "{reason}");
        }
        assert!(describe(dir.path()).contains("of unknown version (sha256 e3b0c44298fc)"));
    }
}
