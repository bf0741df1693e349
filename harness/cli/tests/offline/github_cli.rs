//! Runs on GitHub from the command line: `dispatch`, `collect`, and the clean-up of cells, against a stand-in of GitHub's API.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Cursor, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use handoff_github::cell::CellJob;
use handoff_github::job::{JobFile, Readings};
use handoff_model::{Environment, Failure, ImageIdentity, Outcome, Role, RoleUsage, Span, SpanKind};
use handoff_records::Results;
use serde_json::{Value, json};

use crate::github_api::{Artifact, Fault, GitHub, RUN, job};
use crate::support::{SampleRuns, expect, handoff, request};

mod api_faults;
mod dispatch;
mod jobs;
mod rows;

/// A folder, a stand-in of GitHub, and what a run on it leaves.
struct GithubRun {
    github: GitHub,
    dir: tempfile::TempDir,
}

impl GithubRun {
    fn new() -> Self {
        Self { github: GitHub::new(), dir: tempfile::tempdir().unwrap() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// A verb as a person types it.
    fn verb(&self, args: &[&str]) -> Command {
        let mut command = handoff(args);
        command.current_dir(self.dir.path()).env("GITHUB_API_URL", &self.github.api);
        command.env("GH_TOKEN", "test-token").env_remove("GITHUB_REPOSITORY").env_remove("GITHUB_RUN_ID");
        command
    }

    fn dispatch(&self, more: &[&str], code: i32) -> (String, String) {
        expect(self.verb(&["dispatch", "--repo", "you/handoff"]).args(more), code)
    }

    fn collect(&self, code: i32) -> (String, String) {
        let run = RUN.to_string();
        expect(&mut self.verb(&["collect", "--repo", "you/handoff", "--run-id", &run, "--out", "rows"]), code)
    }

    fn rows(&self, name: &str) -> Results {
        Results::read(&self.path(name)).unwrap()
    }

    /// Artifact of the run's first job for these inputs, made by the verb that this job calls.
    fn plan(&self, inputs: &[(&str, &str)]) -> Vec<CellJob> {
        let dir = tempfile::tempdir().unwrap();
        let mut command = handoff(&["plan", "--github", "--out", "handoff-plan"]);
        command.current_dir(dir.path());
        for (name, value) in inputs {
            command.env(format!("HANDOFF_INPUT_{}", name.to_uppercase()), value);
        }
        expect(&mut command, 0);
        let folder = dir.path().join("handoff-plan");
        self.keep("handoff-plan", &zip(&folder, &["plan.json", "cells.json", "plan.txt"]));
        serde_json::from_slice(&std::fs::read(folder.join("cells.json")).unwrap()).unwrap()
    }

    fn keep(&self, name: &str, zip: &[u8]) {
        let artifact = Artifact { name: name.to_owned(), zip: zip.to_vec(), expired: false };
        self.github.state().artifacts.push(artifact);
    }

    /// A run of these inputs in which all went well.
    fn ran(&self, inputs: &[(&str, &str)]) {
        for cell in self.plan(inputs) {
            self.sides(&cell);
        }
    }

    /// Artifacts of the jobs of a cell that succeed.
    fn sides(&self, cell: &CellJob) {
        self.role(cell, Role::Producer, None);
        for consumer in &cell.consumers {
            self.role(cell, Role::Consumer, None);
            self.job(&format!("{} / consumer {consumer}", cell.id), "success");
        }
        self.job(&format!("{} / producer", cell.id), "success");
        self.job(&format!("{} / clean up", cell.id), "success");
    }

    fn job(&self, name: &str, conclusion: &str) {
        self.github.state().jobs.push(job(name, 5, conclusion));
    }

    fn role(&self, cell: &CellJob, role: Role, failure: Option<Failure>) {
        let consumer = (role == Role::Consumer).then_some(1);
        // Only what arrived is compared with what is known beforehand.
        let content = consumer.map(|_| cell.image_spec().unwrap().content_digest().unwrap());
        let file = JobFile {
            trial: cell.id.clone(),
            role,
            consumer,
            started_at: "2026-01-01T12:00:05Z".to_owned(),
            environment: Environment { id: "runner".to_owned(), cores: 4, ..Environment::default() },
            image_store: "overlay2".to_owned(),
            start: Readings::default(),
            failure,
            wall_ns: if role == Role::Producer { 9_000_000_000 } else { 4_000_000_000 },
            spans: vec![Span {
                kind: SpanKind::Command,
                detail: "a step".to_owned(),
                start_ns: 1,
                end_ns: 2,
                bytes: None,
            }],
            executed: vec![],
            cached: vec![],
            traced: true,
            cache_layers: vec![],
            usage: RoleUsage::default(),
            identity: ImageIdentity {
                config: Some("sha256:c".to_owned()),
                layers: Some(vec!["sha256:l".to_owned()]),
                content,
                ..ImageIdentity::default()
            },
            source: "output".to_owned(),
            client: "actions/upload-artifact".to_owned(),
        };
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("job.json"), serde_json::to_vec(&file).unwrap()).unwrap();
        let which = consumer.map_or_else(|| "producer".to_owned(), |c| c.to_string());
        self.keep(&format!("handoff-marks-{}-{which}", cell.id), &zip(dir.path(), &["job.json"]));
    }

    fn fault(&self, method: &'static str, path: &'static str, fault: Fault) {
        self.github.state().faults.push((method, path, fault));
    }
}

fn zip(dir: &Path, names: &[&str]) -> Vec<u8> {
    let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
    for name in names {
        zip.start_file(*name, zip::write::SimpleFileOptions::default()).unwrap();
        zip.write_all(&std::fs::read(dir.join(name)).unwrap()).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

/// An error is one line, and says these.
fn one_line(stderr: &str, parts: &[&str]) {
    let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{stderr}");
    for part in parts {
        assert!(errors[0].contains(part), "{part}: {stderr}");
    }
}

const API: &str = "/repos/you/handoff";
const RUNS: &str = "/repos/you/handoff/actions/runs/";
const SMALL: [(&str, &str); 3] = [("sizes", "64MiB"), ("strategies", "artifact,cache-tar"), ("rounds", "1")];
