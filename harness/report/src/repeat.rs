//! Commands that measure and render a report again.

use handoff_model::conditions::GITHUB;
use handoff_model::list::unique;
use handoff_model::shell::quote;
use handoff_model::{ByteSize, Compare, Conditions, EngineKind, Environment, Plan, PlanRequest, Purpose};
use handoff_records::Results;

use crate::block::Block;
use crate::report::Report;

/// Commands that measure again and render again.
pub(crate) fn again(report: &Report) -> Vec<Block> {
    let commands = report.runs.iter().map(|run| to_repeat(report, run));
    let folders: Vec<String> = report.runs.iter().map(|r| quote(&r.dir.to_string_lossy())).collect();
    commands.chain([Block::Command(format!("handoff report {}", folders.join(" ")))]).collect()
}

/// Command that lays out the trials of a run again: the matrix by its name, else the options; or the sentence that there is none.
fn to_repeat(report: &Report, run: &Results) -> Block {
    let request = &run.plan.request;
    let Some(matrix) = request.matrix.as_ref().filter(|_| report.changed.contains(&run.plan.hash)) else {
        return Block::Command(command(&run.plan));
    };
    if request.blocks.is_empty() && request.exclude.is_empty() {
        let spelt_out = PlanRequest { matrix: None, ..request.clone() };
        return Block::Command(command(&Plan { request: spelt_out, ..run.plan.clone() }));
    }
    let program = |e: &Environment| match (e.source_commit.as_str(), e.handoff.as_str()) {
        ("", "") => None,
        ("", version) => Some(format!("handoff {version}")),
        (commit, _) => Some(format!("commit {commit}")),
    };
    let programs = unique(run.environments.iter().filter_map(program));
    let by = if programs.is_empty() { String::new() } else { format!(" by {}", programs.join(", ")) };
    Block::Text(format!(
        "{}: the matrix `{matrix}` is not the one that laid out these trials{by}. No command of this program lays out the same trials. \
         `plan.json` of the folder names all of them.",
        run.name
    ))
}

/// Command that lays out the same plan under another random name, into a new folder.
fn command(plan: &Plan) -> String {
    let r = &plan.request;
    let each = |pick: &dyn Fn(&Conditions) -> String| quote(&unique(r.conditions.iter().map(pick)).join(","));
    if let Some(matrix) = &r.matrix {
        return format!("handoff run {matrix}");
    }
    let list = |items: Vec<String>| quote(&items.join(","));
    let sizes = list(r.sizes.iter().copied().map(exact).collect());
    let (strategies, workloads) =
        (list(r.strategies.iter().map(ToString::to_string).collect()), list(r.workloads.clone()));
    let (builders, consumers) = (each(&|c| c.builder.to_string()), each(&|c| c.consumers.to_string()));
    let PlanRequest { rounds, seed, .. } = r;
    if r.conditions.iter().all(|c| c.profile == GITHUB) {
        // The workflow's form asks for these factors only.
        return format!(
            "handoff dispatch --repo OWNER/NAME --sizes {sizes} --strategies {strategies} --rounds {rounds} \
             --workload {workloads} --builder {builders} --consumers {consumers} --seed {seed}"
        );
    }
    let mut words = vec![
        "handoff run".to_owned(),
        format!("--strategies {strategies} --rounds {rounds}"),
        format!("--profile {}", each(&|c| c.profile.clone())),
        format!("--image-store {}", each(&|c| c.image_store.to_string())),
        format!("--builder {builders}"),
        format!("--cache-state {}", each(&|c| c.cache_state.to_string())),
        format!("--consumers {consumers} --timeout {} --seed {seed}", r.timeout_s),
    ];
    if let Some(at_once) = r.conditions.iter().map(|c| c.consumer_concurrency).max().filter(|n| *n > 1) {
        words.push(format!("--consumer-concurrency {at_once}"));
    }
    if r.conditions.iter().any(|c| c.engine != EngineKind::Private) {
        words.push(format!("--engine {}", each(&|c| c.engine.to_string())));
    }
    if r.conditions.iter().any(|c| !c.engine_version.is_installed()) {
        words.push(format!("--engine-version {}", each(&|c| c.engine_version.to_string())));
    }
    if let Some(user_image) = &r.user_image {
        words.insert(1, user_image.to_string());
    } else {
        words.insert(1, format!("--sizes {sizes}"));
        words.insert(3, format!("--workload {workloads}"));
    }
    if r.control {
        words.push("--control".to_owned());
    }
    if r.compare != Compare::default() {
        words.push(format!("--compare {}", r.compare));
    }
    if r.purpose != Purpose::default() {
        words.push(format!("--purpose {}", r.purpose));
    }
    words.join(" ")
}

/// Size in bytes where the short form would round.
fn exact(size: ByteSize) -> String {
    let short = size.to_string();
    if short.parse() == Ok(size) { short } else { size.bytes().to_string() }
}
