//! `receive`: images of another job into the engine of this one.

use handoff_import::Helper;
use handoff_model::SpanKind;
use handoff_registry::{Error as RelayError, PullRegistry, StoreKind};
use handoff_storage::{ServiceEndpoint, monotonic_ns};

use crate::docker::{self, TemporaryTag};
use crate::error::bail_input;
use crate::importing::{self, Arriving, Attempt, Import};
use crate::options::Common;
use crate::print::{self, mib};
use crate::report::{Report, Route};
use crate::store_switch::{SwitchOptions, Switched, is_hosted, switch};
use crate::transfer::{self, Arrival};
use crate::{Command, Error, lifecycle, names, progress};

mod args;
mod check;
mod jobs;
mod wait;

pub use args::ReceiveArgs;

impl ReceiveArgs {
    /// Imports or pulls the images from an end of our own, which fetches what was sent.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> Result<(), Error> {
        let (name, files) = (self.common.name.clone(), self.common.files.clone());
        lifecycle::run(Command::Receive, &name, &files, async |report| Box::pin(self.receive(report)).await)
    }

    async fn receive(&self, report: &mut Report) -> Result<(), Error> {
        let expected = self.check()?;
        let endpoint = ServiceEndpoint::from_env()?;
        docker::refuse_podman().await?;
        let start = monotonic_ns();
        // The helper needs some time to start. After a switch, it has to see the new store.
        let early = async {
            match (self.import, &self.store_switch) {
                (Import::Never, _) | (_, Some(_)) => None,
                _ => Some(importing::start().await),
            }
        };
        let (receiver, helper) = tokio::join!(self.open(endpoint.clone()), early);
        let receiver = receiver?;
        report.ended(SpanKind::Resolve, "relay: table read", start);
        let images = self.images(&receiver, &expected)?;
        report.index = images.first().map(|image| image.digest.clone());
        let arrived = self.take(&receiver, &images, helper, report).await;
        let received = receiver.stop();
        if let Some((first, last)) = received.between_ns {
            let detail = format!("relay: {} lanes", received.concurrency);
            report.span(SpanKind::Download, &detail, first, last, Some(received.given));
        }
        report.bytes = received.given;
        (report.concurrency, report.traffic) = (received.concurrency, received.traffic);
        // The end knows better than docker why a blob was cut short.
        if let (Some(broken), false) = (received.broken, matches!(arrived, Err(Error::Cancelled))) {
            return Err(Error::Failed(broken));
        }
        arrived?;
        for image in &images {
            report.image(&image.image, &image.digest);
        }
        self.delete(endpoint).await;
        let names: Vec<_> = images.iter().map(|i| i.image.as_str()).collect();
        print::talk(&format!("received {}: {} fetched", names.join(", "), mib(report.bytes)));
        report.print_images()
    }

    /// Checks the options; returns the digests that `--digest` names.
    fn check(&self) -> Result<Vec<String>, Error> {
        let Common { name, store, .. } = &self.common;
        names::check_transfer(name)?;
        if let Some(tag) = &self.tag {
            names::check_image("--tag", tag)?;
        }
        if self.delete && *store == StoreKind::Cache {
            bail_input!(
                "--delete needs --store artifact: entries of a cache expire on their own, so leave --delete out"
            );
        }
        self.digest.as_deref().map_or(Ok(Vec::new()), check::digests)
    }

    /// Opens the transfer, and waits for it with `--wait`.
    async fn open(&self, endpoint: ServiceEndpoint) -> Result<PullRegistry, Error> {
        let Common { name, store, flight, .. } = &self.common;
        let settings = flight.settings();
        let open = async || PullRegistry::start(*store, endpoint.clone(), name, &settings).await;
        match self.wait {
            None => Ok(open().await?),
            Some(limit) => wait::until_sent(name, limit, self.producer.as_deref(), jobs::Run::from_env(), open).await,
        }
    }

    /// Images of the transfer under their names in this job, after all checks that need nothing of them.
    fn images(&self, receiver: &PullRegistry, expected: &[String]) -> Result<Vec<Arrival>, Error> {
        let mut images = transfer::arrivals(receiver)?;
        check::same_digests(&images, expected)?;
        if let Some(tag) = &self.tag {
            let [image] = images.as_mut_slice() else {
                bail_input!("--tag names one image, and {} were sent: leave --tag out", images.len());
            };
            image.image.clone_from(tag);
        }
        check::names(&images)?;
        Ok(images)
    }

    /// Brings the images into the engine.
    async fn take(
        &self,
        receiver: &PullRegistry,
        images: &[Arrival],
        helper: Option<Result<Helper, String>>,
        report: &mut Report,
    ) -> Result<(), Error> {
        let what = format!("receiving {}", self.common.name);
        let arrive = async {
            let why = match self.import(receiver, images, helper, report).await? {
                Attempt::Imported => {
                    report.import = Some(Route::Import);
                    return Ok(());
                }
                Attempt::LeftToEngine(why) => why,
            };
            if self.import == Import::Require {
                return Err(Error::Missing(format!(
                    "the image cannot be imported here: {why}; use --import auto to let the engine pull it"
                )));
            }
            if self.import == Import::Auto {
                print::talk(&format!("the engine pulls the image: {why}"));
            }
            (report.import, report.import_reason) = (Some(Route::Pull), Some(why));
            for image in images {
                pull(receiver, image, report).await?;
            }
            Ok(())
        };
        progress::shown(&what, Some(receiver.total()), || receiver.given(), arrive).await
    }

    /// Switches the engine's store if that is wanted, and imports the images if that is possible.
    async fn import(
        &self,
        receiver: &PullRegistry,
        images: &[Arrival],
        helper: Option<Result<Helper, String>>,
        report: &mut Report,
    ) -> Result<Attempt, Error> {
        if self.import == Import::Never {
            self.switch_store(report).await?;
            return Ok(Attempt::LeftToEngine("--import never".to_owned()));
        }
        let mut arriving = Arriving::read(receiver, images).await;
        let helper = if let Some(helper) = helper {
            helper
        } else {
            // The lowest layers come while the engine restarts.
            arriving.begin(receiver);
            self.switch_store(report).await?;
            importing::start().await
        };
        match helper {
            Ok(helper) => importing::import(helper, receiver, arriving, report).await,
            Err(why) => Ok(Attempt::LeftToEngine(why)),
        }
    }

    /// Switches the engine to the containerd store, as `--store-switch` asks for.
    async fn switch_store(&self, report: &mut Report) -> Result<(), Error> {
        let Some(value) = &self.store_switch else { return Ok(()) };
        let options = SwitchOptions {
            program: importing::current_program()?,
            endpoint: docker::endpoint().await,
            allowed: value == "force" || is_hosted(),
            daemon_config: self.daemon_config.clone(),
            restart_command: self.restart_command.clone(),
        };
        let start = monotonic_ns();
        report.store_switched = match switch(&options).await? {
            Switched::Already => false,
            Switched::Now { restart_seconds } => {
                report.ended(SpanKind::Prepare, "relay: store switched", start);
                print::talk(&format!(
                    "the engine has the containerd store now, after {restart_seconds:.1} s; `handoff-relay restore-store` undoes that"
                ));
                true
            }
        };
        Ok(())
    }

    /// Deletes the transfer after a success. A transfer that stays costs storage, but the image is here.
    async fn delete(&self, endpoint: ServiceEndpoint) {
        if !self.delete {
            return;
        }
        if let Err(error) = handoff_registry::delete(endpoint, &self.common.name).await {
            print::talk(&format!("warning: {:?} was not deleted: {error}", self.common.name));
        }
    }
}

/// Lets the engine pull an image, and gives it its name.
async fn pull(receiver: &PullRegistry, image: &Arrival, report: &mut Report) -> Result<(), Error> {
    let reference = format!("{}/received:{}", receiver.registry(), image.tag);
    let start = monotonic_ns();
    let temporary = TemporaryTag(reference.clone());
    let pulled = docker::run(&["pull", "--quiet", &reference]).await;
    report.ended(SpanKind::Load, "docker-pull", start);
    pulled?;
    let start = monotonic_ns();
    docker::run(&["tag", &reference, &image.image]).await?;
    report.ended(SpanKind::Command, "docker-tag", start);
    drop(temporary);
    Ok(())
}

/// Whether an error says that nothing was sent under the name yet.
fn is_absent(error: &RelayError) -> bool {
    matches!(error, RelayError::NotSent { .. })
}
