//! The files as a whole: those that are committed are the model's, and nothing in them can be misused.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::path::Path;

use handoff_model::recipe::{Step, places};
use handoff_strategies::ALL;
use handoff_workflows::pins::Pins;
use handoff_workflows::{Named, action, files};

fn model() -> Vec<(String, String)> {
    let strategies: Vec<Named> = ALL.iter().map(|s| Named { name: s.facts().name, recipe: s.recipe() }).collect();
    files::all(&Pins::built_in().unwrap(), &strategies).unwrap()
}

#[test]
fn committed_files_are_up_to_date() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    files::check(root, &model()).unwrap();
}

#[test]
fn drifted_file_is_reported() {
    let dir = std::env::temp_dir().join(format!("handoff-drift-{}", std::process::id()));
    let model = model();
    assert_eq!(files::sync(&dir, &model).unwrap().len(), model.len());
    assert!(files::sync(&dir, &model).unwrap().is_empty());
    files::check(&dir, &model).unwrap();
    std::fs::write(dir.join(&model[0].0), "x").unwrap();
    let error = files::check(&dir, &model).unwrap_err().to_string();
    std::fs::remove_dir_all(&dir).unwrap();
    assert_eq!(error, ".github/workflows/handoff.yml is out of date: run `handoff workflows sync`");
}

/// The lines of scripts: what a `run` holds.
fn script_lines(text: &str) -> Vec<&str> {
    let mut lines = Vec::new();
    let mut block: Option<usize> = None;
    for line in text.lines() {
        let depth = line.len() - line.trim_start().len();
        if block.is_some_and(|d| depth <= d && !line.trim().is_empty()) {
            block = None;
        }
        if let Some(script) = line.trim_start().strip_prefix("run: ") {
            if script == "|" { block = Some(depth) } else { lines.push(script) }
        } else if block.is_some() {
            lines.push(line);
        }
    }
    lines
}

#[test]
fn scripts_have_no_expression_and_no_workflow_starts_on_a_pull_request() {
    for (name, text) in model() {
        let lines = script_lines(&text);
        assert!(!lines.is_empty(), "{name}");
        for line in lines {
            assert!(!line.contains("${{"), "{name}: {line}");
        }
        // Examples are workflows of a reader's repository, which start as theirs do.
        if name.starts_with("docs/") {
            assert!(text.contains("\npermissions:\n  contents: read\n") && !text.contains("secrets"), "{name}");
            continue;
        }
        for trigger in ["pull_request", "push:", "secrets", "issue_comment"] {
            assert!(!text.contains(trigger), "{name}: {trigger}");
        }
        // An action has the rights of the job that uses it.
        assert!(name == action::FILE || text.contains("\npermissions: {}\n"), "{name}");
    }
}

#[test]
fn every_action_is_pinned_by_commit() {
    for (name, text) in model() {
        for uses in text.lines().filter_map(|l| l.trim_start().strip_prefix("uses: ")).filter(|u| !u.starts_with("./"))
        {
            let (action, rest) = uses.split_once('@').unwrap();
            // The reader fills these in; a note says so.
            if action.starts_with("OWNER/handoff/") {
                assert!(
                    rest.starts_with("COMMIT # ") && rest.contains("fill in the owner and the commit"),
                    "{name}: {uses}"
                );
                continue;
            }
            let (commit, tag) = rest.split_once(" # ").unwrap();
            assert!(commit.len() == 40 && tag.starts_with('v'), "{name}: {uses}");
        }
    }
}

fn shows(step: &Step, place: &str) -> bool {
    step.when.iter().any(|(option, _)| *option == place)
        || step.texts().into_iter().flat_map(places).any(|p| p == place)
}

/// Options reach the files as places that the plan fills: no default of a strategy is written into a file.
#[test]
fn local_runs_and_workflows_share_their_commands() {
    let text = &model()[1].1;
    for strategy in ALL {
        let recipe = strategy.recipe();
        let steps = || recipe.producer.iter().chain(recipe.consumer);
        for option in strategy.facts().options.iter().filter(|o| steps().any(|s| recipe.shown_by(s).contains(o.name))) {
            let derived = recipe.derived.iter().filter(|d| d.shows == option.name).map(|d| d.place);
            for place in derived.chain([option.name]).filter(|p| steps().any(|s| shows(s, p))) {
                assert!(text.contains(&format!("fromJSON(inputs.cell).options.{place}")), "{place}");
            }
        }
    }
    for value in ["type=gha,scope=", "type=local,dest="] {
        let line = text.lines().find(|l| l.contains(value)).unwrap();
        assert!(line.contains("mode=${{ fromJSON(inputs.cell).options.mode }}"), "{line}");
    }
}
