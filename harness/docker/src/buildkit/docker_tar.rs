//! Writer of an image with one layer, as a tar for `docker load`.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;

use serde_json::json;
use sha2::{Digest, Sha256};
use tar::{Builder, EntryType, Header};

use hex::encode as hex;

/// Folders that `buildkitd`, buildx and runc expect, with their modes.
const FOLDERS: [(&str, u32); 8] = [
    ("etc", 0o755),
    ("proc", 0o755),
    ("root", 0o700),
    ("run", 0o755),
    ("sys", 0o755),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("var", 0o755),
];

/// File of the image.
pub struct ImageFile<'a> {
    /// Path on this machine.
    pub from: &'a Path,
    /// Path in the image, without the leading slash.
    pub to: String,
}

pub fn header(kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header.set_mtime(0);
    header.set_uid(0);
    header.set_gid(0);
    header
}

fn text(tar: &mut Builder<impl Write>, name: &str, bytes: &[u8]) -> io::Result<()> {
    tar.append_data(&mut header(EntryType::Regular, 0o644, bytes.len() as u64), name, bytes)
}

/// Writes the layer. Returns its digest in hex.
fn layer(path: &Path, files: &[ImageFile]) -> io::Result<String> {
    let mut tar = Builder::new(io::BufWriter::new(File::create(path)?));
    for (name, mode) in FOLDERS {
        tar.append_data(&mut header(EntryType::Directory, mode, 0), format!("{name}/"), io::empty())?;
    }
    text(&mut tar, "etc/passwd", b"root:x:0:0:root:/root:/sbin/nologin\n")?;
    text(&mut tar, "etc/group", b"root:x:0:\n")?;
    for file in files {
        let from = File::open(file.from)?;
        let mut header = header(EntryType::Regular, 0o755, from.metadata()?.len());
        tar.append_data(&mut header, &file.to, from)?;
    }
    tar.into_inner()?.flush()?;
    Ok(hex(Sha256::digest(std::fs::read(path)?)))
}

/// Writes an image that starts `buildkitd`, with its layer in the folder `work`. Returns the digest of the config.
pub fn write(out: &Path, work: &Path, reference: &str, files: &[ImageFile]) -> io::Result<String> {
    let layer_path = work.join("layer.tar");
    let diff_id = layer(&layer_path, files)?;
    let architecture = match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let config = json!({
        "architecture": architecture,
        "os": "linux",
        "created": "1970-01-01T00:00:00Z",
        "config": {
            "Entrypoint": ["buildkitd"],
            "Env": ["PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"],
        },
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
    })
    .to_string();
    let digest = hex(Sha256::digest(&config));
    let config_name = format!("{digest}.json");
    let manifest = json!([{ "Config": config_name, "RepoTags": [reference], "Layers": ["layer.tar"] }]).to_string();
    let mut tar = Builder::new(io::BufWriter::new(File::create(out)?));
    let mut layer = File::open(&layer_path)?;
    let size = layer.metadata()?.len();
    tar.append_data(&mut header(EntryType::Regular, 0o644, size), "layer.tar", &mut layer)?;
    text(&mut tar, &config_name, config.as_bytes())?;
    text(&mut tar, "manifest.json", manifest.as_bytes())?;
    tar.into_inner()?.flush()?;
    Ok(format!("sha256:{digest}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn image_tar_is_reproducible_and_names_its_config_and_layer() {
        let dir = tempfile::tempdir().unwrap();
        let program = dir.path().join("program");
        std::fs::write(&program, b"#!").unwrap();
        let files = [ImageFile { from: &program, to: "usr/bin/buildkitd".to_owned() }];
        let (a, b) = (dir.path().join("a.tar"), dir.path().join("b.tar"));
        let digest = write(&a, dir.path(), "x/y:1", &files).unwrap();
        assert_eq!(digest, write(&b, dir.path(), "x/y:1", &files).unwrap());
        assert_eq!(std::fs::read(&a).unwrap(), std::fs::read(&b).unwrap());
        let identity = crate::identity::of_tar(&a).unwrap();
        assert_eq!(identity.config, Some(digest));
        let layer = std::fs::read(dir.path().join("layer.tar")).unwrap();
        assert_eq!(identity.layers, Some(vec![format!("sha256:{}", hex(Sha256::digest(layer)))]));
    }
}
