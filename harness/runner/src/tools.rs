//! Programs that trials need beside the engine: Node with GitHub's npm clients, zstd, tar.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use handoff_docker::Programs;
use handoff_docker::programs::on_path;

use crate::RunError;
use crate::protocol::ToolPaths;

/// Oldest Node that the clients run on.
const NODE_FLOOR: u32 = 20;

/// One thing that a machine must have, and whether it has it.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Check {
    /// What it is.
    pub part: String,
    /// Its version, or what is wrong with it.
    pub found: String,
    /// Whether it serves.
    pub ok: bool,
    /// The command that provides it.
    pub mend: String,
}

/// The tools, found and checked.
#[derive(Debug, Clone)]
pub struct Tools {
    /// Where they are.
    pub paths: ToolPaths,
    /// Program to version.
    pub versions: BTreeMap<String, String>,
}

/// Looks at everything that a run needs, without starting anything.
pub fn checks() -> Vec<Check> {
    let setup = || "make setup".to_owned();
    let mut list = vec![root_check()];
    match Programs::find() {
        Ok(programs) => {
            for (part, found) in &programs.versions {
                list.push(Check { part: part.clone(), found: found.clone(), ok: true, mend: String::new() });
            }
            let path = programs.path;
            for (part, flag, mend) in [
                ("zstd", "--version", "make setup"),
                ("tar", "--version", "make setup"),
                ("unshare", "--version", "apt-get install util-linux"),
            ] {
                list.push(ask(&path, part, flag, mend));
            }
        }
        Err(error) => {
            list.push(Check { part: "engine".to_owned(), found: error.to_string(), ok: false, mend: setup() });
        }
    }
    list.push(node_check());
    list.push(clients_check());
    list
}

fn root_check() -> Check {
    let ok = rustix::process::geteuid().is_root();
    let found = if ok { "yes" } else { "no: engines need root" }.to_owned();
    Check { part: "root".to_owned(), found, ok, mend: "run it with sudo".to_owned() }
}

fn ask(path: &str, part: &str, flag: &str, mend: &str) -> Check {
    let version =
        on_path(path, part).and_then(|p| duct::cmd!(p, flag).env("PATH", path).stderr_to_stdout().read().ok());
    let ok = version.is_some();
    let found = version.and_then(|v| v.lines().next().map(str::to_owned)).unwrap_or_else(|| "not found".to_owned());
    Check { part: part.to_owned(), found, ok, mend: mend.to_owned() }
}

fn node() -> Option<PathBuf> {
    let named = std::env::var_os("HANDOFF_NODE").filter(|v| !v.is_empty()).map(PathBuf::from);
    // Without a PATH it is not on it.
    named.or_else(|| on_path(&std::env::var("PATH").unwrap_or_default(), "node"))
}

fn node_check() -> Check {
    let version = node().and_then(|n| duct::cmd!(n, "--version").read().ok()).unwrap_or_else(|| "not found".to_owned());
    let major = version.trim_start_matches('v').split('.').next().and_then(|m| m.parse::<u32>().ok());
    let ok = major.is_some_and(|m| m >= NODE_FLOOR);
    Check { part: "node".to_owned(), found: version, ok, mend: format!("make setup (Node {NODE_FLOOR} or newer)") }
}

/// The folder with the drivers of the npm clients: named, beside the binary's tree, or where this binary was built.
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
    Check { part: "npm clients".to_owned(), found, ok: ready, mend: "make setup".to_owned() }
}

/// The version of an npm package.
fn package_version(file: &Path) -> Result<String, RunError> {
    let bytes = std::fs::read(file).map_err(RunError::io("read", file))?;
    let json: Result<serde_json::Value, _> = serde_json::from_slice(&bytes);
    let version = json.ok().and_then(|j| Some(j.get("version")?.as_str()?.to_owned()));
    version.ok_or_else(|| {
        RunError::Missing(format!("{} tells no version: install the clients again with `make setup`", file.display()))
    })
}

impl Tools {
    /// Finds the tools; the error names every part that is missing and what provides it.
    pub fn find() -> Result<Self, RunError> {
        let checks = checks();
        let missing: Vec<String> =
            checks.iter().filter(|c| !c.ok).map(|c| format!("{}: {} (fix: {})", c.part, c.found, c.mend)).collect();
        let zstd = Programs::find().ok().and_then(|p| on_path(&p.path, "zstd"));
        let (Some(node), Some(clients), Some(zstd), true) = (node(), clients(), zstd, missing.is_empty()) else {
            return Err(RunError::Missing(format!("this machine lacks something: {}", missing.join("; "))));
        };
        let handoff = std::env::current_exe().map_err(RunError::io("find", "the running program"))?;
        let mut versions: BTreeMap<String, String> = checks.into_iter().map(|c| (c.part, c.found)).collect();
        versions.remove("root");
        versions.remove("npm clients");
        for package in ["@actions/artifact", "@actions/cache"] {
            let file = clients.join("node_modules").join(package).join("package.json");
            versions.insert(package.to_owned(), package_version(&file)?);
        }
        let clients = clients.canonicalize().map_err(RunError::io("find", &clients))?;
        Ok(Self { paths: ToolPaths { node, clients, zstd, handoff }, versions })
    }
}
