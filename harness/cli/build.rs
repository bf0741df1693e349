//! Sets the revision of the sources as variables of the compiler, so that every run can record it.
//!
//! It stands in the crate of the program because that crate is built again after any change, and only then needs another
//! revision: the libraries below it are told the revision by their caller.

use std::path::Path;

fn main() {
    handoff_source::tell_compiler(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), env!("CARGO_PKG_VERSION"));
}
