//! The pipeline of a layer: encodings, digests, sizes, errors of its ends.

use std::io::{self, Read, Write as _};

use flate2::Compression;
use flate2::write::GzEncoder;
use handoff_import::{
    BlobSink, Encoding, Error, ImportLimits, LAYER_BYTES, LayerSpec, MemoryBudget, NoBlob, StagedLayer, Staging,
    stage_layer,
};
use sha2::{Digest as _, Sha256};

use crate::common::archive::{Item, archive};

#[derive(Default)]
struct Stored(Vec<u8>);

impl BlobSink for Stored {
    fn accept(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

fn digest(bytes: &[u8]) -> String {
    format!("sha256:{}", hex::encode(Sha256::digest(bytes)))
}

fn spec(encoding: Encoding, blob: &[u8], plain: &[u8]) -> LayerSpec {
    LayerSpec {
        encoding,
        digest: digest(blob),
        blob_bytes: blob.len() as u64,
        diff_id: digest(plain),
        plain_bytes: plain.len() as u64,
        is_lowest: true,
    }
}

fn limits(memory: usize) -> ImportLimits {
    ImportLimits { memory: MemoryBudget::new(memory), reserve_bytes: 0, ..ImportLimits::default() }
}

fn plenty() -> ImportLimits {
    limits(MemoryBudget::DEFAULT_BYTES)
}

fn run(
    spec: &LayerSpec,
    source: impl Read + Send,
    sink: &mut dyn BlobSink,
    limits: &ImportLimits,
) -> Result<StagedLayer, Error> {
    let scratch = tempfile::tempdir().unwrap();
    let staging = Staging::create(scratch.path(), "layer").unwrap();
    stage_layer(spec, source, sink, &staging, limits)
}

/// Layer of some megabytes that fills every queue.
fn plain() -> Vec<u8> {
    let large: String = (0..900_000).flat_map(|i| [i.to_string(), " ".to_owned()]).collect();
    archive(&[Item::folder("a"), Item::file("a/large", &large), Item::file("a/small", "text")])
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zstd(bytes: &[u8], window_log: u32) -> Vec<u8> {
    let mut encoder = zstd::stream::write::Encoder::new(Vec::new(), 1).unwrap();
    encoder.window_log(window_log).unwrap();
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

#[test]
fn every_encoding_gives_the_same_layer_and_the_whole_blob() {
    let plain = plain();
    let (first, second) = plain.split_at(plain.len() / 3);
    let blobs = [
        (Encoding::Plain, plain.clone()),
        (Encoding::Gzip, gzip(&plain)),
        (Encoding::Gzip, [gzip(first), gzip(second)].concat()),
        (Encoding::Zstd, zstd(&plain, 20)),
        (Encoding::Zstd, [zstd(first, 10), zstd(second, 23)].concat()),
    ];
    for (encoding, blob) in blobs {
        let mut stored = Stored::default();
        let done = run(&spec(encoding, &blob, &plain), &blob[..], &mut stored, &plenty()).unwrap();
        assert_eq!((done.plain_bytes, done.untarred.entries), (plain.len() as u64, 3));
        assert!(stored.0 == blob, "{encoding:?}");
    }
}

#[test]
fn wrong_digests_and_sizes_are_reported() {
    let plain = plain();
    let blob = zstd(&plain, 20);
    let good = spec(Encoding::Zstd, &blob, &plain);
    let error = |spec: &LayerSpec, blob: &[u8]| run(spec, blob, &mut NoBlob, &plenty()).unwrap_err();
    let other = LayerSpec { diff_id: digest(b""), ..good.clone() };
    assert!(matches!(error(&other, &blob), Error::Digest { what: "the layer's plain stream", .. }));
    let other = LayerSpec { digest: digest(b""), ..good.clone() };
    assert!(matches!(error(&other, &blob), Error::Digest { what: "the layer's blob", .. }));
    assert!(matches!(error(&good, &blob[..blob.len() - 1]), Error::Size { what: "the layer's blob", .. }));
    assert!(matches!(error(&good, &[&blob[..], b"x"].concat()), Error::Size { what: "the layer's blob", .. }));
    let bomb = LayerSpec { plain_bytes: 1 << 20, ..good.clone() };
    assert!(matches!(error(&bomb, &blob), Error::Size { .. }));
    let mislabelled = LayerSpec { encoding: Encoding::Gzip, ..good };
    assert!(matches!(error(&mislabelled, &blob), Error::Decode { encoding: "gzip", .. }));
}

#[test]
fn layers_that_need_too_much_memory_are_refused() {
    let plain = plain();
    let blob = zstd(&plain, 25);
    let wide = spec(Encoding::Zstd, &blob, &plain);
    let error = run(&wide, &blob[..], &mut NoBlob, &limits(LAYER_BYTES + (20 << 20))).unwrap_err();
    assert!(matches!(error, Error::Memory { .. }) && error.is_refusal(), "{error}");
    run(&wide, &blob[..], &mut NoBlob, &limits(LAYER_BYTES + (40 << 20))).unwrap();
    // A later frame must not need more than the first one said.
    let (first, second) = plain.split_at(1000);
    let blob = [zstd(first, 10), zstd(second, 25)].concat();
    let error = run(&spec(Encoding::Zstd, &blob, &plain), &blob[..], &mut NoBlob, &plenty()).unwrap_err();
    assert!(matches!(error, Error::Decode { encoding: "zstd", .. }), "{error}");
}

struct Broken<'a>(&'a [u8]);

impl Read for Broken<'_> {
    fn read(&mut self, target: &mut [u8]) -> io::Result<usize> {
        if self.0.is_empty() {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        self.0.read(target)
    }
}

impl BlobSink for Broken<'_> {
    fn accept(&mut self, _: &[u8]) -> io::Result<()> {
        Err(io::ErrorKind::StorageFull.into())
    }
}

#[test]
fn error_of_an_end_is_the_error_of_the_layer() {
    let plain = plain();
    let blob = gzip(&plain);
    let spec = spec(Encoding::Gzip, &blob, &plain);
    let half = Broken(&blob[..blob.len() / 2]);
    let error = run(&spec, half, &mut NoBlob, &plenty()).unwrap_err();
    assert!(
        matches!(&error, Error::Source { source, .. } if source.kind() == io::ErrorKind::ConnectionReset),
        "{error}"
    );
    let error = run(&spec, &blob[..], &mut Broken(b""), &plenty()).unwrap_err();
    assert!(matches!(&error, Error::Sink { source, .. } if source.kind() == io::ErrorKind::StorageFull), "{error}");
}

#[test]
fn refused_entry_ends_the_layer_before_its_last_byte() {
    let items = [Item::file("../a", ""), Item::file("large", &"x".repeat(40 << 20))];
    let plain = archive(&items);
    let error = run(&spec(Encoding::Plain, &plain, &plain), &plain[..], &mut NoBlob, &plenty()).unwrap_err();
    assert!(matches!(error, Error::Refused { .. }), "{error}");
}
