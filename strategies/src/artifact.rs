//! `artifact`: a docker tar as a workflow artifact, by the client of upload-artifact and download-artifact.

use handoff_model::recipe::{self, ACTION_OPTION, Does, Step, Unsupported};
use handoff_model::strategy::look;
use handoff_model::{
    Conditions, Marker, OptionKind, OptionSpec, Recipe, SpanKind, Storage, StrategyFacts, StrategySpec, Ticket,
};

use crate::recorder::CLIENT;
use crate::{Handed, Job, StepResult, Strategy, clients, tar};

/// The strategy.
pub struct Artifact;

const FACTS: StrategyFacts = StrategyFacts {
    name: "artifact",
    summary: "build to a docker tar, upload it as an artifact, download it, docker load",
    storage: Storage::Artifact,
    moves_image: true,
    has_producer: true,
    ours: false,
    colour: look::BLUE,
    marker: Marker::Circle,
    options: &[
        OptionSpec {
            name: "level",
            kind: OptionKind::Number(0, 9),
            default: "0",
            help: "zlib level of the artifact's zip (the spike asks for 0: stored)",
        },
        OptionSpec {
            name: "archive",
            kind: OptionKind::Word(&["true", "false"]),
            default: "true",
            help: "whether the file goes into a zip; false uploads it as it is, as upload-artifact 7 can",
        },
        OptionSpec {
            name: "concurrency",
            kind: OptionKind::Number(1, 300),
            default: "5",
            help: "ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY; the client sends three quarters of it at once, and caps it by the cores",
        },
        tar::COMPRESS_OPTION,
        tar::SOURCE_OPTION,
        tar::LAYERS_OPTION,
    ],
};

impl Strategy for Artifact {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn refuses(&self, spec: &StrategySpec, conditions: &Conditions) -> Option<String> {
        if FACTS.option(spec, "archive") == "false" && spec.options.contains_key("level") {
            return Some("archive=false makes no zip that could have a level: leave level out".to_owned());
        }
        tar::Source::named(&FACTS, spec, conditions).err()
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let compress = job.option(&FACTS, "compress");
        let (path, built) = tar::build(job, &FACTS, &compress)?;
        let file = path.display().to_string();
        let (level, archive) = (job.option(&FACTS, "level"), job.option(&FACTS, "archive"));
        let mut args = vec!["upload", "--name", job.name, "--file", &file, "--level", &level, "--archive", &archive];
        if let Some(concurrency) = job.spec.options.get("concurrency") {
            args.extend(["--concurrency", concurrency]);
        }
        let report = clients::node(job, "artifact.mjs", &args, SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        // What is not archived is named after its file, whatever name is asked for.
        let name = if archive == "true" { job.name } else { tar::file_name(&compress) };
        Ok(Handed { ticket: Ticket::default().with("artifact", name), built })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let name = ticket.get("artifact").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        let dir = job.scratch.display().to_string();
        clients::node(job, "artifact.mjs", &["download", "--name", name, "--dir", &dir], SpanKind::Download)?;
        tar::load(job, &job.scratch.join(tar::file_name(&job.option(&FACTS, "compress"))))
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

/// With a zip around it.
const UPLOAD: &[(&str, &str)] = &[
    ("name", "{name}"),
    ("path", "{dir}/{tar}"),
    ("compression-level", "{level}"),
    ("if-no-files-found", "error"),
    ("retention-days", "1"),
];
const DOWNLOAD: &[(&str, &str)] = &[("name", "{name}"), ("path", "{dir}")];

/// As it is, from upload-artifact 7 on: it is named after its file, whatever name is asked for.
const UPLOAD_FILE: &[(&str, &str)] =
    &[("path", "{dir}/{tar}"), ("archive", "{archive}"), ("if-no-files-found", "error"), ("retention-days", "1")];
const DOWNLOAD_FILE: &[(&str, &str)] = &[("name", "{tar}"), ("path", "{dir}")];

/// No input, but a variable that the action reads from 4.6.0 on: <https://github.com/actions/upload-artifact/issues/642>.
const CONCURRENCY: &[(&str, &str)] = &[("ACTIONS_ARTIFACT_UPLOAD_CONCURRENCY", "{concurrency}")];

const PRODUCER: [Step; 3] = [
    Step::always(SpanKind::Upload, "upload-artifact", Does::Uses("actions/upload-artifact", UPLOAD))
        .when(&[("action", "latest"), ("archive", "true")])
        .env(CONCURRENCY),
    Step::always(SpanKind::Upload, "upload-artifact v4", Does::Uses("actions/upload-artifact@v4", UPLOAD))
        .when(&[("action", "v4"), ("archive", "true")])
        .env(CONCURRENCY),
    Step::always(SpanKind::Upload, "upload-artifact, no zip", Does::Uses("actions/upload-artifact", UPLOAD_FILE))
        .when(&[("action", "latest"), ("archive", "false")])
        .env(CONCURRENCY),
];

const MAKES_AND_UPLOADS: [Step; 10] = recipe::joined(tar::MAKE, PRODUCER);

const RECIPE: Recipe = Recipe {
    options: &[ACTION_OPTION],
    not_in_a_cell: &[Unsupported::option(
        "archive",
        "an artifact without a zip is named after its file, and files of all cells have the same name",
    )],
    not_in_a_workflow: &[],
    of_the_machine: &[],
    derived: tar::PLACES,
    producer: &MAKES_AND_UPLOADS,
    consumer: &[
        Step::always(SpanKind::Download, "download-artifact", Does::Uses("actions/download-artifact", DOWNLOAD))
            .when(&[("action", "latest"), ("archive", "true")]),
        Step::always(SpanKind::Download, "download-artifact v4", Does::Uses("actions/download-artifact@v4", DOWNLOAD))
            .when(&[("action", "v4"), ("archive", "true")]),
        Step::always(
            SpanKind::Download,
            "download-artifact, no zip",
            Does::Uses("actions/download-artifact", DOWNLOAD_FILE),
        )
        .when(&[("action", "latest"), ("archive", "false")]),
        tar::LOAD,
    ],
    settle: tar::settle_source,
    built: tar::built,
    consumer_is_cached: false,
};
