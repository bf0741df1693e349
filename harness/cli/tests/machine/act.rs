//! The workflows to their end, as a runner reads them: `scripts/act` without trees of outside actions, so that what runs is
//! what is ours, from the plan to the report.

use std::ffi::OsString;
use std::path::Path;
use std::process::Command;

use handoff_model::Outcome;
use handoff_records::Results;

use crate::kit::{expect, handoff, machine};
use crate::user_image::webapp;

fn script(name: &str) -> Command {
    Command::new(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts").join(name))
}

/// `scripts/act` with inputs of `handoff.yml`.
fn act(out: &Path, inputs: &[&str]) -> Command {
    let mut command = script("act");
    command.args(["--out", &out.display().to_string()]).args(inputs);
    // Colours of act's would stand between words that are looked for.
    command.env("HANDOFF_BINARY", env!("CARGO_BIN_EXE_handoff")).env("NO_COLOR", "1");
    command
}

/// Runs it; the rows, and what act has said.
fn rehearsed(out: &Path, command: &mut Command, code: i32) -> (Results, String) {
    expect(command, code);
    let log = std::fs::read_to_string(out.join("act.log")).unwrap();
    (Results::read(&out.join("handoff-results")).unwrap(), log)
}

/// Folders of `PATH` in which no compiler is.
fn path_without_a_compiler() -> OsString {
    let path = std::env::var_os("PATH").unwrap();
    let has = |dir: &Path| ["cargo", "rustc", "rustup"].iter().any(|program| dir.join(program).exists());
    let kept: Vec<_> = std::env::split_paths(&path).filter(|dir| !has(dir)).collect();
    std::env::join_paths(kept).unwrap()
}

/// The actions `send` and `receive` run in `relay`'s jobs: with the program that the first job made, and without a compiler.
#[test]
fn workflow_plans_measures_collects_and_reports() {
    let _machine = machine();
    let dir = tempfile::tempdir().unwrap();
    let mut command = act(dir.path(), &["sizes=64MiB", "strategies=relay,rebuild", "rounds=1"]);
    command.env("PATH", path_without_a_compiler());
    let (results, log) = rehearsed(dir.path(), &mut command, 0);
    assert_eq!(results.measurements.len(), 2, "{log}");
    for row in &results.measurements {
        assert_eq!(row.outcome, Outcome::Completed, "{}: {} {}", row.strategy, row.failed_span, row.error);
        assert_eq!((row.profile.as_str(), row.content_equal), ("loopback", Some(true)), "{}", row.identity_note);
        assert!(row.consume_ns.is_some_and(|ns| ns > 0), "{}", row.strategy);
        assert!(results.spans.iter().any(|s| s.trial == row.trial), "{}: no span was kept", row.strategy);
    }
    let rebuild = results.measurements.iter().find(|row| row.strategy == "rebuild").unwrap();
    assert_eq!(rebuild.critical_path_ns, rebuild.consume_ns);
    assert!(log.contains("Success - Main relay: handoff/receive"), "{log}");
    assert!(!log.contains("Building handoff-relay with cargo"), "{log}");
    let report = std::fs::read_to_string(dir.path().join("handoff-results/report.md")).unwrap();
    assert!(report.contains("| rebuild |") && report.contains("| relay |"), "{report}");
}

#[test]
fn broken_cell_is_a_failed_row_and_the_report_is_written() {
    let _machine = machine();
    let dir = tempfile::tempdir().unwrap();
    // No tree of build-push-action is given, so that its step fails; `rebuild` needs none.
    let inputs = ["sizes=64MiB", "strategies=artifact,rebuild", "rounds=1"];
    let (results, log) = rehearsed(dir.path(), &mut act(dir.path(), &inputs), 1);
    assert_eq!(results.measurements.len(), 2, "{log}");
    for row in &results.measurements {
        let broken = row.strategy == "artifact";
        assert_eq!(row.outcome == Outcome::Failed, broken, "{}: {} {}", row.strategy, row.failed_span, row.error);
        assert_eq!(row.critical_path_ns.is_none(), broken, "{}", row.strategy);
        assert_eq!(!row.error.is_empty(), broken, "{}", row.strategy);
    }
    let report = std::fs::read_to_string(dir.path().join("handoff-results/report.md")).unwrap();
    assert!(report.contains("1 failed"), "{report}");
    // What the step itself says is not looked for: act leaves a failed step without reading its last output to the end.
    assert!(log.contains("Failure - Main Fail if a trial failed"), "{log}");
}

#[test]
fn wrong_input_ends_the_run_in_its_first_job() {
    let dir = tempfile::tempdir().unwrap();
    expect(&mut act(dir.path(), &["sizes=64MiB", "strategies=artefact"]), 1);
    let log = std::fs::read_to_string(dir.path().join("act.log")).unwrap();
    assert!(log.contains("Failure - Main Check the inputs and write the plan"), "{log}");
    // What that step says is asked for without act, which may not have read it to its end.
    let mut plan = handoff(&["plan", "--github", "--out", "handoff-plan"]);
    plan.current_dir(dir.path());
    plan.env("HANDOFF_INPUT_SIZES", "64MiB").env("HANDOFF_INPUT_STRATEGIES", "artefact");
    let (_, output) = expect(&mut plan, 2);
    assert!(output.contains("artefact") && output.contains("did you mean `artifact`"), "{output}");
    assert!(!log.contains("/producer]") && !dir.path().join("handoff-results").exists(), "{log}");
}

#[test]
fn action_compares_strategies_on_the_repositorys_image() {
    let _machine = machine();
    let (_dir, context) = webapp();
    let runner = tempfile::tempdir().unwrap();
    let file = |name: &str| runner.path().join(name);
    let compare = |folder: &str, code: i32| {
        let mut command = script("action");
        command.env("GITHUB_WORKSPACE", context.parent().unwrap()).env("RUNNER_TEMP", runner.path());
        command.env("GITHUB_OUTPUT", file("output")).env("GITHUB_STEP_SUMMARY", file("summary.md"));
        command.env("HANDOFF_BINARY", env!("CARGO_BIN_EXE_handoff")).env("NO_COLOR", "1");
        let inputs =
            [("CONTEXT", folder), ("STRATEGIES", "artifact,rebuild"), ("ROUNDS", "1"), ("PROFILE", "loopback")];
        for (name, value) in inputs.into_iter().chain([("BUILD_ARGS", "THEME=dark\n")]) {
            command.env(format!("HANDOFF_INPUT_{name}"), value);
        }
        expect(&mut command, code)
    };
    compare("webapp", 0);
    let output = std::fs::read_to_string(file("output")).unwrap();
    let results = Results::read(Path::new(output.trim().strip_prefix("results=").unwrap())).unwrap();
    assert_eq!(results.measurements.len(), 2);
    assert!(results.measurements.iter().all(|r| r.outcome == Outcome::Completed && r.workload == "context:webapp"));
    let summary = std::fs::read_to_string(file("summary.md")).unwrap();
    assert!(summary.contains("| artifact |") && summary.contains("Simulated"), "{summary}");

    // One line that names the folder, and no results.
    std::fs::remove_file(file("output")).unwrap();
    let (_, stderr) = compare("no-such-folder", 2);
    assert!(stderr.contains("no-such-folder"), "{stderr}");
    assert!(!file("output").exists());
}
