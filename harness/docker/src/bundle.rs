//! An image of an engine made from the programs that are here: for machines that can pull none.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use tar::EntryType;

use crate::buildkit::header;
use crate::{EngineError, Programs, capture};

/// Name under which the image is put into the user's daemon.
pub const LOCAL_IMAGE: &str = "handoff/engine:local";

/// What an engine consists of; it starts the others by name.
const PARTS: [&str; 4] = ["dockerd", "containerd", "containerd-shim-runc-v2", "runc"];
const DIRS: [(&str, u32); 6] =
    [("tmp", 0o1777), ("run", 0o755), ("etc", 0o755), ("var", 0o755), ("var/lib", 0o755), ("var/lib/docker", 0o711)];

/// Puts an image with the engine's programs and their libraries into the daemon behind a socket.
pub fn import(programs: &Programs, socket: &Path, name: &str) -> Result<(), EngineError> {
    let dir = crate::programs::home();
    std::fs::create_dir_all(&dir).map_err(EngineError::io("create", &dir))?;
    let path = dir.join(format!("engine-image-{}.tar", std::process::id()));
    let result = write_tree(programs, &path).and_then(|()| import_file(programs, socket, name, &path));
    let removed = std::fs::remove_file(&path).map_err(EngineError::io("remove", &path));
    result.and(removed)
}

fn import_file(programs: &Programs, socket: &Path, name: &str, tree: &Path) -> Result<(), EngineError> {
    let args = ["import", "--change", "ENV PATH=/usr/bin", "--change", r#"CMD ["dockerd"]"#].map(str::to_owned);
    let args = args.into_iter().chain([tree.display().to_string(), name.to_owned()]);
    let mut env = programs.child_env();
    env.insert("DOCKER_HOST".to_owned(), format!("unix://{}", socket.display()));
    let imported = capture(&duct::cmd(programs.program("docker")?, args).full_env(env), "docker import")?;
    imported.map(drop).map_err(|said| EngineError::Api(format!("docker import: {said}")))
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

/// Place in the image to file here: programs, the libraries that they are linked with, and the loader.
fn files(programs: &Programs) -> Result<BTreeMap<PathBuf, PathBuf>, EngineError> {
    let mut files = BTreeMap::new();
    for part in PARTS {
        let program = programs.program(part)?;
        // A static program has none: `ldd` fails on it.
        let list = duct::cmd!("ldd", &program).full_env(programs.child_env()).stderr_null().unchecked().read();
        for (inside, source) in libraries(&list.map_err(EngineError::io("run", "ldd"))?) {
            files.insert(inside, source);
        }
        files.insert(Path::new("usr/bin").join(part), program);
    }
    Ok(files)
}

/// Reads what `ldd` prints. Libraries go where every loader looks; the loader itself stays where programs name it.
fn libraries(list: &str) -> Vec<(PathBuf, PathBuf)> {
    let place = |line: &str| {
        let text = line.split(" (0x").next()?.trim();
        match text.split_once(" => ") {
            Some((name, file)) => {
                file.starts_with('/').then(|| (Path::new("lib").join(name.trim()), PathBuf::from(file)))
            }
            None => text.strip_prefix('/').map(|inside| (PathBuf::from(inside), PathBuf::from(text))),
        }
    };
    list.lines().filter_map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_go_where_loaders_look_and_the_loader_stays() {
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
