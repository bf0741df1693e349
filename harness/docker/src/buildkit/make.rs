//! Makes the image: `buildkitd` and `buildctl` by the Go toolchain from pinned modules, runc from the engine.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

use super::docker_tar::{self, ImageFile};
use super::{BuildkitBuild, GO_MOD, GO_SUM, folder, made, note_path, pinned_version, recipe, tar_path};
use crate::programs::{home, on_path};
use crate::{EngineError, Programs};

/// What `BuildKit`'s own image is built with, so that it is found to be the same program.
const TAGS: &str = "osusergo netgo static_build seccomp";
const PACKAGES: [&str; 2] = ["github.com/moby/buildkit/cmd/buildkitd", "github.com/moby/buildkit/cmd/buildctl"];

fn failed(text: impl std::fmt::Display) -> EngineError {
    EngineError::BuildkitImage(text.to_string())
}

/// Makes the image where it is not there yet. Two at once wait for each other.
pub fn make(programs: &Programs, say: &mut dyn FnMut(&str)) -> Result<BuildkitBuild, EngineError> {
    fs::create_dir_all(folder()).map_err(EngineError::io("create", folder()))?;
    let lock = folder().join(".lock");
    let lock = fs::File::create(&lock).map_err(EngineError::io("create", &lock))?;
    flock(&lock, FlockOperation::LockExclusive).map_err(|e| failed(format!("lock: {e}")))?;
    if let Some(made) = made() {
        return Ok(made);
    }
    let go = go()?;
    let work = folder().join("work");
    // What cannot be removed is in the way of what comes next, and reported there.
    let _ = fs::remove_dir_all(&work);
    fs::create_dir_all(&work).map_err(EngineError::io("create", &work))?;
    let result = in_folder(&go, &work, programs, say);
    // The next time begins by removing it.
    let _ = fs::remove_dir_all(&work);
    result
}

fn in_folder(
    go: &Go,
    work: &Path,
    programs: &Programs,
    say: &mut dyn FnMut(&str),
) -> Result<BuildkitBuild, EngineError> {
    let version = pinned_version();
    say(&format!("building BuildKit {version} with {} (minutes; Go's own caches keep what it fetches)", go.version));
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
    let made = BuildkitBuild {
        reference,
        version: version.to_owned(),
        runc: programs.versions.get("runc").cloned().ok_or_else(|| failed("runc tells no version"))?,
        go: go.version.clone(),
        digest,
        recipe: recipe(),
    };
    // The note last: without it the tar does not count.
    let note = note_path();
    // A note that is not there is as good as removed; one that stays is overwritten below.
    let _ = fs::remove_file(&note);
    fs::rename(&new, tar_path()).map_err(EngineError::io("rename", &new))?;
    let json = serde_json::to_vec_pretty(&made).map_err(failed)?;
    fs::write(&note, json).map_err(EngineError::io("write", &note))?;
    Ok(made)
}

struct Go {
    program: PathBuf,
    version: String,
}

fn go() -> Result<Go, EngineError> {
    // For the words of an error only.
    let floor = GO_MOD.lines().find_map(|l| l.strip_prefix("go ")).unwrap_or_default();
    let path = format!("{}:/usr/local/go/bin:/usr/lib/go/bin", std::env::var("PATH").unwrap_or_default());
    let program = on_path(&path, "go").ok_or_else(|| {
        failed(format!(
            "the Go toolchain ({floor} or newer) is not on PATH: install it (https://go.dev/dl), or, where images can be pulled, do without: `--builder docker-container` then pulls its image"
        ))
    })?;
    let said = duct::cmd!(&program, "version").read().map_err(|e| failed(format!("{}: {e}", program.display())))?;
    let version = said.split_whitespace().nth(2).unwrap_or("go of an unknown version").to_owned();
    Ok(Go { program, version })
}

impl Go {
    /// Builds static programs into `work`. Only what `go.sum` has digests of is taken.
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
        // The end of a log explains an error that is reported anyway.
        let said = fs::read_to_string(&log).unwrap_or_default();
        let lines: Vec<&str> = said.lines().filter(|l| !l.starts_with("go: downloading")).collect();
        Err(failed(format!(
            "go build ended with {}: {}",
            out.status,
            lines[lines.len().saturating_sub(3)..].join(" | ")
        )))
    }
}

/// The engine's runc and the libraries that it is linked with.
struct Runc {
    program: PathBuf,
    /// Where a library is here, and where the loader looks for it in the image.
    libraries: Vec<(PathBuf, String)>,
}

impl Runc {
    fn find(programs: &Programs) -> Result<Self, EngineError> {
        let found = programs.program("runc")?;
        let found = found.canonicalize().map_err(EngineError::io("find", &found))?;
        // Where set-up had to lend it libraries, the program itself lies beside its wrapper.
        let real = found.with_extension("real");
        let program = if real.is_file() { real } else { found };
        let prefix = home().join("engine");
        let host_daemon: Vec<String> = ["usr/lib", "lib"]
            .iter()
            .flat_map(|dir| {
                let dir = prefix.join(dir);
                // A prefix that set-up has not made lends nothing: `ldd` says which library is missing.
                let below = fs::read_dir(&dir).into_iter().flatten().flatten().map(|e| e.path());
                below.filter(|p| p.is_dir()).chain([dir]).map(|p| p.display().to_string()).collect::<Vec<_>>()
            })
            .collect();
        let said = duct::cmd!("ldd", &program)
            .env("LD_LIBRARY_PATH", host_daemon.join(":"))
            .env("LC_ALL", "C")
            .stderr_to_stdout()
            .unchecked()
            .read()
            .map_err(|e| failed(format!("ldd {}: {e}", program.display())))?;
        if said.contains("not a dynamic executable") || said.contains("statically linked") {
            return Ok(Self { program, libraries: Vec::new() });
        }
        let libraries = libraries(&said).map_err(|line| failed(format!("{}: {line}", program.display())))?;
        let prefix = prefix.display().to_string();
        let placed = |path: &str| path.strip_prefix(&prefix).unwrap_or(path).to_owned();
        Ok(Self { program, libraries: libraries.iter().map(|l| (PathBuf::from(l), placed(l))).collect() })
    }
}

/// The files that `ldd` names; a line that names none is an error.
fn libraries(said: &str) -> Result<Vec<String>, String> {
    let mut files = Vec::new();
    for line in said.lines().map(str::trim).filter(|l| !l.is_empty() && !l.starts_with("linux-vdso")) {
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
    fn libraries_are_read_from_what_ldd_says() {
        let said = "\tlinux-vdso.so.1 (0x00007f25)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        assert_eq!(libraries(said).unwrap(), ["/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
        let error = libraries("libseccomp.so.2 => not found").unwrap_err();
        assert!(error.contains("libseccomp"), "{error}");
    }
}
