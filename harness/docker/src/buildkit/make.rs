//! Build of the image: `buildkitd` and `buildctl` from pinned Go modules, and the engine's runc.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::docker_tar::{self, ImageFile};
use super::{BuildkitBuild, GO_MOD, GO_SUM, existing_build, folder, note_path, pinned_version, recipe, tar_path};
use crate::command::{first_line, run};
use crate::programs::{home, on_path};
use crate::{EngineError, Programs};

/// Build tags of the official image.
const TAGS: &str = "osusergo netgo static_build seccomp";
const PACKAGES: [&str; 2] = ["github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl"];

fn failed(text: impl std::fmt::Display) -> EngineError {
    EngineError::BuildkitImage(text.to_string())
}

/// Builds the image unless it exists; `progress` gets a line per step. Concurrent calls wait for each other.
///
/// # Errors
/// The Go toolchain is missing, the build fails, or the engine has no runc.
pub fn make(programs: &Programs, progress: &mut dyn FnMut(&str)) -> Result<BuildkitBuild, EngineError> {
    fs::create_dir_all(folder()).map_err(EngineError::io("create", folder()))?;
    let lock = folder().join(".lock");
    let lock = fs::File::create(&lock).map_err(EngineError::io("create", &lock))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(format!("lock: {e}")))?;
    if let Some(build) = existing_build() {
        return Ok(build);
    }
    let go = go()?;
    // One name for every build, so that this one removes what a killed one left.
    let _ = fs::remove_dir_all(folder().join("work"));
    let work = tempfile::Builder::new().prefix("work").rand_bytes(0).tempdir_in(folder());
    let work = work.map_err(EngineError::io("create a folder in", folder()))?;
    in_folder(&go, work.path(), programs, progress)
}

fn in_folder(
    go: &Go,
    work: &Path,
    programs: &Programs,
    progress: &mut dyn FnMut(&str),
) -> Result<BuildkitBuild, EngineError> {
    let version = pinned_version();
    progress(&format!("building BuildKit {version} with {} (takes minutes; Go caches its downloads)", go.version));
    go.build(work)?;
    let mut files = vec![];
    let runc = Runc::find(programs)?;
    let (buildkitd, buildctl) = (work.join("buildkitd"), work.join("buildctl"));
    for (from, name) in [(&buildkitd, "buildkitd"), (&buildctl, "buildctl"), (&runc.program, "runc")] {
        files.push(ImageFile { from, to: format!("usr/bin/{name}") });
    }
    for (from, to) in &runc.libraries {
        files.push(ImageFile { from, to: to.trim_start_matches('/').to_owned() });
    }
    let reference = format!("handoff/buildkit:{version}");
    let new = work.join("image.tar");
    let digest = docker_tar::write(&new, work, &reference, &files).map_err(EngineError::io("write", &new))?;
    let build = BuildkitBuild {
        reference,
        version: version.to_owned(),
        runc: programs.versions.get("runc").cloned().ok_or_else(|| failed("runc reports no version"))?,
        go: go.version.clone(),
        digest,
        recipe: recipe(),
    };
    // The record comes last, because a tar without a record does not count.
    let note = note_path();
    let _ = fs::remove_file(&note);
    fs::rename(&new, tar_path()).map_err(EngineError::io("rename", &new))?;
    let json = serde_json::to_vec_pretty(&build).map_err(failed)?;
    fs::write(&note, json).map_err(EngineError::io("write", &note))?;
    Ok(build)
}

struct Go {
    program: PathBuf,
    version: String,
}

fn go() -> Result<Go, EngineError> {
    let oldest = GO_MOD.lines().find_map(|l| l.strip_prefix("go ")).unwrap_or_default();
    let path = format!("{}:/usr/local/go/bin:/usr/lib/go/bin", std::env::var("PATH").unwrap_or_default());
    let program = on_path(&path, "go").ok_or_else(|| {
        failed(format!(
            "the Go toolchain ({oldest} or newer) is not on PATH: install it (https://go.dev/dl). A machine that can pull images needs no build: `--builder docker-container` pulls its image"
        ))
    })?;
    let line = first_line(&duct::cmd!(&program, "version"), "go version")?;
    let version = line.split_whitespace().nth(2).unwrap_or("go of an unknown version").to_owned();
    Ok(Go { program, version })
}

impl Go {
    /// Builds static programs into `work`, from modules whose digests are in `go.sum`.
    fn build(&self, work: &Path) -> Result<(), EngineError> {
        for (name, text) in [("go.mod", GO_MOD), ("go.sum", GO_SUM)] {
            let path = work.join(name);
            fs::write(&path, text).map_err(EngineError::io("write", &path))?;
        }
        let link = format!("-s -w -X github.com/moby/buildkit/version.Version={}", pinned_version());
        let mut args = vec!["build", "-mod=readonly", "-trimpath", "-tags", TAGS, "-ldflags", &link, "-o", "./"];
        args.extend(PACKAGES);
        let log = work.join("go.log");
        let out = duct::cmd(&self.program, args)
            .dir(work)
            .env("CGO_ENABLED", "0")
            .env("GOWORK", "off")
            .stdin_null()
            .stdout_null()
            .stderr_path(&log)
            .unchecked()
            .run()
            .map_err(|e| failed(format!("{}: {e}", self.program.display())))?;
        if out.status.success() {
            return Ok(());
        }
        let text = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = text.lines().filter(|l| !l.starts_with("go: downloading")).collect();
        let last = lines[lines.len().saturating_sub(3)..].join(" | ");
        Err(failed(format!("go build ended with {}: {last}", out.status)))
    }
}

/// The engine's runc and its libraries.
struct Runc {
    program: PathBuf,
    /// Path of each library on this machine, and its path in the image.
    libraries: Vec<(PathBuf, String)>,
}

impl Runc {
    fn find(programs: &Programs) -> Result<Self, EngineError> {
        let found = programs.program("runc")?;
        let found = found.canonicalize().map_err(EngineError::io("find", &found))?;
        // `make setup` may replace the program by a wrapper that adds library paths.
        let real = found.with_extension("real");
        let program = if real.is_file() { real } else { found };
        let prefix = home().join("engine");
        let folders: Vec<String> = ["usr/lib", "lib"]
            .iter()
            .flat_map(|dir| {
                let dir = prefix.join(dir);

                let below = fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path());
                below.filter(|p| p.is_dir()).chain([dir]).map(|p| p.display().to_string()).collect::<Vec<_>>()
            })
            .collect();
        let ldd = duct::cmd!("ldd", &program).env("LD_LIBRARY_PATH", folders.join(":")).env("LC_ALL", "C");
        let list = run(&ldd.stderr_to_stdout()).map_err(EngineError::io("run ldd on", &program))?.stdout;
        if list.contains("not a dynamic executable") || list.contains("statically linked") {
            return Ok(Self { program, libraries: Vec::new() });
        }
        let libraries = libraries(&list).map_err(|line| failed(format!("{}: {line}", program.display())))?;
        let prefix = prefix.display().to_string();
        let in_image = |path: &str| path.strip_prefix(&prefix).unwrap_or(path).to_owned();
        Ok(Self { program, libraries: libraries.iter().map(|l| (PathBuf::from(l), in_image(l))).collect() })
    }
}

/// Files in the output of `ldd`. A line without a file is the error.
fn libraries(list: &str) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for line in list.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("linux-vdso")) {
        let right = line.split_once("=>").map_or(line, |(_, right)| right);
        match right.split_whitespace().next() {
            Some(path) if path.starts_with('/') => files.push(path.to_owned()),
            _ => return Err(line.to_owned()),
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn library_without_a_file_is_reported() {
        let list = "\tlinux-vdso.so.1 (0x00007f25)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(libraries(list).unwrap(), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        let error = libraries("libseccomp.so.2 => not found").unwrap_err();
        assert!(error.contains("libseccomp"), "{error}");
    }
}
