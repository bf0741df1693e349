//! `artifact`: a docker tar as a workflow artifact, by the client of upload-artifact and download-artifact.

use handoff_model::recipe::{ACTION_OPTION, BuiltAt, Does, Step};
use handoff_model::{OptionKind, OptionSpec, Recipe, SpanKind, Storage, StrategyFacts, Ticket};

use crate::recorder::CLIENT;
use crate::{Built, Handed, Job, StepResult, Strategy, clients, tar};

/// The strategy.
pub struct Artifact;

const FACTS: StrategyFacts = StrategyFacts {
    name: "artifact",
    summary: "build to a docker tar, upload it as an artifact, download it, docker load",
    storage: Storage::Artifact,
    moves_image: true,
    has_producer: true,
    options: &[
        OptionSpec {
            name: "level",
            kind: OptionKind::Number(0, 9),
            default: "0",
            help: "zlib level of the artifact's zip (the spike asks for 0: stored)",
        },
        tar::SOURCE_OPTION,
    ],
};

impl Strategy for Artifact {
    fn facts(&self) -> &'static StrategyFacts {
        &FACTS
    }

    fn produce(&self, job: &Job) -> StepResult<Handed> {
        let path = tar::build(job, &job.option(&FACTS, "source"))?;
        let file = path.display().to_string();
        let level = job.option(&FACTS, "level");
        let args = ["upload", "--name", job.name, "--file", &file, "--level", &level];
        let report = clients::node(job, "artifact.mjs", &args, SpanKind::Upload)?;
        job.recorder.fact(CLIENT, report.client.to_string());
        Ok(Handed { ticket: Ticket::default().with("artifact", job.name), built: Built::Tar(path) })
    }

    fn consume(&self, job: &Job, ticket: &Ticket) -> StepResult<()> {
        let name = ticket.get("artifact").map_err(|e| handoff_model::Failure::new("resolve", e))?;
        let dir = job.scratch.display().to_string();
        clients::node(job, "artifact.mjs", &["download", "--name", name, "--dir", &dir], SpanKind::Download)?;
        tar::load(job, &job.scratch.join(tar::TAR))
    }

    fn recipe(&self) -> Option<&'static Recipe> {
        Some(&RECIPE)
    }
}

const UPLOAD: &[(&str, &str)] = &[
    ("name", "{name}"),
    ("path", "{dir}/image.tar"),
    ("compression-level", "{level}"),
    ("if-no-files-found", "error"),
    ("retention-days", "1"),
];
const DOWNLOAD: &[(&str, &str)] = &[("name", "{name}"), ("path", "{dir}")];

const RECIPE: Recipe = Recipe {
    options: &[ACTION_OPTION],
    not_here: &[],
    producer: &[
        tar::BUILD_OUTPUT,
        tar::BUILD_LOAD,
        tar::SAVE,
        Step::always(SpanKind::Upload, "upload-artifact", Does::Uses("actions/upload-artifact", UPLOAD))
            .when(&[("action", "latest")]),
        Step::always(SpanKind::Upload, "upload-artifact v4", Does::Uses("actions/upload-artifact@v4", UPLOAD))
            .when(&[("action", "v4")]),
    ],
    consumer: &[
        Step::always(SpanKind::Download, "download-artifact", Does::Uses("actions/download-artifact", DOWNLOAD))
            .when(&[("action", "latest")]),
        Step::always(SpanKind::Download, "download-artifact v4", Does::Uses("actions/download-artifact@v4", DOWNLOAD))
            .when(&[("action", "v4")]),
        tar::LOAD,
    ],
    settle: tar::settle_source,
    built: BuiltAt::Tar(tar::TAR),
    consumer_is_cached: false,
};
