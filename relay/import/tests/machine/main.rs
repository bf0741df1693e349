//! Generated stacks of layers against containerd's own unpacking. Needs root and `make setup`.

#![expect(clippy::unwrap_used, reason = "helpers of tests may fail as tests do")]
#![expect(clippy::print_stdout, reason = "outputs of processes and peaks of memory belong to the log of the tests")]

mod checks;
#[path = "../common/mod.rs"]
mod common;
mod containerd;
mod dialects;
mod engine;
mod fuzz;
mod image;
#[allow(dead_code, reason = "the tests of the store use more of it")]
#[path = "../../../containerd/tests/machine/rig.rs"]
mod rig;
mod stacks;

/// Standard output of a program that must succeed.
#[track_caller]
fn output(expression: &duct::Expression) -> String {
    let output = expression.stdout_capture().stderr_capture().unchecked().run().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{expression:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
