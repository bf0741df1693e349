//! Blobs as streams in this process, without an engine.

use handoff_registry::{Digest, NamedImage, StoreKind};

use crate::client::{Image, Lab};
use crate::faults::flip_a_byte;

const MIB: usize = 1 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_have_the_bytes_of_all_blobs() {
    for kind in [StoreKind::Artifact, StoreKind::Cache] {
        let lab = Lab::new();
        let image = Image::new(&[100, 9 * MIB + 17, 300 << 10, 4 * MIB]);
        lab.send(kind, "app", &image).await.unwrap();
        let receiver = lab.receiver(kind, "app").await.unwrap();
        let [NamedImage { reference, digest }] = &receiver.images()[..] else { panic!() };
        assert_eq!((reference.as_str(), digest), ("example/app:1", &Digest::of(image.manifest.as_bytes())));
        assert_eq!(receiver.manifest(digest).unwrap().1, image.manifest);
        // All begin at once, lowest first.
        let streams: Vec<_> = image.blobs().map(|blob| (blob, receiver.blob(&Digest::of(blob)))).collect();
        for (blob, mut stream) in streams {
            let mut bytes = Vec::new();
            while let Some(piece) = stream.recv().await {
                bytes.extend_from_slice(&piece.unwrap());
            }
            assert!(bytes == *blob, "{kind:?}");
        }
        assert_eq!(receiver.stop().broken, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damaged_and_unknown_blobs_end_with_an_error() {
    let lab = Lab::new();
    let image = Image::new(&[3 * MIB, 2 * MIB]);
    lab.send(StoreKind::Artifact, "app", &image).await.unwrap();
    assert!(flip_a_byte(lab.store()) > 0);
    let receiver = lab.receiver(StoreKind::Artifact, "app").await.unwrap();
    let mut damaged = 0;
    for blob in &image.layers {
        let (mut stream, mut bytes, mut error) = (receiver.blob(&Digest::of(blob)), 0, None);
        while let Some(piece) = stream.recv().await {
            match piece {
                Ok(piece) => bytes += piece.len(),
                Err(e) => error = Some(e.to_string()),
            }
        }
        // The last bytes wait for the digest.
        assert_eq!(bytes < blob.len(), error.is_some(), "{bytes} {error:?}");
        let is_damaged = error.is_some_and(|e| e.contains("damaged"));
        damaged += usize::from(is_damaged);
        let (mut unverified, mut bytes) = (receiver.unverified_blob(&Digest::of(blob)), Vec::new());
        while let Some(piece) = unverified.recv().await {
            bytes.extend_from_slice(&piece.unwrap());
        }
        assert_eq!((bytes.len(), bytes != *blob), (blob.len(), is_damaged));
    }
    assert!(damaged > 0);
    let unknown = receiver.blob(&Digest::of(b"unknown")).recv().await.unwrap();
    assert!(unknown.unwrap_err().to_string().contains("has no blob"));
}
