//! `handoff relay`: one end of a registry on loopback, as a process of its own.

use std::path::PathBuf;

use handoff_registry::session::Session;
use handoff_registry::{Settings, StoreKind};

use super::send_receive::{Flight, check_sent_name};
use crate::{exit, files, paths};

/// Options of `relay`.
#[derive(Debug, clap::Args)]
pub struct Args {
    #[command(subcommand)]
    end: End,
}

#[derive(Debug, clap::Subcommand)]
enum End {
    /// Take what is pushed to `registry=127.0.0.1:PORT` (printed first); the line `commit` on standard input completes it
    Sender {
        #[command(flatten)]
        end: EndArgs,
        /// Give builders the newest image in the cache whose name begins so, as `earlier=REFERENCE` (printed second); print
        /// `sent=NAME` and end if this very name is there
        #[arg(long, value_name = "BEGINNING")]
        earlier: Option<String>,
    },
    /// Give what was sent to an engine that pulls from `registry=127.0.0.1:PORT`, until standard input ends
    Receiver(EndArgs),
}

#[derive(Debug, clap::Args)]
struct EndArgs {
    /// The name under which the image is sent
    #[arg(long)]
    name: String,
    /// Where it is kept meanwhile: artifact, or cache
    #[arg(long, default_value = "artifact")]
    store: StoreKind,
    #[command(flatten)]
    flight: Flight,
    /// Port on 127.0.0.1 [default: a free one]
    #[arg(long, default_value_t = 0, hide_default_value = true)]
    port: u16,
    /// Where the report goes
    #[arg(long)]
    report: Option<PathBuf>,
}

impl Args {
    /// Serves until told to end.
    pub fn run(self) -> anyhow::Result<u8> {
        let (args, sends, earlier) = match self.end {
            End::Sender { end, earlier } => (end, true, earlier),
            End::Receiver(end) => (end, false, None),
        };
        check_sent_name(&args.name)?;
        if let Some(path) = &args.report {
            paths::check_report(path)?;
        }
        let settings = Settings { port: args.port, earlier, ..args.flight.settings() };
        let session = Session { name: args.name, store: args.store, settings };
        let out = std::io::stdout();
        let report = if sends { session.send(out) } else { session.receive(out) };
        files::finish(args.report, |path| report.write(path), report.error.as_deref())?;
        Ok(exit::OK)
    }
}
