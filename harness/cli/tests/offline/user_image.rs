//! Options of the user's own image.

use std::os::unix::ffi::OsStrExt as _;

use crate::support::{expect, handoff};

#[test]
fn contradicting_options_of_a_user_image_are_refused() {
    let context = tempfile::tempdir().unwrap();
    let dir = context.path().display().to_string();
    let refused = |args: &[&str]| expect(&mut handoff(&[&["plan"], args].concat()), 2).1;
    assert!(refused(&["--context", &dir]).contains("Dockerfile is not there"));
    assert!(refused(&["--dockerfile", "x"]).contains("needs --context"));
    assert!(refused(&["--build-arg", "A=1"]).contains("needs --context"));
    std::fs::write(context.path().join("Dockerfile"), "FROM scratch\n").unwrap();
    assert!(refused(&["--context", &dir, "--sizes", "1GiB"]).contains("leave --sizes out"));
    assert!(refused(&["--context", &dir, "--workload", "typical"]).contains("leave --workload out"));
    assert!(refused(&["--context", &dir, "--build-arg", "A"]).contains("KEY=VALUE"));
    assert!(refused(&["--context", &dir, "--build-arg", "A B=1"]).contains("holds a space"));
    assert!(refused(&["--context", &dir, "--dockerfile", &dir]).contains("is a folder"));
    assert!(refused(&["--image", "a\nb"]).contains("no line break"));
    assert!(refused(&["--image", "Team/App"]).contains("no capitals"));
    assert!(refused(&["--image", ""]).contains("is empty"));
    assert!(refused(&["--image", "repo:<none>"]).contains("IMAGE ID"));
    for (work_dir, named) in [("/var/tmp/a,b", "`,`"), ("/var/tmp/a b", "a space")] {
        let error = refused(&["--context", &dir, "--work-dir", work_dir]);
        assert!(error.contains(named) && error.contains("--work-dir"), "{error}");
        let mut run = handoff(&["run", "--context", &dir, "--out", "/nowhere/x", "--work-dir", work_dir]);
        assert!(expect(&mut run, 2).1.contains(named));
    }
    let not_utf8 = context.path().join(std::ffi::OsStr::from_bytes(b"a\xff"));
    std::fs::create_dir(&not_utf8).unwrap();
    std::fs::write(not_utf8.join("Dockerfile"), "FROM scratch\n").unwrap();
    let mut plan = handoff(&["plan", "--context"]);
    let (_, stderr) = expect(plan.arg(&not_utf8), 2);
    assert!(stderr.contains("is not UTF-8") && stderr.lines().count() == 1, "{stderr}");
    assert!(refused(&["--context", &dir, "--image", "x"]).contains("two images"));
    assert!(refused(&["--context", "/no/such/folder"]).contains("/no/such/folder"));
    let (stdout, _) = expect(&mut handoff(&["plan", "--context", &dir, "--rounds", "1"]), 0);
    assert!(stdout.contains("unknown until it is built: 1GiB is assumed") && !stdout.contains("--sizes"), "{stdout}");
}
