//! Matrix files, presets and budgets: laid out, refused, told. Nothing runs.

use serde_json::Value;

use crate::support::{expect, handoff};

const FILE: &str = "\
summary = 'two sizes with rounds of their own'
strategies = ['artifact', 'gha-cache', 'rebuild']
profiles = ['github-hosted', 'github-hosted:request_ms=25ms']

[[block]]
sizes = '64MiB'
rounds = 3

[[block]]
sizes = '128MiB'
rounds = 1

[[exclude]]
strategy = 'gha-cache'
profile = 'github-hosted:request_ms=25'
";

fn plan(args: &[&str]) -> Value {
    let (stdout, _) = expect(handoff(&["plan", "--format", "json"]).args(args), 0);
    serde_json::from_str(&stdout).unwrap()
}

fn refused(args: &[&str]) -> String {
    let (_, stderr) = expect(&mut handoff(args), 2);
    stderr.lines().find(|line| line.starts_with("error:")).unwrap_or_else(|| panic!("{stderr}")).to_owned()
}

#[test]
fn too_few_rounds_are_a_warning_with_the_fix() {
    let two = ["plan", "--sizes", "64MiB", "--strategies", "artifact,cache-tar,rebuild", "--format", "json"];
    let planned = |rounds: &str| {
        let (stdout, stderr) = expect(handoff(&two).args(["--rounds", rounds]), 0);
        (serde_json::from_str::<Value>(&stdout).unwrap(), stderr)
    };
    let (few, stderr) = planned("3");
    let warning = "warning: at 64MiB typical, 3 rounds cannot decide any of the 2 comparisons with rebuild, which takes 7: use \
                   --rounds 7 or --rounds auto\n";
    assert_eq!(stderr, warning);
    let family = &few["declared"]["families"][0];
    assert_eq!(
        (&family["comparisons"], &family["decidable"], &family["rounds_needed"]),
        (&2.into(), &0.into(), &7.into())
    );
    assert_eq!(few["declared"]["fix"], "--rounds 7");
    let (auto, stderr) = planned("auto");
    assert_eq!((&auto["plan"]["request"]["rounds"], &auto["declared"]["fix"]), (&7.into(), &Value::Null));
    assert_eq!(stderr, "");
    let (_, stderr) = expect(&mut handoff(&["plan", "quick"]), 0);
    assert!(stderr.starts_with("This is a screening") && stderr.lines().count() == 1, "{stderr}");
    let (list, _) = expect(&mut handoff(&["plan", "--list"]), 0);
    assert!(list.contains("quick: A screening: ") && list.contains("latency: A trend: "), "{list}");
    assert!(refused(&["plan", "--rounds", "soon"]).contains("use 1 to 1000, or auto"));
}

#[test]
fn matrix_file_lays_out_blocks_without_excluded_cells() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml").display().to_string();
    std::fs::write(&path, FILE).unwrap();
    let output = plan(&[&path]);
    let trials = output["plan"]["trials"].as_array().unwrap();
    // Five cells of each size: three rounds of one, one of the other.
    assert_eq!((trials.len(), output["cells"].as_array().unwrap().len()), (20, 10));
    assert!(trials.iter().all(|trial| {
        let cell = &trial["cell"];
        cell["strategy"] != "gha-cache" || cell["conditions"]["profile"] == "github-hosted"
    }));
    let rounds: Vec<u64> = trials.iter().map(|trial| trial["round"].as_u64().unwrap()).collect();
    assert!(rounds.is_sorted() && rounds[..10] == [1; 10], "{rounds:?}");

    let (stdout, stderr) = expect(&mut handoff(&["plan", &path, "--rounds", "2", "--profile", "loopback"]), 0);
    assert!(stderr.contains("--rounds 2 instead of 3 and 1 (matrix "), "{stderr}");
    assert!(stdout.contains("an estimate") && stdout.contains("12 trials of 6 cells"), "{stdout}");

    let error = refused(&["plan", &path, "--budget", "1m"]);
    assert!(error.contains("--budget 1m") && error.contains("no strategy"), "{error}");
    std::fs::write(&path, FILE.replace("rounds = 1", "round = 1")).unwrap();
    let error = refused(&["run", &path, "--out", &dir.path().join("out").display().to_string()]);
    assert!(error.contains("line 11: unknown key `round`: did you mean `rounds`?"), "{error}");
    assert!(refused(&["plan", "quik"]).contains("did you mean `quick`?"));
}

#[test]
fn impossible_cell_is_refused_unless_a_rule_excludes_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml").display().to_string();
    let text = "sizes = '64MiB'\nrounds = 1\nstrategies = ['artifact', 'gha-cache']\nimage_stores = ['containerd', 'overlay2']\n\
                builders = 'docker'\n";
    std::fs::write(&path, text).unwrap();
    assert!(refused(&["plan", &path]).contains("refused: gha-cache"));
    let rule = "[[exclude]]\nstrategy = 'gha-cache'\nimage_store = 'overlay2'\nbuilder = 'docker'\n";
    std::fs::write(&path, format!("{text}{rule}")).unwrap();
    assert_eq!(plan(&[&path])["plan"]["trials"].as_array().unwrap().len(), 3);
}

#[test]
fn presets_are_listed_with_their_questions() {
    let (stdout, _) = expect(&mut handoff(&["plan", "--list"]), 0);
    let names = [
        "quick",
        "spike",
        "spike-containerd",
        "claims",
        "limits",
        "latency",
        "fan-out",
        "variants",
        "relay",
        "relay-loopback",
        "sensitivity",
    ];
    for name in names {
        assert!(stdout.lines().any(|line| line.starts_with(&format!("{name}: "))), "{name}: {stdout}");
    }
    let strategies = plan(&["quick"])["plan"]["request"]["strategies"].as_array().unwrap().len();
    assert_eq!(plan(&["quick"])["needs"]["trials"], 3 * strategies);
}

#[test]
fn changed_profile_is_printed_and_named_in_every_cell() {
    let (stdout, _) = expect(&mut handoff(&["profiles", "github-hosted:@low,down.connection=60MiB/s"]), 0);
    assert!(stdout.starts_with("github-hosted:@low,down.connection=60MiB/s: "), "{stdout}");
    let changes = ["--link-rate", "60MiB/s", "--request-time", "25", "--fault", "stall=1%", "--fault", "stall_s=2"];
    let mut args =
        vec!["--sizes", "64MiB", "--rounds", "1", "--strategies", "artifact", "--profile", "loopback,github-far"];
    args.extend(changes);
    let output = plan(&args);
    let names: Vec<&str> = output["plan"]["request"]["conditions"]
        .as_array()
        .unwrap()
        .iter()
        .map(|conditions| conditions["profile"].as_str().unwrap())
        .collect();
    let behind = "aggregate=60MiB/s,faults.stall=1%,faults.stall_s=2s,request_ms=25ms";
    assert_eq!(names, [format!("loopback:{behind}"), format!("github-far:{behind}")]);
    assert!(refused(&["plan", "--link-rate", "60"]).contains("60MiB/s"));
}
