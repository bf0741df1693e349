//! Sets the revision of the sources as variables of the compiler, for `handoff-relay --version`.

use std::path::Path;

fn main() {
    handoff_source::tell_compiler(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."), env!("CARGO_PKG_VERSION"));
}
