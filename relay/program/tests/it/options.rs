//! Options that make no sense: one line with a fix, before anything starts.

use crate::lab::{Lab, expect};

fn refused(lab: &Lab, args: &[&str], code: i32) -> String {
    let (stdout, stderr) = expect(&mut lab.program(args), code);
    assert_eq!(stdout, "", "{args:?}");
    let errors: Vec<_> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert_eq!(errors.len(), 1, "{args:?}: {stderr}");
    errors[0].to_owned()
}

#[test]
fn wrong_options_are_one_line_that_names_the_fix_and_start_no_program() {
    let lab = Lab::new();
    let context = lab.path("store").display().to_string();
    for (args, words) in [
        (&["send"][..], "add <IMAGE>"),
        (&["send", "app:1", "app:1"], "named twice"),
        (&["send", "app:1", "db:1", "--context", &context], "--context builds one image"),
        (&["send", "app:1", "--target", "x"], "--context <DIR>"),
        (&["send", "app:1", "--level", "3", "--context", &context, "--compression", "gzip"], "leave --level out"),
        (&["send", "app:1", "--earlier", "app-"], "--earlier needs --store cache"),
        (&["send", "app:1", "--retention-days", "91"], "use 1 to 90"),
        (&["send", "app:1", "--name", "a/b"], "use none of"),
        (&["receive", "--digest", "latest"], "use sha256:"),
        (&["receive", "--wait", "10"], "for example 90s, 10m or 1h"),
        (&["receive", "--producer", "build"], "--wait <DURATION>"),
        (&["receive", "--daemon-config", "/x"], "--store-switch"),
        (&["receive", "--import", "maybe"], "use auto, never or require"),
        (&["receive", "--delete", "--store", "cache"], "--delete needs --store artifact"),
        (&["receive", "--report", "/nowhere/x"], "--report /nowhere/x cannot be written"),
        (&["restore"], "tip:"),
    ] {
        let error = refused(&lab, args, 2);
        assert!(error.contains(words), "{args:?}: {error}");
    }
    assert_eq!(lab.text("calls"), "", "docker was started");
}

#[test]
fn outcome_is_written_for_bad_input_too_but_not_without_the_option() {
    let lab = Lab::new();
    refused(&lab, &["receive", "--digest", "latest"], 2);
    assert_eq!(lab.text("outputs"), "");
    refused(&lab, &["receive", "--digest", "latest", "--outputs"], 2);
    assert!(lab.text("outputs").starts_with("outcome=failure\nreason=--digest latest: "), "{}", lab.text("outputs"));
}

#[test]
fn missing_service_is_the_machine_s_lack() {
    let lab = Lab::new();
    let mut program = lab.program(&["receive"]);
    let (_, stderr) = expect(program.env_remove("ACTIONS_RESULTS_URL"), 3);
    assert!(stderr.contains("ACTIONS_RESULTS_URL"), "{stderr}");
}

#[test]
fn help_shows_examples_and_exit_codes_and_the_version_its_commit() {
    let lab = Lab::new();
    let out = |args: &[&str]| expect(&mut lab.program(args), 0).0;
    let help = out(&["--help"]);
    assert!(
        help.contains("Exit codes:") && help.contains("restore-store") && !help.contains("import-helper"),
        "{help}"
    );
    for command in ["send", "receive"] {
        assert!(out(&[command, "--help"]).contains("Examples:\n"), "{command}");
    }
    assert!(out(&["--version"]).starts_with("handoff-relay 0.1.0 (commit "));
}
