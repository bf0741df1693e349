//! Image for an engine, and a registry on loopback that serves it.

use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use handoff_import::{BlobStream, Digest, Document, ImageSpec, Selection};
use serde_json::json;

use crate::common::archive::{Item, ItemKind, archive};
use crate::rig::seven;

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// Bytes of a piece, as a receiver delivers them.
const PIECE: usize = 256 << 10;

#[derive(Clone, Copy)]
pub enum Packed {
    Plain,
    Gzip,
    Zstd,
}

#[derive(Clone)]
pub struct TestImage {
    pub layers: Vec<Bytes>,
    pub config: String,
    pub manifest: Document,
}

impl TestImage {
    /// Image of archives, with a program that ends with status 7 in the lowest one.
    pub fn new(layers: &[(Vec<u8>, Packed)]) -> Self {
        let pack = |(plain, packed): &(Vec<u8>, Packed)| match packed {
            Packed::Plain => plain.clone(),
            Packed::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(plain).unwrap();
                encoder.finish().unwrap()
            }
            Packed::Zstd => zstd::encode_all(&plain[..], 1).unwrap(),
        };
        let diff_ids: Vec<_> = layers.iter().map(|(plain, _)| Digest::of(plain).to_string()).collect();
        let step = json!({"created": "2026-01-01T00:00:00Z", "created_by": "layer"});
        let history: Vec<_> = layers.iter().map(|_| step.clone()).collect();
        let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
        let config = json!({"created": "2026-01-01T00:00:00Z", "architecture": architecture, "os": "linux",
            "config": {"Cmd": ["/bin/seven"], "Env": ["A=b"]}, "history": history,
            "rootfs": {"type": "layers", "diff_ids": diff_ids}});
        let config = config.to_string();
        let blobs: Vec<Bytes> = layers.iter().map(|layer| pack(layer).into()).collect();
        let descriptors: Vec<_> = blobs
            .iter()
            .zip(layers)
            .map(|(blob, (_, packed))| {
                let suffix = match packed {
                    Packed::Plain => "",
                    Packed::Gzip => "+gzip",
                    Packed::Zstd => "+zstd",
                };
                json!({"mediaType": format!("{LAYER}{suffix}"), "digest": Digest::of(blob).as_str(), "size": blob.len()})
            })
            .collect();
        let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": descriptors,
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json",
                "digest": Digest::of(config.as_bytes()).as_str(), "size": config.len()}});
        let manifest = Document { media_type: MANIFEST.to_owned(), text: manifest.to_string() };
        Self { layers: blobs, config, manifest }
    }

    /// Image with what layers of real images have.
    pub fn usual(seed: &str) -> Self {
        let program = Item { mode: 0o755, ..Item::new("bin/seven", ItemKind::File(seven())) };
        let large = (0..400_000).fold(String::new(), |text, i| text + &format!("{seed}{i} "));
        let capability = [1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let base = [
            Item::folder("bin"),
            program,
            Item { mode: 0o1777, ..Item::folder("tmp") },
            Item { mode: 0o2775, gid: 50, ..Item::folder("srv") },
            Item::folder("etc"),
            Item::file("etc/removed", seed),
            Item::file("etc/kept", "kept"),
            Item::new("etc/hard", ItemKind::HardLink("etc/kept".to_owned())),
            Item::folder("var"),
            Item::file("var/old", "old"),
            Item::file("srv/large", &large),
        ];
        let middle = [
            Item::file("etc/.wh.removed", ""),
            Item::folder("var"),
            Item::file("var/.wh..wh..opq", ""),
            Item::file("var/new", seed),
            Item::file("srv/in-setgid", "x").attribute("user.note", b"n"),
            Item { mode: 0o4755, ..Item::file("bin/capable", "x") }.attribute("security.capability", &capability),
            Item::new("bin/link", ItemKind::Symlink("seven".to_owned())),
        ];
        let top = [Item::file("var/undescribed/file", seed), Item::file("etc/kept", "changed")];
        let empty = || archive(&[]);
        Self::new(&[
            (archive(&base), Packed::Zstd),
            (empty(), Packed::Gzip),
            (archive(&middle), Packed::Gzip),
            (empty(), Packed::Gzip),
            (archive(&top), Packed::Plain),
        ])
    }

    pub fn spec(&self, reference: &str) -> ImageSpec {
        let find = |digest: &Digest| (*digest == self.manifest.digest()).then(|| self.manifest.clone());
        let selected = Selection::of(&self.manifest.digest(), find).unwrap();
        assert_eq!(selected.config, Digest::of(self.config.as_bytes()));
        ImageSpec { references: vec![reference.to_owned()], documents: selected.documents, config: self.config.clone() }
    }

    pub fn blob(&self, digest: &str) -> Option<Bytes> {
        let config = Bytes::from(self.config.clone().into_bytes());
        self.layers.iter().cloned().chain([config]).find(|b| Digest::of(b).as_str() == digest)
    }

    /// Stream of a layer. Call it on a runtime.
    pub fn fetch(&self, digest: &Digest) -> BlobStream {
        let mut blob = self.blob(digest.as_str()).unwrap();
        let (sender, receiver) = tokio::sync::mpsc::channel(2);
        tokio::spawn(async move {
            while !blob.is_empty() && sender.send(Ok(blob.split_to(PIECE.min(blob.len())))).await.is_ok() {}
        });
        receiver
    }

    /// Serves the image on loopback, as `app:1`. Returns its reference.
    pub fn serve(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let image = Arc::new(self.clone());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let image = Arc::clone(&image);
                thread::spawn(move || image.answer(&stream.unwrap()));
            }
        });
        format!("{address}/app:1")
    }

    fn answer(&self, stream: &TcpStream) {
        let mut reader = BufReader::new(stream);
        let mut writer = stream;
        loop {
            let mut lines = Vec::new();
            loop {
                let mut line = String::new();
                match reader.read_line(&mut line) {
                    Ok(1..) => {}
                    Ok(0) => return,
                    Err(_) => {
                        // docker greets with TLS, and tries again without if the answer is HTTP.
                        let _ = writer.write_all(b"HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n");
                        return;
                    }
                }
                if line == "\r\n" {
                    break;
                }
                lines.push(line);
            }
            let mut words = lines[0].split(' ');
            let (method, path) = (words.next().unwrap(), words.next().unwrap());
            let last = path.rsplit('/').next().unwrap();
            let (media_type, body) = if path.contains("/manifests/") {
                (MANIFEST, Some(Bytes::from(self.manifest.text.clone().into_bytes())))
            } else if path == "/v2/" {
                ("application/json", Some(Bytes::from_static(b"{}")))
            } else {
                ("application/octet-stream", self.blob(last))
            };
            let status = if body.is_some() { "200 OK" } else { "404 Not Found" };
            let body = body.unwrap_or_default();
            let digest = Digest::of(&body);
            let head = format!(
                "HTTP/1.1 {status}\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\ndocker-content-digest: {digest}\r\n\r\n",
                body.len()
            );
            let body = if method == "HEAD" { Bytes::new() } else { body };
            if writer.write_all(head.as_bytes()).and_then(|()| writer.write_all(&body)).is_err() {
                return;
            }
        }
    }
}
