//! Pages in a real browser: scripts/browser/check.mjs looks at them as a reader does. Needs Node and Chromium.

#![expect(clippy::unwrap_used, reason = "helpers of tests are not in a test function")]

#[path = "it/kit.rs"]
#[expect(dead_code, reason = "three of its runs are looked at")]
mod kit;

use std::path::Path;
use std::process::Command;

use kit::{ALL, Made, looks, report, write};

#[test]
fn pages_are_readable_in_a_browser() {
    let scripts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts");
    let pages = [
        write("three-rounds", &report(vec![Made::three_rounds().run()])),
        write("several", &report(vec![Made::several().run()])),
        write("one-round", &report(vec![Made::one().run()])),
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
    let said = format!("{}{}", String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "look at target/report-looks:\n{said}");
}
