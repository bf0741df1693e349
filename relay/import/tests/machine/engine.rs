//! Whole images through the helper process into a private engine.

use std::ffi::OsString;

use crate::checks;
use crate::rig::Rig;

/// Runs a check in namespaces of its own, so that nothing outlives it.
fn in_namespaces(check: &str) {
    let own = std::env::current_exe().unwrap();
    let namespaces = ["--mount", "--pid", "--fork", "--kill-child", "--mount-proc", "--"].map(OsString::from);
    let name = format!("engine::inside::{check}");
    let args = ["--ignored", "--exact", &name, "--nocapture", "--test-threads=1"].map(OsString::from);
    let args = namespaces.into_iter().chain([own.into()]).chain(args);
    let output = duct::cmd("unshare", args).stderr_to_stdout().stdout_capture().unchecked().run().unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    println!("{text}");
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

/// Runs a check on an engine of its own.
fn on_engine(check: impl FnOnce(&Rig)) {
    assert_eq!(std::process::id(), 1, "run the test of the same name outside of `inside`");
    let dir = tempfile::tempdir().unwrap();
    let mut rig = Rig::start(dir.path());
    check(&rig);
    rig.stop();
}

macro_rules! checks {
    ($($name:ident),* $(,)?) => {
        $(#[test]
        fn $name() {
            in_namespaces(stringify!($name));
        })*

        mod inside {
            use super::*;

            $(#[test]
            #[ignore = "the test of the same name runs it in namespaces"]
            fn $name() {
                on_engine(checks::$name);
            })*
        }
    };
}

checks! {
    imported_image_behaves_as_a_pulled_one,
}
