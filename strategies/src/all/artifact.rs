//! `artifact`: docker tar as a workflow artifact, by the client of upload-artifact and download-artifact.

use handoff_model::recipe::{BuiltAt, Step, Unsupported, joined};
use handoff_model::strategy::look;
use handoff_model::{Builder, Conditions, Marker, Recipe, SpanKind, Storage, StrategyFacts, Ticket, Transfer};

use crate::options::{facts_and_recipe, options, words};
use crate::recorder::CLIENT;
use crate::tar::{self, TarOptions};
use crate::{Job, ProducerOutput, Source, StepResult, Strategy, builder, clients, steps};

words! {
    /// Major version of the artifact actions.
    pub enum Action {
        Latest = "latest",
        V4 = "v4",
    }
}

options! {
    /// Option that selects the artifact actions.
    pub(crate) struct ActionOption {
        /// major version of the actions, on GitHub only: the current one (latest) or that of the spike (v4)
        action: Action,
    }
}

options! {
    /// Strategy `artifact`.
    pub struct Artifact {
        /// zlib level of the artifact's zip (0 stores the file, as in the spike)
        level: u32 [0..=9] = 0,
        /// whether the artifact is a zip; false uploads the plain file (upload-artifact 7 or newer)
        archive: bool = true,
        /// ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY; the client uses three quarters of it, and caps it by the cores
        concurrency: u32 [1..=300] = 5,
        ..tar: TarOptions,
        github ..action: ActionOption,
    }
}

const FACTS: StrategyFacts = StrategyFacts {
    name: "artifact",
    summary: "build to a docker tar, upload it as an artifact, download it, docker load",
    storage: Storage::Artifact,
    transfer: Some(Transfer { plain_on_overlay2: true, ..clients::ARTIFACT_TRANSFER }),
    moves_image: true,
    has_producer: true,
    ours: false,
    colour: look::BLUE,
    marker: Marker::Circle,
    options: Artifact::OPTIONS,
};

impl Strategy for Artifact {
    facts_and_recipe!();

    fn source(&mut self) -> Option<&mut Source> {
        Some(&mut self.tar.source)
    }

    fn refuses(&self, conditions: &Conditions) -> Option<String> {
        if !self.archive && self.level != Self::DEFAULT.level {
            return Some("archive=false makes no zip, which alone has a level: leave level out".to_owned());
        }
        self.tar.writer(conditions).err()
    }

    fn builder(&self) -> Option<Builder> {
        self.tar.exporter.build.named()
    }

    fn produce(&self, job: &Job) -> StepResult<ProducerOutput> {
        let (path, built) = tar::build(job, &self.tar)?;
        let file = path.display().to_string();
        let (level, archive) = (self.level.to_string(), self.archive.to_string());
        let mut args = vec!["upload", "--name", job.name, "--file", &file, "--level", &level, "--archive", &archive];
        let concurrency = self.concurrency.to_string();
        if self.concurrency != Self::DEFAULT.concurrency {
            args.extend(["--concurrency", &concurrency]);
        }
        let report = clients::node(job, "artifact.mjs", &args, SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        // An artifact without a zip is named after its file.
        let name = if self.archive { job.name } else { tar::file_name(self.tar.compress) };
        Ok(ProducerOutput { ticket: Ticket::default().with("artifact", name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let name = ticket.get("artifact").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        let dir = job.scratch.display().to_string();
        clients::node(job, "artifact.mjs", &["download", "--name", name, "--dir", &dir], SpanKind::Download)?;
        tar::load(job, &job.scratch.join(tar::file_name(self.tar.compress)))
    }

    fn built_at(&self) -> BuiltAt {
        self.tar.built_at()
    }
}

/// Inputs for an artifact with a zip.
const UPLOAD: &[(&str, &str)] = &[
    ("name", "{name}"),
    ("path", "{dir}/{tar}"),
    ("compression-level", "{level}"),
    ("if-no-files-found", "error"),
    ("retention-days", "1"),
];
const DOWNLOAD: &[(&str, &str)] = &[("name", "{name}"), ("path", "{dir}")];

/// Inputs for an artifact without a zip, which is named after its file (upload-artifact 7 or newer).
const UPLOAD_FILE: &[(&str, &str)] =
    &[("path", "{dir}/{tar}"), ("archive", "{archive}"), ("if-no-files-found", "error"), ("retention-days", "1")];
const DOWNLOAD_FILE: &[(&str, &str)] = &[("name", "{tar}"), ("path", "{dir}")];

/// Variable that upload-artifact 4.6.0 or newer reads: <https://github.com/actions/upload-artifact/issues/642>.
const CONCURRENCY: &[(&str, &str)] = &[("ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY", "{concurrency}")];

const PRODUCER: [Step; 3] = [
    steps::uses(SpanKind::Upload, "upload-artifact", "actions/upload-artifact", UPLOAD)
        .when(&[("action", "latest"), ("archive", "true")])
        .env(CONCURRENCY),
    steps::uses(SpanKind::Upload, "upload-artifact v4", "actions/upload-artifact@v4", UPLOAD)
        .when(&[("action", "v4"), ("archive", "true")])
        .env(CONCURRENCY),
    steps::uses(SpanKind::Upload, "upload-artifact, no zip", "actions/upload-artifact", UPLOAD_FILE)
        .when(&[("action", "latest"), ("archive", "false")])
        .env(CONCURRENCY),
];

const MAKES_AND_UPLOADS: [Step; 10] = joined(&[&tar::MAKE, &PRODUCER]);

const RECIPE: Recipe = Recipe {
    options: ActionOption::OPTIONS,
    not_in_a_cell: &[
        Unsupported::option(
            "archive",
            "an artifact without a zip is named after its file, and all cells have the same file name",
        ),
        builder::NOT_IN_A_CELL,
    ],
    of_the_machine: &[builder::OF_THE_MACHINE],
    derived: tar::PLACES,
    producer: &MAKES_AND_UPLOADS,
    consumer: &[
        steps::uses(SpanKind::Download, "download-artifact", "actions/download-artifact", DOWNLOAD)
            .when(&[("action", "latest"), ("archive", "true")]),
        steps::uses(SpanKind::Download, "download-artifact v4", "actions/download-artifact@v4", DOWNLOAD)
            .when(&[("action", "v4"), ("archive", "true")]),
        steps::uses(SpanKind::Download, "download-artifact, no zip", "actions/download-artifact", DOWNLOAD_FILE)
            .when(&[("action", "latest"), ("archive", "false")]),
        tar::LOAD,
    ],
    ..Recipe::EMPTY
};
