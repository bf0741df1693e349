//! Programs that trials need beside the engine: `handoff-relay`, Node with GitHub's npm clients, zstd and tar.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_docker::Programs;
use handoff_docker::command::first_line;
use handoff_docker::programs::on_path;

use crate::RunError;
use crate::protocol::ToolPaths;

/// Oldest major version of Node that the clients support.
const OLDEST_NODE: u32 = 20;

/// Result of the check of one requirement.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// Requirement.
    pub part: String,
    /// Version, or the problem.
    pub found: String,
    /// Whether the requirement is met.
    pub ok: bool,
    /// Command that fixes the problem.
    #[serde(rename = "mend")]
    pub fix: String,
}

/// Checked programs.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Paths of the programs.
    pub paths: ToolPaths,
    /// Version of each program.
    pub versions: BTreeMap<String, String>,
}

/// Checks every requirement of a run without starting an engine.
pub fn checks() -> Vec<Check> {
    checks_of(std::env::current_exe().ok().as_deref())
}

/// Checks every requirement of a run by this `handoff`.
pub fn checks_of(handoff: Option<&Path>) -> Vec<Check> {
    let setup = || "make setup".to_owned();
    let mut list = vec![root_check()];
    match Programs::find() {
        Ok(programs) => {
            for (part, found) in &programs.versions {
                list.push(Check { part: part.clone(), found: found.clone(), ok: true, fix: String::new() });
            }
            for (part, fix) in
                [("zstd", "make setup"), ("tar", "make setup"), ("unshare", "apt-get install util-linux")]
            {
                list.push(program_check(&programs.path, part, fix));
            }
        }
        Err(error) => {
            list.push(Check { part: "engine".to_owned(), found: error.to_string(), ok: false, fix: setup() });
        }
    }
    list.push(relay_check(handoff));
    list.push(node_check());
    list.push(clients_check());
    list
}

fn root_check() -> Check {
    let ok = rustix::process::geteuid().is_root();
    let found = if ok { "yes" } else { "no: engines need root" }.to_owned();
    Check { part: "root".to_owned(), found, ok, fix: "run it with sudo".to_owned() }
}

/// First line of `PROGRAM --version`.
fn version(program: PathBuf, path: &str) -> Option<String> {
    first_line(&duct::cmd!(program, "--version").env("PATH", path), "--version").ok()
}

fn program_check(path: &str, part: &str, fix: &str) -> Check {
    let version = on_path(path, part).and_then(|program| version(program, path));
    let ok = version.is_some();
    let found = version.unwrap_or_else(|| "not found".to_owned());
    Check { part: part.to_owned(), found, ok, fix: fix.to_owned() }
}

/// `PATH` of this process.
fn path_variable() -> String {
    std::env::var("PATH").unwrap_or_default()
}

fn node() -> Option<PathBuf> {
    let named = std::env::var_os("HANDOFF_NODE").filter(|v| !v.is_empty()).map(PathBuf::from);
    named.or_else(|| on_path(&path_variable(), "node"))
}

fn node_check() -> Check {
    let version = node().and_then(|node| version(node, &path_variable())).unwrap_or_else(|| "not found".to_owned());
    let major = version.trim_start_matches('v').split('.').next().and_then(|m| m.parse::<u32>().ok());
    let ok = major.is_some_and(|m| m >= OLDEST_NODE);
    Check { part: "node".to_owned(), found: version, ok, fix: format!("make setup (Node {OLDEST_NODE} or newer)") }
}

/// Name of relay's program.
const RELAY: &str = "handoff-relay";

/// Relay's program: `HANDOFF_RELAY`, or beside `handoff`.
fn relay(handoff: Option<&Path>) -> Option<PathBuf> {
    let named = std::env::var_os("HANDOFF_RELAY").filter(|v| !v.is_empty()).map(PathBuf::from);
    let beside = || Some(handoff?.with_file_name(RELAY));
    named.or_else(beside).and_then(|path| std::path::absolute(path).ok()).filter(|path| path.is_file())
}

fn relay_check(handoff: Option<&Path>) -> Check {
    let of = |program: PathBuf| version(program, &path_variable());
    let (found, own) = (relay(handoff).and_then(of), handoff.map(Path::to_owned).and_then(of));
    let fix = build_relay(cfg!(debug_assertions));
    let (ok, found) = match (found, own) {
        (None, _) => (false, "not found beside this program".to_owned()),
        // A run records the sources of this program alone.
        (Some(found), Some(own)) if !same_sources(&found, &own) => (false, format!("{found}, unlike {own}")),
        (Some(found), _) => (true, found),
    };
    Check { part: RELAY.to_owned(), found, ok, fix }
}

/// Whether two programs name the same digest of their sources: `PROGRAM 0.1.0 (commit …, sources …)`.
fn same_sources(one: &str, other: &str) -> bool {
    let sources = |line: &str| line.rsplit_once(", sources ").map(|(_, digest)| digest.to_owned());
    sources(one).is_some() && sources(one) == sources(other)
}

/// Command that builds relay's program beside a program of the same build profile.
fn build_relay(debug: bool) -> String {
    format!("cargo build {}-p {RELAY}", if debug { "" } else { "--release " })
}

/// Folder with the drivers of the npm clients: `HANDOFF_CLIENTS_DIR`, beside the binary, or in the sources of the build.
pub fn clients() -> Option<PathBuf> {
    let named = std::env::var_os("HANDOFF_CLIENTS_DIR").filter(|v| !v.is_empty()).map(PathBuf::from);
    let beside = std::env::current_exe().ok().and_then(|exe| {
        let tree = exe.ancestors().map(|dir| dir.join("strategies/clients"));
        tree.into_iter().find(|dir| dir.join("artifact.mjs").exists())
    });
    let built = PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../../strategies/clients"));
    named.or(beside).or(Some(built)).filter(|dir| dir.join("artifact.mjs").exists())
}

fn clients_check() -> Check {
    let ready = clients().is_some_and(|dir| {
        dir.join("node_modules/@actions/artifact").is_dir() && dir.join("node_modules/@actions/cache").is_dir()
    });
    let found = if ready { "installed" } else { "not installed in strategies/clients" }.to_owned();
    Check { part: "npm clients".to_owned(), found, ok: ready, fix: "make setup".to_owned() }
}

/// Version of an npm package.
fn package_version(file: &Path) -> Result<String, RunError> {
    let bytes = std::fs::read(file).map_err(RunError::io("read", file))?;
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
    let version = json.ok().and_then(|j| Some(j.get("version")?.as_str()?.to_owned()));
    version.ok_or_else(|| {
        RunError::Missing(format!("{} has no version: install the clients again with `make setup`", file.display()))
    })
}

impl Tools {
    /// Finds the programs.
    ///
    /// # Errors
    /// A requirement is not met: the error names every one with its fix.
    pub fn find() -> Result<Self, RunError> {
        Self::of(std::env::current_exe().map_err(RunError::io("find", "the running program"))?)
    }

    /// Finds the programs for this `handoff`.
    ///
    /// # Errors
    /// A requirement is not met: the error names every one with its fix.
    pub fn of(handoff: PathBuf) -> Result<Self, RunError> {
        let checks = checks_of(Some(&handoff));
        let missing: Vec<String> =
            checks.iter().filter(|c| !c.ok).map(|c| format!("{}: {} (fix: {})", c.part, c.found, c.fix)).collect();
        let zstd = Programs::find().ok().and_then(|p| on_path(&p.path, "zstd"));
        let found = (node(), clients(), zstd, relay(Some(&handoff)));
        let ((Some(node), Some(clients), Some(zstd), Some(relay)), true) = (found, missing.is_empty()) else {
            return Err(RunError::Missing(format!("this machine lacks requirements: {}", missing.join("; "))));
        };
        let mut versions: BTreeMap<String, String> = checks.into_iter().map(|c| (c.part, c.found)).collect();
        versions.remove("root");
        versions.remove("npm clients");
        for package in ["@actions/artifact", "@actions/cache"] {
            let file = clients.join("node_modules").join(package).join("package.json");
            versions.insert(package.to_owned(), package_version(&file)?);
        }
        let clients = clients.canonicalize().map_err(RunError::io("find", &clients))?;
        Ok(Self { paths: ToolPaths { node, clients, zstd, handoff, relay }, versions })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn missing_relay_is_named_with_the_command_that_builds_it() {
        // The test program has no relay beside it.
        let check = relay_check(std::env::current_exe().ok().as_deref());
        assert!(!check.ok && check.part == "handoff-relay", "{check:?}");
        assert_eq!(build_relay(false), "cargo build --release -p handoff-relay");
        assert_eq!(build_relay(true), "cargo build -p handoff-relay");
    }

    #[test]
    fn relay_of_other_sources_is_not_measured() {
        let handoff = "handoff 0.1.0 (commit 1, sources a)";
        assert!(same_sources("handoff-relay 0.1.0 (commit 1, sources a)", handoff));
        assert!(!same_sources("handoff-relay 0.1.0 (commit 1, sources b)", handoff));
        assert!(same_sources("handoff-relay 0.1.0 (commit 2, sources a)", handoff), "another commit of equal sources");
    }
}
