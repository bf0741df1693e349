//! Import of images into the engine's store, or the reason why the engine pulls them.

use std::collections::HashMap;
use std::path::PathBuf;

use handoff_import::{
    BlobStream, Digest as Sha256, Document, FailureKind, Helper, HelperOptions, ImageSpec, ImportError, Selection,
    import_image, serve_helper,
};
use handoff_model::SpanKind;
use handoff_registry::{Digest, PullRegistry};

use crate::report::Report;
use crate::transfer::Arrival;
use crate::{Error, docker, print};

/// Largest config of an image in bytes.
const MAX_CONFIG: usize = 8 << 20;
/// Layers of an image that begin to arrive before the engine is ready for them. The receiver bounds the bytes in memory.
const EARLY_LAYERS: usize = 4;

/// Value of `--import`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Import {
    /// Import where it is possible, else pull.
    Auto,
    /// Pull.
    Never,
    /// Fail where the import is not possible.
    Require,
}

impl std::str::FromStr for Import {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "auto" => Ok(Self::Auto),
            "never" => Ok(Self::Never),
            "require" => Ok(Self::Require),
            other => Err(format!("unknown word `{other}`: use auto, never or require")),
        }
    }
}

/// Result of an import that did not fail.
#[derive(Debug)]
pub(crate) enum Attempt {
    /// All images are in the engine, under their names.
    Imported,
    /// The engine has to pull, for the reason in one line.
    LeftToEngine(String),
}

/// Image that arrives, with what the helper has to know of it.
struct Incoming {
    spec: ImageSpec,
    layers: Vec<Digest>,
}

/// Images that arrive, and the layers of the first one that are on their way already.
pub(crate) struct Arriving {
    images: Result<Vec<Incoming>, ImportError>,
    early: HashMap<Digest, BlobStream>,
}

impl Arriving {
    /// Reads the documents of the images.
    pub(crate) async fn read(receiver: &PullRegistry, images: &[Arrival]) -> Self {
        let mut read = Vec::new();
        for image in images {
            match incoming(receiver, image).await {
                Ok(incoming) => read.push(incoming),
                Err(error) => return Self { images: Err(error), early: HashMap::new() },
            }
        }
        Self { images: Ok(read), early: HashMap::new() }
    }

    /// Begins to fetch the lowest layers, while the engine is not ready yet.
    pub(crate) fn begin(&mut self, receiver: &PullRegistry) {
        let Ok(Some(first)) = self.images.as_ref().map(|images| images.first()) else { return };
        for layer in first.layers.iter().take(EARLY_LAYERS) {
            if !self.early.contains_key(layer) {
                // The helper verifies layers.
                self.early.insert(layer.clone(), receiver.unverified_blob(layer));
            }
        }
    }
}

/// Documents, config and layers of an image, all verified by digest.
async fn incoming(receiver: &PullRegistry, image: &Arrival) -> Result<Incoming, ImportError> {
    let damaged = |what: String| ImportError::transfer(format!("{what}; send the image again"));
    let target: Sha256 = image.digest.parse().map_err(|e| damaged(format!("{}: {e}", image.image)))?;
    let selection = Selection::of(&target, |digest| {
        let (media_type, text) = receiver.manifest(&digest.to_string().parse().ok()?)?;
        Some(Document { media_type: media_type.to_owned(), text: text.to_owned() })
    })?;
    let config = ours(&selection.config)?;
    let mut stream = receiver.blob(&config);
    let mut bytes = Vec::new();
    while let Some(piece) = stream.recv().await {
        bytes.extend_from_slice(&piece.map_err(|e| damaged(format!("fetching the config failed: {e}")))?);
        if bytes.len() > MAX_CONFIG {
            return Err(ImportError::refused("the image's config has more than 8 MiB"));
        }
    }
    let config = String::from_utf8(bytes).map_err(|_| damaged("the image's config is not UTF-8".to_owned()))?;
    let spec = ImageSpec { references: vec![image.image.clone()], documents: selection.documents, config };
    let layers = spec.layers()?.iter().map(ours).collect::<Result<_, _>>()?;
    Ok(Incoming { spec, layers })
}

/// The same digest for the receiver.
fn ours(digest: &Sha256) -> Result<Digest, ImportError> {
    digest
        .to_string()
        .parse()
        .map_err(|_| ImportError::transfer(format!("{digest} is no digest; send the image again")))
}

/// Starts the helper, which passes the gate of the engine.
///
/// # Errors
/// The reason in one line why nothing can be imported here.
pub(crate) async fn start() -> Result<Helper, String> {
    let socket = docker::engine_socket().await?;
    let program = current_program().map_err(|e| e.line())?;
    Helper::start(&program, &socket).await.map_err(|e| e.0)
}

/// Path of this program, which has the commands that run as root.
pub(crate) fn current_program() -> Result<PathBuf, Error> {
    std::env::current_exe().map_err(|e| Error::Failed(format!("cannot find this program's own file: {e}; mount /proc")))
}

/// Writes the images into the engine's store.
///
/// # Errors
/// The transfer failed, so that a pull would fail too.
pub(crate) async fn import(
    mut helper: Helper,
    receiver: &PullRegistry,
    mut arriving: Arriving,
    report: &mut Report,
) -> Result<Attempt, Error> {
    let images = match arriving.images {
        Ok(images) => images,
        Err(error) => return left(error),
    };
    for Incoming { spec, .. } in images {
        let fetch = |digest: &Sha256| match ours(digest) {
            Ok(digest) => arriving.early.remove(&digest).unwrap_or_else(|| receiver.unverified_blob(&digest)),
            // A closed stream: the layer ends early.
            Err(_) => tokio::sync::mpsc::channel(1).1,
        };
        match import_image(&mut helper, spec, fetch).await {
            Ok(imported) => {
                // The receiver knows the time of the download better.
                for span in imported.spans.into_iter().filter(|span| span.name != SpanKind::Download) {
                    report.span(span.name, &span.detail, span.start_ns, span.end_ns, span.bytes);
                }
            }
            Err(error) => {
                helper.stop().await;
                return left(error);
            }
        }
    }
    // It ends by itself: its input ends here.
    drop(helper);
    Ok(Attempt::Imported)
}

/// A pull may succeed where the import was refused or failed, but not without the bytes.
fn left(error: ImportError) -> Result<Attempt, Error> {
    match error.kind {
        FailureKind::Transfer => Err(Error::Failed(error.reason)),
        FailureKind::Refused | FailureKind::Store => Ok(Attempt::LeftToEngine(error.reason)),
    }
}

/// Serves an import as root, over standard input and output.
pub(crate) fn serve() -> u8 {
    serve_helper(&HelperOptions::default())
}

/// Removes what killed imports left: the helper does so when it starts.
pub(crate) fn clean() -> Result<(), Error> {
    let helper = handoff_registry::session::runtime()?.block_on(async {
        let helper = start().await.map_err(|why| {
            Error::Missing(format!("nothing can have been imported here, so that nothing is left: {why}"))
        })?;
        let cleaned = helper.facts().cleaned;
        helper.stop().await;
        Ok::<_, Error>(cleaned)
    })?;
    print::data(&match helper {
        0 => "killed imports left nothing".to_owned(),
        1 => "removed what 1 killed import left".to_owned(),
        many => format!("removed what {many} killed imports left"),
    })
}
