//! Helper process of the tests. Its file name tells what a test wants of it.

use std::process::ExitCode;

use handoff_import::{HelperOptions, serve_helper};

fn main() -> ExitCode {
    serve_helper(HelperOptions::default())
}
