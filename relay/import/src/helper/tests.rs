//! Helper over pipes in this process, with the fake store.

use std::io::{BufRead, BufReader, PipeReader, PipeWriter, Write};
use std::thread::JoinHandle;

use handoff_containerd::Digest;
use handoff_containerd::fake::FakeStore;
use serde_json::json;

use super::protocol::{Event, Request, piece_header, request_frame};
use super::serve::{HelperOptions, serve};
use super::*;
use crate::failure::{FailureKind, ImportError};
use crate::input::WINDOW;
use crate::layer::ImportLimits;
use crate::spec::{Document, ImageSpec};

const NAME: &str = "docker.io/library/app:1";

/// Running helper, and the image that it may import.
struct Session {
    input: Option<PipeWriter>,
    answers: BufReader<PipeReader>,
    thread: Option<JoinHandle<u8>>,
    store: FakeStore,
    _dir: tempfile::TempDir,
}

/// Archive of one empty file, large with zeros at its end.
fn layer(bytes: usize) -> Vec<u8> {
    vec![0; bytes.next_multiple_of(512).max(1024)]
}

fn spec(layers: &[Vec<u8>]) -> ImageSpec {
    let ids: Vec<String> = layers.iter().map(|l| Digest::of(l).to_string()).collect();
    let architecture = if cfg!(target_arch = "aarch64") { "arm64" } else { "amd64" };
    let config = json!({"os": "linux", "architecture": architecture, "rootfs": {"diff_ids": ids}}).to_string();
    let kind = "application/vnd.oci.image.layer.v1.tar";
    let described: Vec<_> =
        layers.iter().zip(&ids).map(|(l, id)| json!({"mediaType": kind, "digest": id, "size": l.len()})).collect();
    let digest = Digest::of(config.as_bytes());
    let manifest = json!({"schemaVersion": 2, "layers": described, "config": {"digest": digest.as_str(),
        "mediaType": "application/vnd.oci.image.config.v1+json", "size": config.len()}});
    let media_type = "application/vnd.oci.image.manifest.v1+json".to_owned();
    let documents = vec![Document { media_type, text: manifest.to_string() }];
    ImageSpec { references: vec!["app:1".to_owned()], documents, config }
}

impl Session {
    fn start() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let store = FakeStore::new(dir.path());
        let (helper_input, input) = std::io::pipe().unwrap();
        let (answers, output) = std::io::pipe().unwrap();
        let limits = ImportLimits { reserve_bytes: 0, ..ImportLimits::default() };
        let opened = store.clone();
        let thread = std::thread::spawn(move || {
            let options = HelperOptions { limits, ..HelperOptions::default() };
            serve(helper_input, output, &options, async |socket| {
                if socket.ends_with("refused") {
                    return Err(ImportError::refused("not here"));
                }
                Ok((opened, HelperFacts::default()))
            })
        });
        let answers = BufReader::new(answers);
        Self { input: Some(input), answers, thread: Some(thread), store, _dir: dir }
    }

    /// Session that has passed the gate.
    fn ready() -> Self {
        let mut session = Self::start();
        session.send(&Request::Open { docker_socket: "/socket".into() });
        assert_eq!(session.event(), Event::Ready(HelperFacts::default()));
        session
    }

    fn write(&mut self, bytes: &[u8]) {
        // A helper that has failed reads nothing.
        let _ = self.input.as_mut().unwrap().write_all(bytes);
    }

    fn send(&mut self, request: &Request) {
        self.write(&request_frame(request).unwrap());
    }

    fn piece(&mut self, layer: usize, bytes: &[u8]) {
        for part in bytes.chunks(100_000) {
            self.write(&piece_header(layer, part.len()));
            self.write(part);
        }
    }

    fn event(&mut self) -> Event {
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    /// Ends the input. Returns the last answer and whether the helper succeeded.
    fn end(&mut self) -> (Option<Event>, bool) {
        self.input = None;
        let lines: Vec<String> = (&mut self.answers).lines().map(Result::unwrap).collect();
        let code = self.thread.take().unwrap().join().unwrap();
        (lines.last().map(|line| serde_json::from_str(line).unwrap()), code == 0)
    }

    /// Ends the input, and expects an error of that kind, and an empty store.
    #[track_caller]
    fn assert_failed(&mut self, kind: FailureKind, reason: &str) {
        match self.end() {
            (Some(Event::Failed(error)), false) => {
                assert_eq!(error.kind, kind, "{error}");
                assert!(error.reason.contains(reason), "{error}");
            }
            other => panic!("{other:?}"),
        }
        assert!(self.store.is_empty());
    }
}

#[test]
fn several_images_are_imported_and_the_end_of_the_input_is_the_end() {
    let mut session = Session::ready();
    let layers = [layer(300_000), layer(1024)];
    session.send(&Request::Import(spec(&layers)));
    assert_eq!(session.event(), Event::Needed(vec![0, 1]));
    session.piece(1, &layers[1]);
    session.piece(0, &layers[0]);
    let mut taken = [0, 0];
    loop {
        match session.event() {
            Event::Taken { layer, bytes } => taken[layer] += bytes,
            Event::Done(_) => {}
            Event::Imported { fetched, .. } => break assert_eq!(fetched, 2),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(taken, [layers[0].len() as u64, 1024]);
    // The second image has all that it needs.
    session.send(&Request::Import(spec(&layers[..1])));
    assert_eq!(session.event(), Event::Needed(Vec::new()));
    assert!(matches!(session.event(), Event::Imported { fetched: 0, .. }));
    assert_eq!(session.end(), (None, true));
    assert!(session.store.image(NAME).is_some() && session.store.missing().is_empty());
}

#[test]
fn refused_engine_and_refused_image_say_why() {
    let mut session = Session::start();
    session.send(&Request::Open { docker_socket: "/refused".into() });
    session.assert_failed(FailureKind::Refused, "not here");
    let mut session = Session::ready();
    session.send(&Request::Import(ImageSpec { references: Vec::new(), ..spec(&[]) }));
    session.assert_failed(FailureKind::Refused, "no name");
}

#[test]
fn input_that_ends_during_an_import_undoes_it() {
    let mut session = Session::ready();
    let layers = [layer(1024), layer(200_000)];
    session.send(&Request::Import(spec(&layers)));
    assert_eq!(session.event(), Event::Needed(vec![0, 1]));
    session.piece(0, &layers[0]);
    session.piece(1, &layers[1][..99_999]);
    session.assert_failed(FailureKind::Transfer, "abandoned");
}

#[test]
fn unexpected_input_undoes_the_import() {
    let layers = [layer(WINDOW as usize + 200_000), layer(1024), layer(2048), layer(4096), layer(8192)];
    type Case = (&'static str, fn(&mut Session, &[Vec<u8>]));
    let cases: [Case; 5] = [
        ("not needed", |session, _| session.piece(9, b"x")),
        ("more bytes than", |session, _| session.piece(1, &layer(1025 * 512))),
        ("a frame of kind 7", |session, _| session.write(&[7; 20])),
        ("expected value", |session, _| session.write(&[&[0, 0, 0, 0, 0, 1, 0, 0, 0][..], b"?"].concat())),
        ("unexpected end of file", |session, _| session.write(&[1, 0, 0])),
    ];
    for (reason, case) in cases {
        let mut session = Session::ready();
        session.send(&Request::Import(spec(&layers)));
        assert!(matches!(session.event(), Event::Needed(_)));
        case(&mut session, &layers);
        session.assert_failed(FailureKind::Store, reason);
    }
    // Requests out of turn.
    let mut session = Session::ready();
    session.send(&Request::Open { docker_socket: "/socket".into() });
    session.assert_failed(FailureKind::Store, "second socket");
    let mut session = Session::start();
    session.send(&Request::Import(spec(&[])));
    session.assert_failed(FailureKind::Store, "before the engine's socket");
}
