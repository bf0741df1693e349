//! The clients that can move a stream: our own, and the one that the spike names.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};

use handoff_model::{Failure, SpanKind};

use crate::clients::{self, read_report};
use crate::options::{options, words};
use crate::pipe::Stage;
use crate::recorder::CLIENT;
use crate::{Job, StepResult};

/// Where the named client comes from.
const HOME: &str = "https://github.com/lhotari/gh-actions-artifact-client";
/// Its program below that tree.
const PROGRAM: &str = "dist/index.js";

words! {
    /// The client that moves a stream.
    pub enum Client {
        Handoff = "handoff",
        Lhotari = "lhotari",
    }
}

options! {
    /// Which client moves a stream, and how.
    pub(crate) struct ClientOptions {
        /// 8 MiB blocks in flight when uploading
        blocks: u32 [1..=256] = 24,
        /// ranges of 8 MiB fetched at once when downloading, written in order; 1 is one request for all
        ranges: u32 [1..=256] = 1,
        /// what moves the stream: our own client, or lhotari/gh-actions-artifact-client from a tree of yours
        client: Client,
        /// the tree of client=lhotari, with dist/index.js in it
        dir: String,
    }
}

impl ClientOptions {
    /// The first option of our own client's connection plan that is not at its default.
    pub fn own_plan(&self) -> Option<&'static str> {
        let (blocks, ranges) = (Self::DEFAULT.blocks, Self::DEFAULT.ranges);
        let given = [("blocks", self.blocks != blocks), ("ranges", self.ranges != ranges)];
        given.into_iter().find_map(|(name, given)| given.then_some(name))
    }

    /// Why these options do not go together, if so.
    pub fn refuses(&self) -> Option<String> {
        match (self.client, self.dir.as_str()) {
            (Client::Handoff, "") => None,
            (Client::Handoff, _) => Some("dir=DIR is for client=lhotari: leave it out".to_owned()),
            (Client::Lhotari, "") => {
                Some(format!("client=lhotari needs dir=DIR: name a tree of {HOME}, which handoff does not contain"))
            }
            (Client::Lhotari, dir) => {
                if let Some(name) = self.own_plan() {
                    return Some(format!("client=lhotari has a connection plan of its own: leave {name} out"));
                }
                let program = Path::new(dir).join(PROGRAM);
                (!program.is_file())
                    .then(|| format!("{} is not there: name a tree of {HOME} with dir=DIR", program.display()))
            }
        }
    }

    /// The tree of the named client, found from where the run was started.
    fn tree(&self) -> StepResult<PathBuf> {
        let failure = |e| Failure::new(SpanKind::Command.as_str(), format!("{}: {e}", self.dir));
        fs::canonicalize(&self.dir).map_err(failure)
    }

    /// Standard input becomes an artifact. The second value opens the gate: only when the programs before it have ended
    /// well may our own client commit, for a cut stream is no artifact. The other one knows no gate.
    pub fn upload(&self, job: &Job) -> StepResult<(Stage, Gate)> {
        match self.client {
            Client::Handoff => {
                let gate = Gate::make(&job.scratch.join("commit-gate"))?;
                let more = ["--blocks", &self.blocks.to_string(), "--commit-gate", text(&gate.path)?];
                Ok((Stage::new(SpanKind::Command, "handoff-stream-upload", own(job, "upload", &more)?), gate))
            }
            Client::Lhotari => {
                let command = named(job, &self.tree()?, "upload", SpanKind::Upload)?;
                Ok((Stage::new(SpanKind::Upload, "lhotari-upload", command), Gate::default()))
            }
        }
    }

    /// An artifact goes to standard output.
    pub fn download(&self, job: &Job) -> StepResult<Stage> {
        match self.client {
            Client::Handoff => {
                let command = own(job, "download", &["--ranges", &self.ranges.to_string()])?;
                Ok(Stage::new(SpanKind::Command, "handoff-stream-download", command))
            }
            Client::Lhotari => {
                let command = named(job, &self.tree()?, "download", SpanKind::Download)?;
                Ok(Stage::new(SpanKind::Download, "lhotari-download", command))
            }
        }
    }

    /// After the pipe: what our own client wrote of it, and the fact of which client it was.
    pub fn require_success(&self, job: &Job, verb: &str) -> StepResult<()> {
        let name = match self.client {
            Client::Handoff => {
                let require_success = read_report(job, &report(job, verb)).map_err(|e| Failure::new(verb, e))?;
                if require_success.client.name.is_empty() {
                    "handoff".to_owned()
                } else {
                    require_success.client.to_string()
                }
            }
            Client::Lhotari => describe(&self.tree()?),
        };
        job.recorder.fact(CLIENT, name);
        Ok(())
    }
}

/// A named pipe that must say `commit`.
#[derive(Debug, Default)]
pub struct Gate {
    path: PathBuf,
    /// Both ends, so that opening never waits; held open until the word is said.
    file: Option<fs::File>,
}

impl Gate {
    fn make(path: &Path) -> StepResult<Self> {
        rustix::fs::mkfifoat(rustix::fs::CWD, path, rustix::fs::Mode::RWXU).map_err(|e| Self::failure(&e))?;
        let file = fs::OpenOptions::new().read(true).write(true).open(path).map_err(|e| Self::failure(&e))?;
        Ok(Self { path: path.to_owned(), file: Some(file) })
    }

    /// Says the word.
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

/// Our own client, with the variables that an action gets.
fn own(job: &Job, verb: &str, more: &[&str]) -> StepResult<duct::Expression> {
    let path = report(job, verb);
    let mut args = vec!["stream", verb, job.name, "--report", text(&path)?];
    args.extend(more);
    Ok(job.program(&job.tools.handoff, args, &job.service.env))
}

/// The named client, as its own action runs it.
fn named(job: &Job, dir: &Path, verb: &str, kind: SpanKind) -> StepResult<duct::Expression> {
    let program = dir.join(PROGRAM);
    Ok(job.program(&job.tools.node, [text(&program)?, verb, job.name], &clients::environment(job, kind)?))
}

/// Name, version and digest: the tree is the caller's, so the row says which one it was.
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
    fn the_named_client_comes_from_a_tree_and_keeps_its_own_plan() {
        let dir = tempfile::tempdir().unwrap();
        let ask = |options: &str| {
            let spec = format!("zstd-stream:{options}").parse().unwrap();
            crate::find(&spec).unwrap().refuses(&handoff_model::Conditions::default())
        };
        let tree = dir.path().display();
        assert!(ask("client=lhotari").unwrap().contains("needs dir=DIR"));
        assert!(ask(&format!("client=lhotari,dir={tree}")).unwrap().contains("dist/index.js is not there"));
        assert!(ask("dir=/x").unwrap().contains("client=lhotari"));
        fs::create_dir(dir.path().join("dist")).unwrap();
        fs::write(dir.path().join(PROGRAM), "").unwrap();
        assert_eq!(ask(&format!("client=lhotari,dir={tree},level=1")), None);
        for option in ["blocks=2", "ranges=8"] {
            let reason = ask(&format!("client=lhotari,dir={tree},{option}")).unwrap();
            assert!(reason.contains("plan of its own"), "{reason}");
        }
        assert!(describe(dir.path()).contains("of unknown version (sha256 e3b0c44298fc)"));
    }
}
