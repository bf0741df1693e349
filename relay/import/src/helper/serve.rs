//! Helper's side of the pipe.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;

use handoff_containerd::{Containerd, EngineInfo, Store, timeouts};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::watch;

use super::protocol::{Event, Frame, HelperFacts, Request, read_frame};
use crate::failure::ImportError;
use crate::input::{Inlet, LayerInput, layer_input};
use crate::layer::ImportLimits;
use crate::pipeline::{ImportOptions, LayerFeed, import};
use crate::spec::{Image, ImageSpec};

/// Bytes of the pipes, where the system allows it: the default of 64 KiB costs a switch of processes for each piece.
const PIPE_BYTES: usize = 1 << 20;
/// Threads that talk to containerd. Those that unpack are others.
const WORKERS: usize = 2;

/// Exit code of a helper that failed. Its answers say why.
const FAILED: u8 = 4;

/// Limits of a helper.
#[derive(Clone, Debug)]
pub struct HelperOptions {
    /// Limits of the layers.
    pub limits: ImportLimits,
    /// Lifetime of a term of the lease.
    pub lease: std::time::Duration,
}

impl Default for HelperOptions {
    fn default() -> Self {
        Self { limits: ImportLimits::default(), lease: timeouts::LEASE }
    }
}

/// Runs the helper on standard input and output, until the input ends.
///
/// An import in progress at the end of the input is undone. Leases that killed imports left are removed first.
pub fn serve_helper(options: &HelperOptions) -> u8 {
    let _ = rustix::pipe::fcntl_setpipe_size(io::stdin(), PIPE_BYTES);
    let open = async |socket: &Path| {
        let refused = |refusal: handoff_containerd::Refusal| ImportError::refused(refusal.to_string());
        let engine = EngineInfo::read(socket).await.map_err(refused)?;
        let store = Containerd::open(&engine).await.map_err(refused)?;
        // A lease that expires starts no collection by itself.
        let cleaned = store.clean(false).await?;
        let containerd = store.facts().version.clone();
        Ok((store, HelperFacts { containerd, cleaned }))
    };
    serve(io::stdin(), io::stdout(), options, open)
}

/// Runs the helper on a pair of streams. `open` gives the store of the engine behind a socket.
pub fn serve<S: Store>(
    input: impl Read + Send + 'static,
    output: impl Write + Send + 'static,
    options: &HelperOptions,
    open: impl AsyncFnOnce(&Path) -> Result<(S, HelperFacts), ImportError>,
) -> u8 {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build();
    let Ok(runtime) = runtime else { return FAILED };
    let (events, lines) = unbounded_channel();
    let Ok(writer) = thread::Builder::new().name("helper-answer".to_owned()).spawn(move || write_lines(output, lines))
    else {
        return FAILED;
    };
    let result = runtime.block_on(session(input, &events, options, open));
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            let _ = events.send(Event::Failed(error));
            FAILED
        }
    };
    // The answers end with the last sender, and those of inputs end with the runtime.
    drop((runtime, events));
    let _ = writer.join();
    code
}

fn write_lines(mut output: impl Write, mut lines: UnboundedReceiver<Event>) {
    while let Some(event) = lines.blocking_recv() {
        let Ok(mut line) = serde_json::to_vec(&event) else { return };
        line.push(b'\n');
        if output.write_all(&line).and_then(|()| output.flush()).is_err() {
            // The parent is gone, and the input ends too.
            return;
        }
    }
}

async fn session<S: Store>(
    input: impl Read + Send + 'static,
    events: &UnboundedSender<Event>,
    options: &HelperOptions,
    open: impl AsyncFnOnce(&Path) -> Result<(S, HelperFacts), ImportError>,
) -> Result<(), ImportError> {
    let (requests, mut received) = unbounded_channel();
    let (ended, end) = watch::channel(None);
    let inlets = Arc::new(Mutex::new(Inlets::default()));
    let routed = Arc::clone(&inlets);
    thread::Builder::new()
        .name("helper-input".to_owned())
        .spawn(move || {
            let why = route_frames(input, &routed, &requests);
            lock(&routed).close();
            ended.send_replace(Some(why));
        })
        .map_err(|e| ImportError::store(format!("no thread could be started: {e}")))?;
    let socket: PathBuf = match received.recv().await {
        Some(Request::Open { docker_socket }) => docker_socket,
        Some(Request::Import(_)) => return Err(protocol_error("an import before the engine's socket")),
        None => return input_ended(&end),
    };
    let (store, facts) = open(&socket).await?;
    let _ = events.send(Event::Ready(facts));
    let options = ImportOptions { limits: options.limits.clone(), lease: options.lease };
    loop {
        match received.recv().await {
            Some(Request::Import(spec)) => {
                let done = one_import(&store, spec, &inlets, events, &options, end.clone()).await?;
                let _ = events.send(done);
            }
            Some(Request::Open { .. }) => return Err(protocol_error("a second socket")),
            None => return input_ended(&end),
        }
    }
}

async fn one_import<S: Store>(
    store: &S,
    spec: ImageSpec,
    inlets: &Arc<Mutex<Inlets>>,
    events: &UnboundedSender<Event>,
    options: &ImportOptions,
    mut end: watch::Receiver<Option<Result<(), ImportError>>>,
) -> Result<Event, ImportError> {
    let image = Image::read(spec)?;
    let sizes = image.layers.iter().map(|layer| layer.size).collect();
    let mut feed = PipeFeed { inlets: Arc::clone(inlets), inputs: HashMap::new(), sizes, events: events.clone() };
    let stop = async {
        let why = end.wait_for(Option::is_some).await.map(|why| why.clone());
        match why {
            Ok(Some(Err(why))) => why,
            _ => ImportError::transfer("the import was abandoned"),
        }
    };
    let done = import(store, &image, &mut feed, options, stop).await?;
    Ok(Event::Imported { fetched: done.fetched, spans: done.spans })
}

/// Result of a helper whose input has ended between two imports.
fn input_ended(end: &watch::Receiver<Option<Result<(), ImportError>>>) -> Result<(), ImportError> {
    end.borrow().clone().unwrap_or(Ok(()))
}

fn protocol_error(why: impl std::fmt::Display) -> ImportError {
    ImportError::store(format!("the helper was told {why}: report this"))
}

/// Reads frames until the input ends, or has something that is none.
fn route_frames(
    mut input: impl Read,
    inlets: &Mutex<Inlets>,
    requests: &UnboundedSender<Request>,
) -> Result<(), ImportError> {
    loop {
        match read_frame(&mut input).map_err(protocol_error)? {
            None => return Ok(()),
            Some(Frame::Request(request)) => {
                if requests.send(request).is_err() {
                    return Ok(());
                }
            }
            Some(Frame::Piece(layer, piece)) => {
                lock(inlets).push(layer, piece).map_err(protocol_error)?;
            }
        }
    }
}

/// Layers of the import in progress that may get bytes.
#[derive(Debug, Default)]
struct Inlets {
    open: HashMap<usize, Inlet>,
    is_closed: bool,
    /// Whether an import has failed: the parent may not know yet, and its bytes are dropped.
    is_over: bool,
}

impl Inlets {
    fn push(&mut self, layer: usize, piece: bytes::Bytes) -> Result<(), &'static str> {
        if self.is_over {
            return Ok(());
        }
        self.open.get_mut(&layer).ok_or("bytes of a layer that is not needed")?.push(piece)
    }

    fn close(&mut self) {
        self.is_closed = true;
        self.open.clear();
    }
}

fn lock(inlets: &Mutex<Inlets>) -> MutexGuard<'_, Inlets> {
    inlets.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Layers from the pipe.
struct PipeFeed {
    inlets: Arc<Mutex<Inlets>>,
    inputs: HashMap<usize, LayerInput>,
    sizes: Vec<u64>,
    events: UnboundedSender<Event>,
}

impl LayerFeed for PipeFeed {
    fn begin(&mut self, needed: &[usize]) {
        let mut inlets = lock(&self.inlets);
        for &layer in needed {
            let events = self.events.clone();
            let on_taken = Box::new(move |layer, bytes| drop(events.send(Event::Taken { layer, bytes })));
            let (inlet, input) = layer_input(layer, self.sizes[layer], on_taken);
            self.inputs.insert(layer, input);
            if !inlets.is_closed {
                inlets.open.insert(layer, inlet);
            }
        }
        drop(inlets);
        let _ = self.events.send(Event::Needed(needed.to_vec()));
    }

    fn open(&mut self, layer: usize) -> Option<LayerInput> {
        self.inputs.remove(&layer)
    }

    fn done(&mut self, layer: usize) {
        lock(&self.inlets).open.remove(&layer);
        let _ = self.events.send(Event::Done(layer));
    }

    fn close(&mut self) {
        let mut inlets = lock(&self.inlets);
        // After a success nothing is open.
        inlets.is_over |= !inlets.open.is_empty();
        inlets.open.clear();
        drop(inlets);
        self.inputs.clear();
    }
}
