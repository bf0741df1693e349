//! Turns a layer's compressed bytes into the folder that containerd's overlayfs snapshotter would have made of them.
//!
//! This crate calls no engine. It has the three steps of a layer that precede its commit:
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
