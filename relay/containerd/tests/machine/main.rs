//! The real store on a private containerd and dockerd. Run as root, see `make help`.

#![expect(clippy::unwrap_used, reason = "tests stop at the first thing that is not as it should be")]

mod checks;
mod image;
mod rig;

use std::ffi::OsString;

/// Runs the checks below in namespaces of their own, so that nothing outlives them.
#[test]
fn imported_images_behave_as_pulled_ones_and_unfinished_ones_leave_nothing() {
    let own = std::env::current_exe().unwrap();
    let namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"].map(OsString::from);
    let args = ["--ignored", "--exact", "in_namespaces", "--nocapture", "--test-threads=1"].map(OsString::from);
    let args = namespaces.into_iter().chain([own.into()]).chain(args);
    let output = duct::cmd("unshare", args).stderr_to_stdout().stdout_capture().unchecked().run().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
#[ignore = "the test above runs it in namespaces"]
fn in_namespaces() {
    assert_eq!(std::process::id(), 1, "run the other test");
    let dir = tempfile::tempdir().unwrap();
    let mut rig = rig::Rig::start(dir.path());
    checks::complete_image_behaves_as_a_pulled_one(&rig);
    checks::index_replaces_an_image_which_becomes_dangling(&rig);
    checks::renewed_lease_outlives_the_first(&rig);
    checks::stopped_imports_leave_nothing_after_expiry(&rig);
    checks::clean_keeps_running_imports(&rig);
    checks::second_import_and_prune_do_not_disturb(&rig);
    checks::builders_build_from_an_imported_image(&rig);
    rig.stop();
}

/// Process that begins an import and ends, see [`checks::clean_keeps_running_imports`].
#[test]
#[ignore = "a check runs it"]
fn child_that_leaves_an_import() {
    checks::leave_an_import(std::path::Path::new(&std::env::var_os("RIG").unwrap()));
}

/// Standard output of a program that must succeed.
#[track_caller]
fn output(expression: &duct::Expression) -> String {
    let output = expression.stdout_capture().stderr_capture().unchecked().run().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{expression:?}: {error}");
    String::from_utf8(output.stdout).unwrap()
}
