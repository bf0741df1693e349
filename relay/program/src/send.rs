//! `send`: images of the engine, or a build, to other jobs.

use handoff_build::{PUSH_LEVEL, push_output};
use handoff_model::SpanKind;
use handoff_registry::{Error as RelayError, PullRegistry, PushRegistry, Sent, Settings, StoreKind};
use handoff_storage::{ServiceEndpoint, monotonic_ns};

use crate::error::bail_input;
use crate::options::Common;
use crate::print::{self, mib};
use crate::report::Report;
use crate::{Command, Error, build_context, docker, lifecycle, names, progress, transfer};

mod args;
mod build;
mod source;

pub use args::SendArgs;
use source::Source;

/// Name of the transfer's first stage in reports.
const OPENED: &str = "relay: store opened";

impl SendArgs {
    /// Pushes the images to an end of our own, which stores them for receivers.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> Result<(), Error> {
        let (name, files) = (self.common.name.clone(), self.common.files.clone());
        lifecycle::run(Command::Send, &name, &files, async |report| self.send(report).await)
    }

    async fn send(&self, report: &mut Report) -> Result<(), Error> {
        let source = self.source().await?;
        report.source = Some(source.as_str());
        let Common { name, store, .. } = &self.common;
        let settings = self.settings();
        let start = monotonic_ns();
        let started = PushRegistry::start(*store, ServiceEndpoint::from_env()?, name, &settings).await;
        let sender = match started {
            // A caller that asks for earlier images accepts one of this very name.
            Err(RelayError::Taken(_)) if self.earlier.is_some() => return self.sent_before(report, &settings).await,
            started => started?,
        };
        let images = transfer::tagged(&self.images);
        let ready = async {
            sender.ready().await?;
            Ok::<_, Error>(monotonic_ns())
        };
        let what = format!("sending {name}");
        let push = progress::shown(&what, None, || transfer::pushed(&sender), source.push(&sender, &images, report));
        let (ready, pushed) = tokio::join!(ready, push);
        // What the service says of it is the reason why a push was refused.
        report.span(SpanKind::Resolve, OPENED, start, ready?, None);
        pushed.map_err(|error| caused(sender.broken(), error))?;
        let sent = transfer::commit(sender, &images).await?;
        self.record(report, sent);
        self.print(report)
    }

    fn settings(&self) -> Settings {
        Settings {
            encoding: self.encoding,
            retention_days: self.retention_days,
            earlier: self.earlier.clone(),
            ..self.common.flight.settings()
        }
    }

    fn record(&self, report: &mut Report, sent: Sent) {
        if let Some(first) = sent.first_byte_ns {
            let detail = format!("relay: {} blobs, {} lanes", sent.blobs, sent.concurrency);
            report.span(SpanKind::Upload, &detail, first, sent.uploaded_ns, Some(sent.uploaded));
        }
        report.ended(SpanKind::Resolve, "relay: committed", sent.uploaded_ns);
        (report.bytes, report.reused_bytes, report.blobs) = (sent.received, sent.reused, sent.blobs);
        for (image, digest) in self.images.iter().zip(transfer::digests(&sent)) {
            report.image(image, &digest);
        }
        (report.index, report.config, report.layers) = (sent.digest, sent.config, sent.layers);
        (report.concurrency, report.traffic) = (sent.concurrency, sent.traffic);
    }

    /// Finds the digests of a transfer that an earlier run has completed.
    async fn sent_before(&self, report: &mut Report, settings: &Settings) -> Result<(), Error> {
        let Common { name, store, .. } = &self.common;
        let settings = Settings { earlier: None, ..settings.clone() };
        let receiver = PullRegistry::start(*store, ServiceEndpoint::from_env()?, name, &settings).await?;
        let found = transfer::arrivals(&receiver)?;
        if found.len() != self.images.len() {
            return Err(Error::Failed(format!(
                "an earlier run sent {} images as {name:?}, and {} are named: use another --name",
                found.len(),
                self.images.len()
            )));
        }
        report.sent = true;
        report.source = None;
        report.index = found.first().map(|first| first.digest.clone());
        for (image, found) in self.images.iter().zip(&found) {
            report.image(image, &found.digest);
        }
        print::talk(&format!("an earlier run has sent {name:?}: nothing is sent"));
        report.print_images()
    }

    fn print(&self, report: &Report) -> Result<(), Error> {
        let (images, name) = (self.images.join(", "), &self.common.name);
        let (sent, blobs, reused) = (mib(report.bytes), report.blobs, mib(report.reused_bytes));
        print::talk(&format!("sent {images} as {name:?}: {sent} in {blobs} blobs, {reused} there already"));
        report.print_images()
    }

    /// Source of the images, checked before anything starts: first the options, then what docker answers.
    async fn source(&self) -> Result<Source, Error> {
        for image in &self.images {
            names::check_image("IMAGE", image)?;
        }
        names::check_transfer(&self.common.name)?;
        self.check_together()?;
        let output = self.output()?;
        let file =
            self.build.file.as_deref().map(|file| build_context::named_dockerfile(file, "--file")).transpose()?;
        let context = self.build.context.as_deref().map(build_context::context_dir).transpose()?;
        if let Some(dir) = context.as_ref().filter(|_| file.is_none()) {
            build_context::check_dockerfile(&build_context::default_dockerfile(dir), "--file")?;
        }
        docker::refuse_podman().await?;
        let Some(context) = context else {
            for image in &self.images {
                source::check_in_engine(image).await?;
            }
            return Ok(Source::Engine { images: self.images.clone() });
        };
        build::check_buildx().await?;
        let caches = self.earlier.is_some();
        Ok(Source::Builder(build::Build { context, file, output, caches, options: self.build.options() }))
    }

    /// Refuses options that contradict each other.
    fn check_together(&self) -> Result<(), Error> {
        let mut seen = std::collections::BTreeSet::new();
        if let Some(twice) = self.images.iter().find(|image| !seen.insert(*image)) {
            bail_input!("{twice} is named twice: leave one out");
        }
        if self.build.context.is_some() && self.images.len() > 1 {
            bail_input!("--context builds one image, and {} are named: name one IMAGE", self.images.len());
        }
        if self.retention_days.is_some() && self.common.store == StoreKind::Cache {
            bail_input!(
                "--retention-days needs --store artifact: a cache keeps its own time, so leave --retention-days out"
            );
        }
        if self.earlier.is_some() && self.common.store != StoreKind::Cache {
            bail_input!("--earlier needs --store cache: only a cache holds images of earlier runs");
        }
        Ok(())
    }

    /// The option by which the builder pushes, or why the options contradict each other.
    fn output(&self) -> Result<String, Error> {
        let compression = self.build.compression.as_deref().unwrap_or("zstd");
        // The default is no mistake: the workflow of a variant names every option.
        let is_other = |level: &u8| compression != "zstd" && u32::from(*level) != PUSH_LEVEL;
        if let Some(level) = self.build.level.filter(is_other) {
            bail_input!(
                "--level {level} has no effect with --compression {compression}: leave --level out, or use --compression zstd"
            );
        }
        Ok(push_output(compression, self.build.level.map_or(PUSH_LEVEL, u32::from)))
    }
}

/// Failure of a push, after the failure of the end that it pushed to, which is the cause.
fn caused(broken: Option<String>, error: Error) -> Error {
    match (broken, error) {
        (_, Error::Cancelled) => Error::Cancelled,
        (Some(broken), error) => Error::Failed(format!("{broken}; {error}")),
        (None, error) => error,
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        args: SendArgs,
    }

    #[test]
    fn only_a_level_that_is_not_the_default_contradicts_another_compression() {
        let output = |level: &str, compression: &str| {
            let words = ["send", "app:1", "--context", ".", "--level", level, "--compression", compression];
            Line::try_parse_from(words).unwrap().args.output()
        };
        assert!(output("1", "gzip").unwrap().ends_with(",compression=gzip"));
        assert!(output("3", "gzip").unwrap_err().to_string().contains("leave --level out"));
        assert!(output("3", "zstd").unwrap().ends_with(",compression-level=3"));
    }
}
