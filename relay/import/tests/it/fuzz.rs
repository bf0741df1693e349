//! The fuzzer itself: it runs a little here, and finds a planted bug. `examples/fuzz_untar.rs` runs it for minutes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use handoff_import::{fuzz_untar, watch};

use crate::common::mutate::{input, planted};
use crate::common::stacks::Privileges;

/// Inputs of a run.
const INPUTS: u64 = 1000;

#[test]
fn changed_layers_neither_panic_nor_change_anything_outside() {
    let scratch = tempfile::tempdir().unwrap();
    let unpacked = (0..INPUTS).filter(|&seed| fuzz_untar(scratch.path(), &input(seed, Privileges::User)).is_ok());
    // Inputs that are all refused at once would test little.
    let unpacked = unpacked.count();
    assert!(unpacked > INPUTS as usize / 20, "{unpacked} of {INPUTS} were unpacked");
}

#[test]
fn planted_bug_is_found() {
    let scratch = tempfile::tempdir().unwrap();
    let root = scratch.path().canonicalize().unwrap();
    let found = (0..INPUTS).find(|&seed| {
        let data = input(seed, Privileges::User);
        let run = || watch(&root, |staging, _| Ok(planted(&root, staging, &data)));
        catch_unwind(AssertUnwindSafe(run)).is_err()
    });
    assert!(found.is_some(), "{INPUTS} inputs did not show the bug");
}
