//! Archives of GNU tar in each of its formats, as containerd and as this crate unpack them.

use std::fs;
use std::os::unix::fs::{chown, symlink};
use std::path::Path;
use std::process::Command;

use handoff_import::Rules;

use crate::common::disk;
use crate::containerd::{Blob, Containerd};
use crate::stacks::stage;

/// Format, and whether it holds long names and large numbers.
const FORMATS: [(&str, bool); 5] = [("v7", false), ("oldgnu", true), ("gnu", true), ("ustar", false), ("posix", true)];

fn tree(root: &Path, is_rich: bool) {
    let folder = root.join(format!("folder/{}", "n".repeat(60)));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("file"), "text").unwrap();
    // Without a header field of its own, the target is in an extension.
    symlink(if is_rich { "t".repeat(150) } else { "target".to_owned() }, root.join("link")).unwrap();
    fs::hard_link(folder.join("file"), root.join("hard")).unwrap();
    if is_rich {
        let long = folder.join("m".repeat(120));
        fs::create_dir(&long).unwrap();
        fs::write(long.join("name"), "x".repeat(3000)).unwrap();
        fs::hard_link(long.join("name"), root.join("hard to long")).unwrap();
        chown(long.join("name"), Some(5_000_000), Some(4_000_000_000)).unwrap();
        fs::write(root.join("\u{e4}\u{1f980}"), "").unwrap();
    }
}

fn archive(root: &Path, format: &str) -> Vec<u8> {
    let mut tar = Command::new("tar");
    tar.args(["--xattrs", "--format", format, "--sort=name", "-cf", "-", "-C"]).arg(root).arg(".");
    if format != "posix" {
        tar.arg("--no-xattrs");
    }
    let output = tar.output().expect("GNU tar is not installed: run `apt install tar`");
    assert!(output.status.success(), "{format}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[test]
fn every_format_of_gnu_tar_is_unpacked_as_containerd_does() {
    let engine = Containerd::start();
    let images: Vec<Vec<Blob>> = FORMATS
        .iter()
        .map(|&(format, is_rich)| {
            let root = tempfile::tempdir().unwrap();
            tree(root.path(), is_rich);
            vec![Blob::new(archive(root.path(), format))]
        })
        .collect();
    engine.import(&images);
    for ((format, is_rich), image) in FORMATS.iter().zip(&images) {
        let theirs = disk::of_folder(&engine.layer_folders(&format!("view-{format}"), image)[0]);
        let ours = stage(&engine, image, Rules::default()).unwrap_or_else(|e| panic!("{format}: {e}"));
        let difference = disk::difference(&disk::of_folder(&ours[0].path()), &theirs);
        assert!(difference.is_empty(), "{format}\n{difference}");
        assert!(theirs.len() >= if *is_rich { 9 } else { 5 }, "{format}: {theirs:?}");
    }
}
