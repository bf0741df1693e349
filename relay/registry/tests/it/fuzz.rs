//! The fuzzer itself: it runs a little here, and finds a planted bug. `examples/fuzz_table.rs` runs it for minutes.

use std::panic::{AssertUnwindSafe, catch_unwind};

use handoff_registry::{Planted, fuzz_table};

use crate::common::mutate::input;

/// Inputs of a run.
const INPUTS: u64 = 1000;

#[test]
fn changed_tables_neither_panic_nor_lead_outside_the_stored_bytes() {
    let accepted = (0..INPUTS).filter(|seed| fuzz_table(&input(*seed), Planted::Nothing).is_ok()).count();
    // Inputs that are all refused at once would test little.
    assert!(accepted > INPUTS as usize / 20, "{accepted} of {INPUTS} were accepted");
    assert!(accepted < INPUTS as usize * 9 / 10, "{accepted} of {INPUTS} were accepted");
}

#[test]
fn planted_bug_is_found() {
    let found = (0..INPUTS).find(|seed| {
        let data = input(*seed);
        catch_unwind(AssertUnwindSafe(|| fuzz_table(&data, Planted::UncheckedTable).is_ok())).is_err()
    });
    assert!(found.is_some(), "{INPUTS} inputs did not show the bug");
}
