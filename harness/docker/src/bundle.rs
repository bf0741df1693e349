//! Engine image built from this machine's programs, for machines that cannot pull one.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::buildkit::header;
use crate::command::{capture, run};
use crate::{EngineError, Programs};

/// Name of the image in the user's daemon.
pub const LOCAL_IMAGE: &str = "handoff/engine:local";

/// Programs of an engine. dockerd starts the others by name.
const PROGRAMS: [&str; 4] = ["dockerd", "containerd", "containerd-shim-runc-v2", "runc"];
const DIRS: [(&str, u32); 6] =
    [("tmp", 0o1777), ("run", 0o755), ("etc", 0o755), ("var", 0o755), ("var/lib", 0o755), ("var/lib/docker", 0o711)];

/// Imports an image with the engine's programs and their libraries into the daemon behind a socket.
///
/// # Errors
/// A program is missing, the image cannot be written, or the daemon refuses it.
pub fn import(programs: &Programs, socket: &Path, name: &str) -> Result<(), EngineError> {
    let dir = crate::programs::home();
    std::fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
    let tree = tempfile::Builder::new().suffix(".tar").tempfile_in(&dir).map_err(EngineError::io("write in", &dir))?;
    write_tree(programs, tree.path())?;
    import_file(programs, socket, name, tree.path())
}

fn import_file(programs: &Programs, socket: &Path, name: &str, tree: &Path) -> Result<(), EngineError> {
    let args = ["import", "--change", "ENV PATH=/usr/bin", "--change", r#"CMD ["dockerd"]"#].map(str::to_owned);
    let args = args.into_iter().chain([tree.display().to_string(), name.to_owned()]);
    let mut env = programs.child_env();
    env.insert("DOCKER_HOST".to_owned(), format!("unix://{}", socket.display()));
    capture(&duct::cmd(programs.program("docker")?, args).full_env(env), "docker import").map(drop)
}

fn write_tree(programs: &Programs, path: &Path) -> Result<(), EngineError> {
    let failed = || EngineError::io("write", path);
    let mut tree = tar::Builder::new(File::create(path).map_err(failed())?);
    for (dir, mode) in DIRS {
        tree.append_data(&mut header(EntryType::Directory, mode, 0), dir, io::empty()).map_err(failed())?;
    }
    tree.append_link(&mut header(EntryType::Symlink, 0o777, 0), "var/run", "/run").map_err(failed())?;
    for (inside, source) in files(programs)? {
        let bytes = std::fs::read(&source).map_err(EngineError::io("read", &source))?;
        let mut header = header(EntryType::Regular, 0o755, bytes.len() as u64);
        tree.append_data(&mut header, &inside, bytes.as_slice()).map_err(failed())?;
    }
    tree.into_inner().and_then(|mut f| f.flush()).map_err(failed())
}

/// Files of the image by their path in it: programs, their libraries, and the loader.
fn files(programs: &Programs) -> Result<BTreeMap<PathBuf, PathBuf>, EngineError> {
    let mut files = BTreeMap::new();
    for name in PROGRAMS {
        let program = programs.program(name)?;
        // `ldd` fails on a static program, which has no libraries.
        let list = run(&duct::cmd!("ldd", &program).full_env(programs.child_env()));
        files.extend(libraries(&list.map_err(EngineError::io("run", "ldd"))?.stdout));
        files.insert(Path::new("usr/bin").join(name), program);
    }
    Ok(files)
}

/// Libraries in the output of `ldd`. They go into a folder that every loader searches; the loader keeps its path.
fn libraries(list: &str) -> Vec<(PathBuf, PathBuf)> {
    let paths = |line: &str| {
        let text = line.split(" (0x").next()?.trim();
        match text.split_once(" => ") {
            Some((name, file)) => {
                file.starts_with('/').then(|| (Path::new("lib").join(name.trim()), PathBuf::from(file)))
            }
            None => text.strip_prefix('/').map(|inside| (PathBuf::from(inside), PathBuf::from(text))),
        }
    };
    list.lines().filter_map(paths).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_go_into_lib_and_the_loader_keeps_its_path() {
        let list = "\tlinux-vdso.so.1 (0x00007ffd)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x00007f)\n\t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n\tlibgone.so => not found\n";
        let found = libraries(list);
        assert_eq!(
            found,
            [
                (PathBuf::from("lib/libc.so.6"), PathBuf::from("/lib/x86_64-linux-gnu/libc.so.6")),
                (PathBuf::from("lib64/ld-linux-x86-64.so.2"), PathBuf::from("/lib64/ld-linux-x86-64.so.2")),
            ]
        );
        assert!(libraries("\tnot a dynamic executable\n").is_empty());
    }
}
