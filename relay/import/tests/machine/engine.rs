//! Whole images through the helper process into a private engine.

use std::ffi::OsString;
use std::path::Path;

use crate::rig::Rig;
use crate::{checks, output};

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
fn on_engine(start: impl FnOnce(&Path) -> Rig, check: impl FnOnce(&Rig)) {
    assert_eq!(std::process::id(), 1, "run the test of the same name outside of `inside`");
    let dir = tempfile::tempdir().unwrap();
    let mut rig = start(dir.path());
    check(&rig);
    rig.stop();
}

/// Engine on a file system in a file. The mount ends with the namespace, and so does the loop device.
fn small_disk(root: &Path) -> Rig {
    let file = root.with_extension("disk");
    std::fs::File::create(&file).unwrap().set_len(SMALL_DISK << 20).unwrap();
    output(&duct::cmd!("mkfs.ext4", "-q", "-m", "0", &file));
    output(&duct::cmd!("mount", "--make-rprivate", "/"));
    output(&duct::cmd!("mount", "-o", "loop", &file, root));
    std::fs::remove_file(&file).unwrap();
    Rig::start_in(root)
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
                on_engine(Rig::start, checks::$name);
            })*

            #[test]
            #[ignore = "a test runs it in namespaces"]
            fn on_a_small_disk() {
                on_engine(small_disk, checks::full_disk_is_a_clear_error_and_leaves_nothing);
            }
        }
    };
}

checks! {
    imported_image_behaves_as_a_pulled_one,
    helper_killed_at_any_call_leaves_nothing_that_lasts,
    parent_that_ends_leaves_nothing,
    failed_transfer_leaves_nothing_and_says_why,
    prune_and_second_import_do_not_disturb,
    helper_stays_below_its_memory_with_a_large_layer,
}

/// Disk of the engine whose disk becomes full, in MiB.
const SMALL_DISK: u64 = 160;

#[test]
fn full_disk_is_a_clear_error_and_leaves_nothing() {
    in_namespaces("on_a_small_disk");
}
