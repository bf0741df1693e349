//! `artifact`: a docker tar as a workflow artifact, by the client of upload-artifact and download-artifact.

use handoff_model::{OptionKind, OptionSpec, SpanKind, Storage, StrategyFacts, Ticket};

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
}
