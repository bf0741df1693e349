//! Tests of requests: options, matrix files and stored plans, under a few made-up strategies.

use clap::Parser;
use handoff_model::{Plan, StrategyError, UserImage};
use proptest::prelude::*;

use super::*;

const NAMES: [&str; 7] = ["artifact", "cache-tar", "gha-cache", "local-cache", "zstd-stream", "relay", "rebuild"];

/// Every option but `levl` is there, and no default is known.
fn check_strategies(named: Vec<StrategySpec>) -> Result<Vec<StrategySpec>, StrategyError> {
    let all = StrategySpec::plain("all");
    let one = |spec: StrategySpec| match spec {
        _ if spec == all => NAMES.into_iter().map(StrategySpec::plain).collect(),
        _ => vec![spec],
    };
    let specs: Vec<StrategySpec> = named.into_iter().flat_map(one).collect();
    match specs.iter().find(|s| !NAMES.contains(&s.name.as_str()) || s.options.contains_key("levl")) {
        Some(unknown) => Err(StrategyError::Grammar(unknown.to_string())),
        None => Ok(specs),
    }
}

fn check_image(workload: &str, size: Option<ByteSize>) -> Result<(), String> {
    let known = !workload.starts_with("typicl");
    let fits = size.is_none_or(|size| size.bytes() <= 10 << 30);
    if known && fits { Ok(()) } else { Err(format!("no {workload} of {size:?}")) }
}

fn context() -> Context<'static> {
    Context {
        runs_on: RunsOn::Here,
        run_id: "r".to_owned(),
        host_store: None,
        user_image: None,
        strategies: &check_strategies,
        check_image: &check_image,
    }
}

fn asked(words: &str) -> Experiment {
    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        experiment: Experiment,
    }
    let words = std::iter::once("plan").chain(words.split_whitespace());
    Typed::try_parse_from(words).unwrap_or_else(|error| panic!("{error}")).experiment
}

fn request(words: &str) -> PlanRequest {
    asked(words).request(None, &context()).unwrap()
}

fn refused(words: &str) -> String {
    asked(words).request(None, &context()).unwrap_err().to_string()
}

/// A matrix file of that text.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("mine.toml");
    std::fs::write(&path, text).unwrap();
    let name = path.display().to_string();
    (dir, name)
}

#[test]
fn auto_counts_the_declared_comparisons() {
    assert_eq!(request("--rounds auto").rounds, 8);
    assert_eq!(request("--rounds auto --control").rounds, 8);
    assert_eq!(request("--rounds auto --strategies artifact,rebuild").rounds, 6);
    assert_eq!(request("--rounds auto --strategies artifact").rounds, 6);
    assert_eq!(request("--rounds auto --compare pairs").rounds, 10);
}

#[test]
fn resumed_run_keeps_the_number_that_auto_stood_for() {
    let stored = request("--rounds auto --consumers 2,4 --consumer-concurrency 2 --control --seed 9");
    for words in ["", "--rounds auto"] {
        let again = asked(words).request(Some(&stored), &Context { run_id: "other".into(), ..context() });
        assert_eq!(again.unwrap(), stored);
    }
}

#[test]
fn resumed_matrix_takes_no_options_and_gives_its_image_new_values() {
    let (_dir, name) = file("[[block]]\nsizes = '64MiB'\n[[block]]\nsizes = '128MiB'\n");
    let stored = request(&name);
    let error = asked("--rounds 3").request(Some(&stored), &context()).unwrap_err().to_string();
    assert!(error.contains("laid out by a matrix"), "{error}");
    assert_eq!(asked("").request(Some(&stored), &context()).unwrap(), stored);
    let user_image = UserImage::Image { name: "a".into(), id: "b".into(), bytes: None, store: None };
    let with = Context { user_image: Some(user_image.clone()), ..context() };
    assert_eq!(asked("").request(Some(&stored), &with).unwrap().user_image, Some(user_image));
}

#[test]
fn spike_preset_has_rounds_to_decide_at_every_size() {
    let request = request("spike");
    assert_eq!((request.rounds, request.matrix.as_deref()), (8, Some("spike")));
    let plan = Plan::new(request).unwrap();
    let count = |gib: u64| plan.trials.iter().filter(|t| t.cell.size.bytes() == gib << 30).count();
    // The control is a second trial of the first strategy.
    let all = NAMES.len() + 1;
    assert_eq!([count(1), count(2), count(3)], [8 * all; 3]);
}

#[test]
fn preset_has_rounds_to_decide_or_declares_no_comparison() {
    for matrix in crate::presets().unwrap() {
        let name = &matrix.name;
        let request = request(name);
        let families = declared::families(&request, &[]);
        let word = match request.purpose {
            Purpose::Decision => {
                assert!(matrix.blocks.iter().all(|b| b.rounds == Some(Rounds::Auto)), "{name}: rounds");
                assert!(request.control && !families.is_empty(), "{name}");
                assert!(families.iter().all(|f| f.decidable == f.comparisons && f.rounds >= 6), "{name}: {families:?}");
                continue;
            }
            Purpose::Screening => "A screening: ",
            Purpose::Trend => "A trend: ",
        };
        assert!(families.is_empty() && matrix.summary.starts_with(word), "{name}: {}", matrix.summary);
        assert!(matrix.answers.contains("decide nothing"), "{name}: {}", matrix.answers);
    }
}

#[test]
fn auto_of_a_block_counts_the_cells_of_its_groups_in_other_blocks_too() {
    let (_dir, name) = file(
        "sizes = '64MiB'\nrounds = 'auto'\n[[block]]\nstrategies = ['artifact', 'rebuild']\n\
         [[block]]\nstrategies = ['cache-tar', 'gha-cache', 'local-cache', 'relay']\n[[block]]\nsizes = '96MiB'\n\
         strategies = ['artifact', 'rebuild']\n[[block]]\nsizes = '128MiB'\nrounds = 2\nstrategies = 'all'\n",
    );
    let rounds = |words: &str| request(words).blocks.iter().map(|b| b.rounds).collect::<Vec<_>>();
    assert_eq!(rounds(&name), [8, 8, 6, 2]);
    assert_eq!(rounds(&format!("{name} --compare pairs")), [10, 10, 6, 2]);
    assert_eq!(request(&name).matrix, Some(name.clone()));
    let typed = format!("{name} --rounds auto");
    assert_eq!(rounds(&typed), [8, 8, 6, 8]);
    assert_eq!(request(&typed).matrix, Some(typed), "it stays as typed");
}

#[test]
fn every_wrong_level_of_a_file_has_its_line() {
    for (text, line) in [
        ("seed = 1\nstrategies = ['artifact:levl=3']", 2),
        ("seed = 1\nsizes = ['big']", 2),
        ("seed = 1\nsizes = ['11GiB']", 2),
        ("seed = 1\nworkloads = ['typicl']", 2),
        ("seed = 1\nprofiles = ['lopback']", 2),
        ("seed = 1\nlink_rate = 'fast'", 2),
        ("seed = 1\nrequest_time = 'soon'", 2),
        ("seed = 1\nfaults = ['stal=1%']", 2),
        ("seed = 1\nengines = ['none']", 2),
        ("seed = 1\nimage_stores = ['none']", 2),
        ("seed = 1\nbuilders = ['none']", 2),
        ("seed = 1\ncache_states = ['none']", 2),
        ("seed = 1\nconsumers = [300]", 2),
        ("seed = 1\nconsumer_concurrency = 0", 2),
        ("seed = 1\ntimeout = 0", 2),
        ("seed = 1\nrounds = 0", 2),
        ("sizes = '1GiB'\n[[block]]\nconsumers = [0]", 3),
        ("sizes = '1GiB'\n[[exclude]]\nstrategy = 'gha'", 3),
        ("sizes = '1GiB'\n[[exclude]]\nprofile = 'lopback'", 3),
    ] {
        let (_dir, name) = file(text);
        let error = refused(&name);
        assert!(error.starts_with(&format!("matrix {name}: line {line}: `")), "{text}: {error}");
    }
    let (_dir, name) = file("seed = 1\n[[block]]\nworkloads = 'typical'\nengines = 'host'\nbuilders = 'docker'");
    assert!(refused(&name).starts_with(&format!("matrix {name}: line 3: --engine host with")), "two keys are at fault");
    assert!(refused("spike --strategies none").starts_with("`none`"), "an option is in no file");
}

#[test]
fn options_override_every_block_and_are_reported() {
    let few = "--sizes 64MiB --rounds 1 --strategies artifact";
    assert_eq!(Plan::new(request(&format!("spike {few}"))).unwrap().trials.len(), 2, "one and its control");
    let overrides = asked(&format!("spike {few}")).overrides().unwrap();
    assert!(overrides.contains(&"--rounds 1 instead of auto (matrix spike)".to_owned()), "{overrides:?}");
    let alike = request(&format!("relay {few} --builder docker --image-store containerd"));
    assert_eq!(Plan::new(alike).unwrap().trials.len(), 2, "blocks that became alike are one");
}

#[test]
fn matrix_is_stored_as_typed_and_read_back() {
    let words = "quick --fault stall=1% --fault 503=1% --control --timeout 60";
    let stored = request(words);
    assert_eq!(stored.matrix.as_deref(), Some(words));
    assert!(!Experiment::has_changed(&stored, &context()));
    for other in ["quick", "quick --nonsense", "quick --sizes big"] {
        assert!(Experiment::has_changed(&PlanRequest { matrix: Some(other.into()), ..stored.clone() }, &context()));
    }
    for unknown in [None, Some("/nowhere/mine.toml".to_owned())] {
        assert!(!Experiment::has_changed(&PlanRequest { matrix: unknown, ..stored.clone() }, &context()));
    }
}

#[test]
fn host_image_store_is_needed_only_for_host_engines_without_a_store() {
    let asks = |words: &str| asked(words).asks_host_store().unwrap();
    assert!(asks("--engine host") && asks("--engine private,host"));
    assert!(!asks("--engine host --image-store overlay2") && !asks("") && !asks("spike --engine host"));
    let host = Context { host_store: Some(handoff_model::ImageStore::Overlay2), ..context() };
    let both = asked("--engine private,host").request(None, &host).unwrap().conditions;
    let stores: Vec<_> = both.iter().map(|c| (c.image_store.as_str(), c.builder.as_str())).collect();
    assert_eq!(stores, [("containerd", "docker"), ("overlay2", "docker-container")]);
}

#[test]
fn pull_of_the_builder_image_is_a_condition_of_builders_that_boot_under_a_profile_that_has_it() {
    let all =
        request("--builder docker,docker-container --profile loopback,github-hosted,github-hosted:pull_s=0").conditions;
    let pulls: Vec<_> = all.iter().filter(|c| c.builder_pull_ms > 0).collect();
    assert_eq!((all.len(), pulls.len()), (6, 1));
    assert_eq!((pulls[0].builder.as_str(), pulls[0].profile.as_str()), ("docker-container", "github-hosted"));
    assert_eq!(pulls[0].builder_pull_ms, 4_700);
}

#[test]
fn engine_version_needs_private_engines() {
    let versions: Vec<_> =
        request("--engine-version 28,29").conditions.iter().map(|c| c.engine_version.to_string()).collect();
    assert_eq!(versions, ["28", "29"]);
    let error = asked("--engine container --engine-version 29").request(None, &context()).unwrap_err().to_string();
    assert!(error.contains("--engine-version 29 with --engine container") && error.contains("leave one"), "{error}");
    let hosted = Context { runs_on: RunsOn::GitHub, ..context() };
    let error = asked("--engine-version 29 --profile github").request(None, &hosted).unwrap_err().to_string();
    assert!(error.contains("a hosted runner has the engine of its image"), "{error}");
}

#[test]
fn disk_limit_follows_the_profile_and_a_run_that_goes_on_keeps_its_own_and_its_builder_pull() {
    let of = |request: &PlanRequest| request.conditions.iter().map(|c| c.disk_limit.to_string()).collect::<Vec<_>>();
    let words = "--profile loopback,github-hosted,github-hosted:disk=none,github-far:write=low";
    assert_eq!(of(&request(words)), ["none", "200MiB/s", "none", "write=150MiB/s read=200MiB/s"]);
    let hosted = Context { runs_on: RunsOn::GitHub, ..context() };
    assert_eq!(of(&asked("").request(None, &hosted).unwrap()), ["none"]);
    // A plan of a version without limits.
    let mut stored = request("--builder docker-container --profile github-hosted");
    assert_eq!(stored.conditions[0].builder_pull_ms, 4_700);
    stored.conditions[0].disk_limit = handoff_model::DiskLimit::NONE;
    stored.conditions[0].builder_pull_ms = 0;
    for words in ["", "--profile github-hosted"] {
        assert_eq!(asked(words).request(Some(&stored), &context()).unwrap(), stored, "{words}");
    }
    for engine in ["container", "host"] {
        let error = refused(&format!("--engine {engine} --profile github-hosted"));
        assert!(
            error.contains("limits the jobs' disk") && error.contains("--profile github-hosted:disk=none"),
            "{error}"
        );
        request(&format!("--engine {engine} --profile github-hosted:disk=none"));
    }
}

#[test]
fn inputs_of_a_workflow_make_the_plan_of_hosted_runners() {
    let read = |inputs: &[(&str, &str)]| {
        let input = |name: &str| inputs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned());
        Experiment::from_inputs(input)
    };
    let hosted = Context { runs_on: RunsOn::GitHub, ..context() };
    let asked = read(&[("sizes", "64MiB"), ("strategies", " artifact,rebuild "), ("consumers", "1,4"), ("seed", "")]);
    let request = asked.unwrap().request(None, &hosted).unwrap();
    assert_eq!((request.strategies.len(), request.conditions.len(), request.rounds), (2, 2, 3));
    let last = &request.conditions[1];
    assert_eq!((last.profile.as_str(), last.consumers, last.consumer_concurrency), ("github", 4, 4));
    let inputs = crate::workflow_inputs(&request);
    let again = Experiment::from_inputs(|name| inputs.get(name).cloned()).unwrap();
    assert_eq!(again.request(None, &hosted).unwrap(), request);
    for (name, value) in [("seed", "x"), ("rounds", "soon"), ("sizes", "big"), ("builder", "podman")] {
        let error = read(&[(name, value)]).unwrap_err().to_string();
        assert!(error.starts_with(&format!("input {name}: `{value}`")), "{error}");
    }
    let warm = read(&[("cache_state", "warm")]).unwrap().request(None, &hosted).unwrap_err().to_string();
    assert!(warm.contains("the workflows have no priming run"), "{warm}");
}

/// A factor's levels in both forms, those of a list in any order.
fn factor(
    option: &'static str,
    key: &'static str,
    levels: &'static [&'static str],
) -> impl Strategy<Value = [String; 2]> {
    let some = prop::sample::subsequence(levels, 1..=levels.len()).prop_shuffle();
    prop::option::of(some).prop_map(move |chosen| {
        let Some(chosen) = chosen else { return [String::new(), String::new()] };
        let texts = || chosen.iter().map(|level| format!("{level:?}")).collect::<Vec<_>>().join(", ");
        let items = if key == "consumers" { chosen.join(", ") } else { texts() };
        [format!(" {option} {}", chosen.join(",")), format!("{key} = [{items}]\n")]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn matrix_file_and_equal_flags_make_one_request(
        factors in (
            factor("--sizes", "sizes", &["64MiB", "1GiB", "1.5GiB"]),
            factor("--strategies", "strategies", &["artifact", "artifact:level=6,source=save", "gha-cache", "rebuild"]),
            factor("--workload", "workloads", &["typical", "many-layers"]),
            factor("--profile", "profiles", &["loopback", "github-hosted:@low,call_ms=2ms,disk=none", "github-far:disk=none"]),
            factor("--engine", "engines", &["private"]),
            factor("--image-store", "image_stores", &["containerd", "overlay2"]),
            factor("--builder", "builders", &["docker", "docker-container"]),
            factor("--cache-state", "cache_states", &["cold", "warm", "one-layer"]),
            (
                factor("--consumers", "consumers", &["1", "4", "11"]),
                factor("--engine-version", "engine_versions", &["installed", "28", "29"]),
            ),
        ),
        rounds in prop::option::of(prop::option::of(1u32..1_000)),
        (at_once, seed, timeout) in (1u32..12, any::<u32>(), 1u64..10_000),
        (control, pairs, changes) in any::<(bool, bool, bool)>(),
    ) {
        let (a, b, c, d, e, f, g, h, (i, j)) = factors;
        let [mut flags, mut toml] = [a, b, c, d, e, f, g, h, i, j].into_iter().fold(
            [String::new(), String::new()],
            |[flags, toml], [more_flags, more_toml]| [flags + &more_flags, toml + &more_toml],
        );
        let mut add = |flag: String, key: String| {
            flags = format!("{flags} {flag}");
            toml = format!("{toml}{key}\n");
        };
        match rounds {
            Some(Some(count)) => add(format!("--rounds {count}"), format!("rounds = {count}")),
            Some(None) => add("--rounds auto".into(), "rounds = 'auto'".into()),
            None => {}
        }
        if control { add("--control".into(), "control = true".into()) }
        if pairs { add("--compare pairs".into(), "compare = 'pairs'".into()) }
        if changes {
            add("--link-rate 60MiB/s --request-time 25ms".into(), "link_rate = '60MiB/s'\nrequest_time = '25ms'".into());
            add("--fault stall=1% --fault stall_s=2".into(), "faults = ['stall=1%', 'stall_s=2']".into());
        }
        add(
            format!("--consumer-concurrency {at_once} --seed {seed} --timeout {timeout}"),
            format!("consumer_concurrency = {at_once}\nseed = {seed}\ntimeout = {timeout}"),
        );
        let matrix = Matrix::read("mine.toml", &toml).unwrap();
        let of_file = Experiment::default().request_of(&matrix, None, &context()).unwrap();
        prop_assert_eq!(PlanRequest { matrix: None, ..of_file }, request(&flags));
    }
}
