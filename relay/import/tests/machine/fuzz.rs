//! Changed layers with everything that root may make.

use handoff_import::fuzz_untar;

use crate::common::mutate::input;
use crate::common::stacks::Privileges;

/// Inputs of a run.
const INPUTS: u64 = 1000;

#[test]
fn changed_layers_change_nothing_outside_as_root() {
    let scratch = tempfile::tempdir().unwrap();
    let unpacked = (0..INPUTS).filter(|&seed| fuzz_untar(scratch.path(), &input(seed, Privileges::Root)).is_ok());
    let unpacked = unpacked.count();
    assert!(unpacked > INPUTS as usize / 20, "{unpacked} of {INPUTS} were unpacked");
}
