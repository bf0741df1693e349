//! Digest of the source trees.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use ignore::WalkBuilder;
use sha2::{Digest, Sha256};

use crate::{SOURCES, SourceError};

/// Files and symbolic links of the source trees, relative to `root`, sorted by the bytes of their paths.
///
/// `.gitignore` decides what is left out, with or without git, so that a source archive and a checkout agree. A reader's
/// own ignore files (`.git/info/exclude`, a global one) do not count, because a commit does not hold them.
///
/// # Errors
/// [`SourceError::NotSources`] for another folder, else what cannot be listed.
pub fn files(root: &Path) -> Result<Vec<PathBuf>, SourceError> {
    if !root.join("Cargo.toml").is_file() || !root.join("harness").is_dir() {
        return Err(SourceError::NotSources(root.to_owned()));
    }
    let mut builder = WalkBuilder::new(root);
    builder.standard_filters(false).git_ignore(true).require_git(false).follow_links(false);
    builder.filter_entry(|entry| match entry.depth() {
        0 => true,
        1 => SOURCES.iter().any(|name| OsStr::new(name) == entry.file_name()),
        _ => entry.file_name() != ".git",
    });
    let mut found = Vec::new();
    for entry in builder.build() {
        let entry = entry.map_err(|source| SourceError::Walk { root: root.to_owned(), source })?;
        // A .gitignore that does not read would let files in that it names.
        if let Some(source) = entry.error() {
            return Err(SourceError::Walk { root: root.to_owned(), source: source.clone() });
        }
        let kind = entry.file_type();
        if kind.is_some_and(|k| k.is_dir()) {
            continue;
        }
        if !kind.is_some_and(|k| k.is_file() || k.is_symlink()) {
            return Err(SourceError::SpecialFile(entry.into_path()));
        }
        found.push(entry.path().strip_prefix(root).unwrap_or(entry.path()).to_owned());
    }
    found.sort_by(|a, b| a.as_os_str().as_bytes().cmp(b.as_os_str().as_bytes()));
    Ok(found)
}

/// Digest over the relative path, kind and content of every source file: `sha256:` and 64 hexadecimal digits.
///
/// The content of a symbolic link is its target. Modes and times are left out: an archive or a umask may change them, and
/// neither changes a measurement.
///
/// # Errors
/// As [`files`], and what cannot be read.
pub fn digest(root: &Path) -> Result<String, SourceError> {
    let mut all = Sha256::new();
    for path in files(root)? {
        let full = root.join(&path);
        let io = |source| SourceError::Io { path: full.clone(), source };
        let link = fs::symlink_metadata(&full).map_err(io)?.is_symlink();
        let content: [u8; 32] = if link {
            Sha256::digest(fs::read_link(&full).map_err(io)?.as_os_str().as_bytes()).into()
        } else {
            of_file(&full).map_err(io)?
        };
        all.update(if link { b"link " } else { b"file " });
        all.update(path.as_os_str().as_bytes());
        // No path holds this byte, and the digest has a fixed length: two lists of files never give the same bytes.
        all.update([0]);
        all.update(content);
    }
    Ok(format!("sha256:{}", hex::encode(all.finalize())))
}

fn of_file(path: &Path) -> io::Result<[u8; 32]> {
    let mut hasher = Sha256::new();
    let mut file = File::open(path)?;
    let mut buffer = vec![0; 64 << 10];
    loop {
        match io::Read::read(&mut file, &mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            n => hasher.update(&buffer[..n]),
        }
    }
}
