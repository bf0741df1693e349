//! Times layers: `cargo run --release --example time_untar -- FOLDER [MIB] [plain|gzip|zstd] [LAYERS]`.
//!
//! The folder is on the file system to measure. Each layer has files of the sizes of a Debian image. Several layers run at
//! once, with one budget of memory, and the last line has the peak of the process meanwhile.

#![expect(clippy::print_stdout, reason = "an example talks to its caller")]

use std::fs::File;
use std::io::Write as _;
use std::path::PathBuf;
use std::time::Instant;

use flate2::Compression;
use flate2::write::GzEncoder;
use handoff_import::{Encoding, ImportLimits, LayerSpec, NoBlob, Staging, stage_layer};
use sha2::{Digest as _, Sha256};

#[path = "../tests/common/mod.rs"]
mod common;

use common::archive::{Item, ItemKind, archive};
use common::stacks::Choices;

/// Sizes of files: most are small, most bytes are in large ones.
const SIZES: &[usize] = &[300, 2_000, 2_000, 9_000, 9_000, 30_000, 30_000, 120_000, 400_000, 3_000_000];

fn layer(bytes: usize) -> Vec<u8> {
    let mut choices = Choices::new(1);
    let mut items = Vec::new();
    let mut total = 0;
    while total < bytes {
        let folder = format!("usr/folder-{}", items.len() / 40);
        if items.len() % 40 == 0 {
            items.push(Item::folder(&folder));
        }
        let size = SIZES[choices.below(SIZES.len())];
        // Half of it compresses, like programs do.
        let content = (0..size).map(|i| if i % 64 < 32 { (i / 64) as u8 } else { choices.below(256) as u8 }).collect();
        items.push(Item::new(&format!("{folder}/file-{}", items.len()), ItemKind::File(content)));
        total += size;
    }
    archive(&items)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let folder = PathBuf::from(args.next().ok_or("name a folder on the file system to measure")?);
    let mib: usize = args.next().map_or(Ok(256), |a| a.parse())?;
    let plain = layer(mib << 20);
    let (encoding, blob) = match args.next().as_deref().unwrap_or("zstd") {
        "plain" => (Encoding::Plain, plain.clone()),
        "gzip" => {
            let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
            encoder.write_all(&plain)?;
            (Encoding::Gzip, encoder.finish()?)
        }
        _ => (Encoding::Zstd, zstd::encode_all(&plain[..], 1)?),
    };
    let digest = |bytes: &[u8]| format!("sha256:{}", hex::encode(Sha256::digest(bytes)));
    let spec = LayerSpec {
        encoding,
        digest: digest(&blob),
        blob_bytes: blob.len() as u64,
        diff_id: digest(&plain),
        plain_bytes: plain.len() as u64,
        is_lowest: true,
    };
    let layers: usize = args.next().map_or(Ok(1), |a| a.parse())?;
    let file = folder.join("time-untar.blob");
    std::fs::write(&file, &blob)?;
    drop((plain, blob));
    // Forgets the peak so far.
    std::fs::write("/proc/self/clear_refs", "5")?;
    let limits = ImportLimits::default();
    let start = Instant::now();
    let run = |i: usize| -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
        let staging = Staging::create(&folder, &format!("time-untar-{i}"))?;
        let done = stage_layer(&spec, File::open(&file)?, &mut NoBlob, &staging, &limits)?;
        let (seconds, entries) = (start.elapsed().as_secs_f64(), done.untarred.entries);
        println!(
            "layer {i}: {encoding:?}, {} bytes of {}, {entries} entries, {seconds:.2} s",
            spec.blob_bytes, done.plain_bytes
        );
        Ok(())
    };
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..layers).map(|i| scope.spawn(move || run(i))).collect();
        threads.into_iter().try_for_each(|t| t.join().unwrap_or_else(|_| Err("a thread ended".into())))
    })
    .map_err(|e| e.to_string())?;
    std::fs::remove_file(&file)?;
    let status = std::fs::read_to_string("/proc/self/status")?;
    println!("{}", status.lines().find(|l| l.starts_with("VmHWM")).unwrap_or_default());
    Ok(())
}
