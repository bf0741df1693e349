//! The program on private engines. Run as root, see `make help`.

#![expect(clippy::print_stdout, reason = "a test prints how long a restart takes")]
#![expect(clippy::unwrap_used, reason = "tests stop at the first thing that is not as it should be")]

mod store_switch;

use std::ffi::OsString;

/// Runs a test that is ignored in namespaces of its own, so that nothing outlives it.
#[track_caller]
fn in_namespaces(test: &str) {
    let own = std::env::current_exe().unwrap();
    let namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"].map(OsString::from);
    let args = ["--ignored", "--exact", test, "--nocapture", "--test-threads=1"].map(OsString::from);
    let args = namespaces.into_iter().chain([own.into()]).chain(args);
    let output = duct::cmd("unshare", args).stderr_to_stdout().stdout_capture().unchecked().run().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
    print!("{text}");
}

/// Standard output of a program that must succeed.
#[track_caller]
fn output(expression: &duct::Expression) -> String {
    let output = expression.stdout_capture().stderr_capture().unchecked().run().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{expression:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
