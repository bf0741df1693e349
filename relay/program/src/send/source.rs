//! Origin of the images that are sent.

use handoff_model::{SpanKind, docker_error};
use handoff_registry::PushRegistry;
use handoff_storage::monotonic_ns;

use super::build::Build;
use crate::docker::{self, TemporaryTag};
use crate::report::Report;
use crate::transfer::Tagged;
use crate::{Error, transfer};

/// Origin of the images.
#[derive(Debug)]
pub(crate) enum Source {
    /// Images of the engine.
    Engine { images: Vec<String> },
    /// Build of a folder, pushed by its builder.
    Builder(Build),
}

impl Source {
    /// Word for reports.
    pub(crate) fn as_str(&self) -> &'static str {
        match self {
            Self::Engine { .. } => "push",
            Self::Builder(_) => "output",
        }
    }

    /// Pushes the images to a registry on loopback.
    pub(crate) async fn push(
        &self,
        sender: &PushRegistry,
        tagged: &[Tagged],
        report: &mut Report,
    ) -> Result<(), Error> {
        let registry = sender.registry();
        match self {
            Self::Engine { images } => {
                for (image, tagged) in images.iter().zip(tagged) {
                    let reference = transfer::reference(&registry, tagged);
                    push_image(image, reference, report).await?;
                }
                Ok(())
            }
            Self::Builder(build) => {
                let Some(tagged) = tagged.first() else { return Ok(()) };
                build.run(&transfer::reference(&registry, tagged), sender.earlier().as_deref(), report).await
            }
        }
    }
}

async fn push_image(image: &str, reference: String, report: &mut Report) -> Result<(), Error> {
    let start = monotonic_ns();
    let temporary = TemporaryTag(reference.clone());
    docker::run(&["tag", image, &reference]).await?;
    report.ended(SpanKind::Command, "docker-tag", start);
    let start = monotonic_ns();
    let pushed = docker::run(&["push", "--quiet", &reference]).await;
    report.ended(SpanKind::Export, "docker-push", start);
    drop(temporary);
    pushed
}

/// Refuses an image that the engine does not have, with what to do.
pub(crate) async fn check_in_engine(image: &str) -> Result<(), Error> {
    let found = docker::ask(&["image", "inspect", "--format", "{{.Id}}", "--", image]).await?;
    if found.success {
        return Ok(());
    }
    let why = docker_error::explained(image, &found.stderr.lines().collect::<Vec<_>>().join("; "));
    let build = "; a build leaves it there with --load, or let --context DIR build it";
    Err(Error::BadInput(format!("{why}{}", if why.contains("has no image") { build } else { "" })))
}
