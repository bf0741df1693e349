//! `handoff relay`: the sender or the receiver of a relayed image, a registry on loopback.

use std::path::PathBuf;

use handoff_registry::session::Session;
use handoff_registry::{Settings, StoreKind};
use handoff_relay::{TransferArgs, check_report, check_transfer};

use crate::{exit, files};

/// Options of `relay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    end: End,
}

#[derive(Debug, clap::Subcommand)]
enum End {
    /// Send an image that is pushed to `registry=127.0.0.1:PORT`, the first printed line; `commit` on standard input completes it
    Sender {
        #[command(flatten)]
        end: EndArgs,
        /// Offer builders the newest cached image whose name begins like this, as `earlier=REFERENCE`, the second printed line. If
        /// the cache has this very name, print `sent=NAME` and end
        #[arg(long, value_name = "BEGINNING")]
        earlier: Option<String>,
    },
    /// Receive an image for an engine that pulls from `registry=127.0.0.1:PORT`, until standard input ends
    Receiver(EndArgs),
}

#[derive(Debug, clap::Args)]
struct EndArgs {
    /// Name that the image is sent under
    #[arg(long)]
    name: String,
    /// Service that stores the image: artifact or cache
    #[arg(long, default_value = "artifact")]
    store: StoreKind,
    #[command(flatten)]
    flight: TransferArgs,
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// File for the report
    #[arg(long)]
    report: Option<PathBuf>,
}

impl Args {
    /// Serves until its input ends.
    ///
    /// # Errors
    /// A name or report that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        let (args, sends, earlier) = match self.end {
            End::Sender { end, earlier } => (end, true, earlier),
            End::Receiver(end) => (end, false, None),
        };
        check_transfer(&args.name)?;
        if let Some(path) = &args.report {
            check_report(path)?;
        }
        let settings = Settings { port: args.port, earlier, ..args.flight.settings() };
        let session = Session { name: args.name, store: args.store, settings };
        let out = std::io::stdout();
        let report = if sends { session.send(out) } else { session.receive(out) };
        files::finish(args.report, |path| report.write(path), report.error.as_deref())?;
        Ok(exit::OK)
    }
}
