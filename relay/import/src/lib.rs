//! Imports images into the containerd store of an engine while their layers arrive, instead of letting the engine pull them.
//!
//! # Two processes
//!
//! Writing into the store takes root. The job's token and the network are with a process that is not root. So there are two:
//!
//! ```text
//! receiver (token, network) ── layers, through a pipe ──▶ helper (root, no token, no network) ──▶ containerd
//! ```
//!
//! [`Helper::start`] starts the helper, which runs [`serve_helper`]. [`import_image`] imports one image through it.
//!
//! ```no_run
//! use handoff_import::{BlobStream, Digest, Document, Helper, ImageSpec, ImportError, Selection, import_image};
//!
//! # async fn run(
//! #     target: Digest,
//! #     manifest: impl Fn(&Digest) -> Option<Document>,
//! #     blob: impl Fn(&Digest) -> BlobStream,
//! #     text: impl Fn(&Digest) -> String,
//! # ) -> Result<(), Box<dyn std::error::Error>> {
//! let program = std::env::current_exe()?;
//! // An error here, and one of the kind `Refused` below: let the engine pull.
//! let mut helper = Helper::start(&program, "/run/docker.sock".as_ref()).await?;
//! let selected = Selection::of(&target, manifest)?;
//! let config = text(&selected.config);
//! let image = ImageSpec { references: vec!["app:1".to_owned()], documents: selected.documents, config };
//! let imported = import_image(&mut helper, image, |digest| blob(digest)).await?;
//! println!("{} bytes of {} layers", imported.bytes, imported.layers);
//! helper.stop().await;
//! # Ok(()) }
//! ```
//!
//! An [`ImportError`] has a [`FailureKind`]: leave the image to the engine, the transfer failed, or the store failed. The
//! engine shows nothing of the image after an error. If one of several names of an image fails, the earlier ones stay.
//!
//! # Memory
//!
//! The helper stays below 256 MiB. Three layers are unpacked at once:
//!
//! | part | MiB |
//! |---|---:|
//! | layers' pipelines, by [`MemoryBudget`]: 3 × ([`LAYER_BYTES`] + a window of zstd, 9 usually) | 87 |
//! | bytes from the pipe, 4 layers × 4 | 16 |
//! | blobs on their way to containerd, 3 × 5.5 | 17 |
//! | code, stacks, runtime | 20 |
//!
//! A layer with a window of 128 MiB leaves room for a usual one; a third is refused. The parent holds what its receiver holds, and 1 MiB for
//! the pipe. Layers that wait for their turn hold at most two ranges each.
//!
//! # A layer
//!
//! 1. [`stage_layer`] decodes, verifies and unpacks the layer into a [`Staging`] folder while its bytes arrive.
//! 2. [`apply_attributes`] gives folders that the layer does not describe what they have in the layers below.
//! 3. [`Staging::move_over`] renames the tree to the folder of the prepared snapshot.
//!
//! containerd's `pkg/archive` defines what is right. Whatever would not become the same tree with certainty is an
//! [`Error::Refused`] before anything is visible, and the caller lets the engine pull the image.
//!
//! Unpacking as root is dangerous, so paths are resolved with openat2 beneath the staging folder and never through a
//! symbolic link, sizes and memory are bounded, and overlayfs's own attributes are refused.
//!
//! ```
//! use handoff_import::{Encoding, ImportLimits, LayerSpec, NoBlob, Staging, stage_layer};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let snapshots = tempfile::tempdir()?;
//! // An archive without entries: two blocks of zeros.
//! let blob = [0; 1024];
//! let digest = "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef";
//! let spec = LayerSpec {
//!     encoding: Encoding::of_media_type("application/vnd.oci.image.layer.v1.tar")?,
//!     digest: digest.to_owned(),
//!     blob_bytes: 1024,
//!     diff_id: digest.to_owned(),
//!     plain_bytes: 1024,
//!     is_lowest: true,
//! };
//! let staging = Staging::create(snapshots.path(), "layer-0")?;
//! let limits = ImportLimits { reserve_bytes: 0, ..ImportLimits::default() };
//! let staged = stage_layer(&spec, &blob[..], &mut NoBlob, &staging, &limits)?;
//! assert_eq!(staged.untarred.entries, 0);
//! # Ok(())
//! # }
//! ```

mod attributes;
mod budget;
mod error;
mod failure;
mod fuzz;
mod helper;
mod input;
mod layer;
mod pipeline;
mod rules;
mod span;
mod spec;
mod staging;
mod tar;
mod tree;
mod untar;

pub use attributes::{apply_attributes, lower_folders};
pub use budget::MemoryBudget;
pub use error::{Error, Refusal};
pub use failure::{FailureKind, ImportError};
pub use fuzz::{fuzz_untar, watch};
pub use handoff_containerd::Digest;
pub use helper::{
    BlobStream, Helper, HelperFacts, HelperOptions, Imported, Unavailable, import_image, serve, serve_helper,
};
pub use layer::{BlobSink, Encoding, ImportLimits, LAYER_BYTES, LayerSpec, NoBlob, StagedLayer, stage_layer};
pub use rules::Rules;
pub use span::ImportSpan;
pub use spec::{Document, ImageSpec, Selection};
pub use staging::Staging;
pub use tree::UndescribedFolders;
pub use untar::{UntarOptions, Untarred, untar};
