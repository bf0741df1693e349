//! `handoff serve`.

use std::fs::{self, File};
use std::io;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use handoff_link::profile;
use handoff_runner::tools;
use handoff_services::{Service, ServiceConfig, TokenSpec};

use crate::exit::{self, bad_input};
use crate::out;

/// Options of `serve`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Address to listen on; port 0 is a free port
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:0")]
    bind: SocketAddr,
    /// Folder for blobs, which are removed at the end [default: a temporary folder]
    #[arg(long, value_name = "DIR")]
    store: Option<PathBuf>,
    /// Link profile that limits bandwidth and adds latency
    #[arg(long, value_name = "NAME|FILE", default_value = "loopback")]
    profile: String,
    /// Workflow run of the token; artifacts belong to a run
    #[arg(long, value_name = "NAME", default_value = "run", value_parser = filled)]
    run_name: String,
    /// Git ref of the token, which is its cache scope
    #[arg(long, value_name = "REF", default_value = "refs/heads/main", value_parser = filled)]
    git_ref: String,
    /// Lifetime of the token, in hours
    #[arg(long, value_name = "HOURS", default_value = "24", value_parser = clap::value_parser!(u64).range(1..=8_760))]
    ttl: u64,
}

impl Args {
    /// Prints the variables of a client's environment, then serves until Ctrl-C.
    ///
    /// # Errors
    /// A profile, address or folder that cannot be used.
    pub fn run(self) -> anyhow::Result<u8> {
        let (store, temporary) = if let Some(store) = self.store {
            (store, None)
        } else {
            sweep(&std::env::temp_dir());
            let temporary = TemporaryStore::make().map_err(bad_input)?;
            (temporary.dir.clone(), Some(temporary))
        };
        let profile = profile::load(&self.profile).map_err(bad_input)?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let service = Service::start_blocking(ServiceConfig { bind: self.bind, profile, ..ServiceConfig::new(store) })
            .map_err(bad_input)?;
        let ttl = Duration::from_secs(self.ttl * 3_600);
        let token =
            service.mint(TokenSpec { run: self.run_name, ref_scope: self.git_ref, ttl, ..TokenSpec::default() });
        let addr = service.addr();
        if !addr.ip().is_loopback() {
            out::warn(&exposed(addr));
        }
        for (name, value) in service.client_env(&token) {
            out::data(&format!("{name}={value}"));
        }
        // Without it the npm clients ask a name server for a host that cannot exist.
        if let Some(clients) = tools::clients() {
            out::data(&format!("NODE_OPTIONS=--require={}", clients.join("loopback.cjs").display()));
        }
        // Nobody could use a service whose variables were lost.
        out::written()?;
        out::talk(&format!("serving on {} until Ctrl-C", service.base_url()));
        runtime.block_on(async {
            use tokio::signal::unix::{SignalKind, signal};
            match (signal(SignalKind::terminate()), signal(SignalKind::interrupt())) {
                (Ok(mut terminate), Ok(mut interrupt)) => tokio::select! {
                    _ = terminate.recv() => {}
                    _ = interrupt.recv() => {}
                },
                _ => std::future::pending::<()>().await,
            }
            service.shutdown().await;
        });
        drop(temporary);
        Ok(exit::OK)
    }
}

/// Value of an option that must not be empty: with an empty one every call would be refused.
fn filled(text: &str) -> Result<String, String> {
    if text.is_empty() {
        Err("it is empty: give a name, or leave the option out".to_owned())
    } else {
        Ok(text.to_owned())
    }
}

/// Warning about an address that other machines reach.
fn exposed(addr: SocketAddr) -> String {
    let who = if addr.ip().is_unspecified() {
        format!("every address of this machine on port {}", addr.port())
    } else {
        format!("{addr}, which is not a loopback address")
    };
    format!(
        "serving on {who}: every machine that reaches it can read and write with the token below, without TLS. Use --bind \
         127.0.0.1:0 to serve this machine only"
    )
}

/// Name of every folder that is made where none is named; its lock has the ending [`LOCK`].
const PREFIX: &str = "handoff-serve-";
const LOCK: &str = ".lock";

/// A folder in the system's temporary one, with a lock beside it that says whether its process lives.
struct TemporaryStore {
    dir: PathBuf,
    lock: PathBuf,
    _held: File,
}

impl TemporaryStore {
    fn make() -> Result<Self, String> {
        let dir = std::env::temp_dir().join(format!("{PREFIX}{}", std::process::id()));
        let lock = beside(&dir);
        let held = File::create(&lock).and_then(|file| file.lock().map(|()| file));
        let held = held.map_err(|e| format!("cannot make {}: {e} (name a folder by --store)", lock.display()))?;
        Ok(Self { dir, lock, _held: held })
    }
}

impl Drop for TemporaryStore {
    fn drop(&mut self) {
        // What stays is found again by the next server: see `sweep`.
        let _ = fs::remove_dir_all(&self.dir);
        let _ = fs::remove_file(&self.lock);
    }
}

fn beside(dir: &Path) -> PathBuf {
    let mut name = dir.as_os_str().to_owned();
    name.push(LOCK);
    name.into()
}

/// Removes what servers have left that were killed: a lock that can be had belongs to nobody. Process numbers would not do: a
/// container has its own. Nobody waits for it: what cannot be removed now is tried again by the next server.
fn sweep(dir: &Path) {
    for entry in fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(name) = name.to_str().filter(|n| n.starts_with(PREFIX)).and_then(|n| n.strip_suffix(LOCK)) else {
            continue;
        };
        let lock = entry.path();
        let free = File::open(&lock).is_ok_and(|file| file.try_lock().is_ok());
        if free && gone(fs::remove_dir_all(dir.join(name))) {
            let _ = fs::remove_file(lock);
        }
    }
}

fn gone(removed: io::Result<()>) -> bool {
    removed.is_ok() || removed.is_err_and(|e| e.kind() == io::ErrorKind::NotFound)
}
