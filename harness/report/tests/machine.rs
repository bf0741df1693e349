//! Pages in a real browser, checked by scripts/browser/check.mjs. Needs Node and Chromium.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not in a test function")]

#[path = "it/kit.rs"]
#[expect(dead_code, reason = "some of its runs are checked")]
mod kit;

use std::path::Path;
use std::process::Command;

use kit::{ALL, SampleRun, looks, report, write};

#[test]
fn pages_are_readable_in_a_browser() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let pages = [
        write("three-rounds", &report(vec![SampleRun::three_rounds().run()])),
        write("several", &report(vec![SampleRun::several().run()])),
        write("one-round", &report(vec![SampleRun::one().run()])),
        write("user-image", &report(vec![SampleRun::of_user_image()])),
    ];
    let ready = scripts.join("browser/node_modules/playwright-core").exists();
    assert!(ready, "scripts/browser has no packages: run scripts/setup-browser");
    let run = Command::new("node")
        .arg(scripts.join("browser/check.mjs"))
        .arg("--shots")
        .arg(looks().join("screenshots"))
        .args(["--strategies", ALL])
        .args(pages)
        .output()
        .expect("node does not start: run `make setup`, and the tests with `make test`");
    let output = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "look at target/report-looks:\n{output}");
}
