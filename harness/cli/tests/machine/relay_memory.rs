//! The memory of a relay's ends, whatever the size of the image.
//!
//! `HANDOFF_RELAY_MIB=3072 scripts/with-env cargo test -p handoff-cli --test machine -- --nocapture relay_memory` measures an image of
//! 3 GiB and prints the peaks.

use std::io::{BufReader, Read, Write};
use std::net::TcpStream;

use handoff_services::{Service, ServiceConfig, TokenSpec};
use sha2::{Digest as _, Sha256};

use crate::kit::handoff;
use crate::relay_ends::End;

const MIB: usize = 1 << 20;
/// Memory bound of sender and receiver.
const MOST: u64 = 256 << 20;
const LAYERS: usize = 6;

/// A layer: so many MiB that begin with its number, each.
struct Layer {
    number: usize,
    mib: usize,
    digest: String,
}

impl Layer {
    fn new(number: usize, mib: usize) -> Self {
        let mut layer = Self { number, mib, digest: String::new() };
        let mut hash = Sha256::new();
        layer.pieces(|piece| hash.update(piece));
        layer.digest = format!("sha256:{}", hex::encode(hash.finalize()));
        layer
    }

    fn pieces(&self, mut give: impl FnMut(&[u8])) {
        let mut piece = vec![0; MIB];
        for mib in 0..self.mib {
            piece[..8].copy_from_slice(&((self.number * self.mib + mib) as u64).to_le_bytes());
            give(&piece);
        }
    }

    fn push(&self, registry: &str) {
        let mut stream = TcpStream::connect(registry).unwrap();
        let (digest, bytes) = (&self.digest, self.mib * MIB);
        let head =
            format!("POST /v2/a/blobs/uploads/?digest={digest} HTTP/1.1\r\nhost: a\r\ncontent-length: {bytes}\r\n\r\n");
        stream.write_all(head.as_bytes()).unwrap();
        self.pieces(|piece| stream.write_all(piece).unwrap());
        assert!(answer(&mut BufReader::new(stream)).starts_with("HTTP/1.1 201"));
    }

    /// Asks for it; nothing of the body is read yet.
    fn ask(&self, registry: &str) -> BufReader<TcpStream> {
        let mut stream = TcpStream::connect(registry).unwrap();
        write!(stream, "GET /v2/a/blobs/{} HTTP/1.1\r\nhost: a\r\n\r\n", self.digest).unwrap();
        let mut reader = BufReader::new(stream);
        assert!(answer(&mut reader).starts_with("HTTP/1.1 200"));
        reader
    }

    fn check(&self, reader: &mut impl Read) {
        let mut got = vec![0; MIB];
        self.pieces(|piece| {
            reader.read_exact(&mut got).unwrap();
            assert!(got == piece);
        });
    }
}

/// The head of an answer.
fn answer(reader: &mut impl std::io::BufRead) -> String {
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") && reader.read_line(&mut head).unwrap() > 0 {}
    head
}

#[test]
fn relay_memory_stays_bounded_for_larger_layers() {
    let mib = std::env::var("HANDOFF_RELAY_MIB").map_or(1024, |text| text.parse().unwrap());
    let store = tempfile::Builder::new().prefix("hf").tempdir_in("/var/tmp").unwrap();
    let service = Service::start_blocking(ServiceConfig::new(store.path())).unwrap();
    let end = |end: &str| {
        let mut command = handoff(&["relay", end, "--name", "app"]);
        command.envs(service.client_env(&service.mint(TokenSpec::default())));
        End::of(command)
    };
    let layers: Vec<Layer> = (0..LAYERS).map(|number| Layer::new(number, mib / LAYERS)).collect();

    let push_registry = end("sender");
    std::thread::scope(|scope| {
        for layer in &layers {
            scope.spawn(|| layer.push(&push_registry.registry));
        }
    });
    let bytes = layers[0].mib * MIB;
    let manifest = format!(
        r#"{{"schemaVersion":2,"config":{{"digest":"{}","size":{bytes}}},"layers":[{{"digest":"{}","size":{bytes}}}]}}"#,
        layers[0].digest, layers[1].digest
    );
    let mut stream = TcpStream::connect(&push_registry.registry).unwrap();
    let length = manifest.len();
    write!(stream, "PUT /v2/a/manifests/1 HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n{manifest}").unwrap();
    assert!(answer(&mut BufReader::new(stream)).starts_with("HTTP/1.1 201"));
    let sending = push_registry.peak();
    push_registry.commit();

    let pull_registry = end("receiver");
    // All are asked for at once and read one after the other, as by an engine that takes its time.
    let mut asked: Vec<_> = layers.iter().map(|layer| layer.ask(&pull_registry.registry)).collect();
    for (layer, reader) in layers.iter().zip(&mut asked) {
        layer.check(reader);
    }
    let receiving = pull_registry.peak();
    println!("{mib} MiB: sending end {} MiB, receiving end {} MiB at most", sending >> 20, receiving >> 20);
    assert!(sending < MOST && receiving < MOST, "{sending} and {receiving} of {MOST} bytes");
}
