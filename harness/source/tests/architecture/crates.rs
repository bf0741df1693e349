//! Crates of the workspace, as cargo reads their manifests.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;

/// A package of the workspace.
pub struct Package {
    pub name: String,
    /// Files of the roots of its library and programs.
    pub roots: Vec<PathBuf>,
    /// Packages of the workspace that it needs to be built, without those of its tests.
    pub uses: BTreeSet<String>,
}

/// Root folder of the sources.
pub fn sources() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap()
}

fn cargo(args: &[&str]) -> String {
    let output = Command::new(env!("CARGO")).current_dir(sources()).args(args).arg("--offline").output().unwrap();
    assert!(output.status.success(), "cargo {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// Packages of the workspace, and the probe, which is built apart from it.
pub fn packages() -> Vec<Package> {
    let read = |manifest: &str| {
        let text = cargo(&["metadata", "--no-deps", "--format-version=1", "--manifest-path", manifest]);
        serde_json::from_str::<Value>(&text).unwrap()["packages"].as_array().unwrap().clone()
    };
    ["Cargo.toml", "fixtures/probe/Cargo.toml"].iter().flat_map(|m| read(m)).map(|p| package(&p)).collect()
}

fn package(package: &Value) -> Package {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let list = |name: &str| package[name].as_array().unwrap().iter();
    let is_root = |t: &&Value| t["kind"].as_array().unwrap().iter().any(|kind| kind == "lib" || kind == "bin");
    let needs = |d: &&Value| d["kind"] != "dev" && d["path"].is_string();
    Package {
        name: text(&package["name"]),
        roots: list("targets").filter(is_root).map(|t| text(&t["src_path"]).into()).collect(),
        uses: list("dependencies").filter(needs).map(|d| text(&d["name"])).collect(),
    }
}

/// Every package, of whatever origin, that is linked into a package.
pub fn linked(package: &str) -> BTreeSet<String> {
    let tree = cargo(&["tree", "--package", package, "--edges=normal", "--prefix=none", "--format={p}"]);
    tree.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}
