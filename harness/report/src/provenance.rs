//! Where numbers come from: what was simulated, on which machine, and how to get them again.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use handoff_analysis::{JudgedClaim, Judgement, TableCell};
use handoff_model::conditions::LOOPBACK;
use handoff_model::list::{and, unique};
use handoff_model::shell::quote;
use handoff_model::{
    Builder, ByteSize, Compare, Conditions, DiskMeasurement, DiskSpeed, EngineKind, Environment, ImageStore, Outcome,
    Plan, PlanRequest, Purpose, UserImage,
};

use crate::block::Block;
use crate::format::{bytes, capital, plural};
use crate::grid::Grid;
use crate::report::{Report, Run};

/// The title.
pub(crate) fn title(report: &Report) -> String {
    let names: Vec<&str> = report.runs.iter().map(|r| r.name.as_str()).collect();
    format!("Handing a built image to other jobs: {}", names.join(", "))
}

/// How much of the plans is done, and how it ended.
pub(crate) fn progress(report: &Report) -> String {
    let planned: usize = report.runs.iter().map(|r| r.plan.trials.len()).sum();
    let outcomes: Vec<Outcome> = report.runs.iter().flat_map(|r| &r.measurements).map(|m| m.outcome).collect();
    let of = |outcome| outcomes.iter().filter(|o| **o == outcome).count();
    let mut text = format!("{} planned, {} completed", plural(planned, "trial", "trials"), of(Outcome::Completed));
    for (outcome, words) in
        [(Outcome::Failed, "failed"), (Outcome::TimedOut, "timed out"), (Outcome::Skipped, "skipped")]
    {
        if of(outcome) > 0 {
            let _ = write!(text, ", {} {words}", of(outcome));
        }
    }
    let aside: usize = report.runs.iter().map(|r| r.set_aside.len()).sum();
    if aside > 0 {
        let _ = write!(text, ", {aside} set aside: their rows cannot be used");
    }
    let left = planned.saturating_sub(outcomes.len() + aside);
    if left > 0 {
        let _ = write!(text, ", {left} not run yet (`--resume` goes on)");
    }
    text.push('.');
    if of(Outcome::Completed) == 0 {
        text.push_str(if aside > 0 {
            " No row of a completed trial can be used, so there is nothing to compare."
        } else {
            " Nothing completed, so there is nothing to compare."
        });
    }
    text
}

/// Says that the spike's figures are shown, not judged, and what keeps these rows from judging them.
pub(crate) fn not_judged(report: &Report) -> String {
    let departures = |c: &Conditions| {
        let link = (c.profile == LOOPBACK).then(|| "services on loopback without a shaped link".to_owned());
        let store = (c.image_store != ImageStore::Overlay2).then(|| format!("the {} image store", c.image_store));
        let builder = (c.builder != Builder::DockerContainer).then(|| format!("the `{}` builder", c.builder));
        [link, store, builder].into_iter().flatten()
    };
    let reasons = unique(report.groups.iter().flat_map(|g| departures(&g.conditions)));
    let recipe = "the spike's recipe is the overlay2 store with a docker-container builder on hosted runners";
    // Limits and complexity are facts of the services and of workflows: they need no trial under the recipe.
    let cell = |c: &&JudgedClaim| matches!(c.cell, Some(TableCell::Transfer | TableCell::ByteIdentical));
    let judged = report.judged.iter().filter(cell).filter(|c| c.judgement != Judgement::NotJudged).count();
    if judged > 0 {
        return format!(
            "{} of the spike's table can be judged by these rows; the other figures stand beside the measured ones for orientation \
             only. {}.",
            plural(judged, "time or identity", "times and identities"),
            capital(recipe)
        );
    }
    let first = "No time and no identity of the spike's table is judged here: its figures stand beside the measured ones for orientation only.";
    if reasons.is_empty() {
        format!("{first} These trials ran on one machine of ours; {recipe}.")
    } else {
        format!("{first} These trials ran with {}; {recipe}.", and(&reasons))
    }
}

/// The profile of GitHub's own services: nothing of it is simulated.
const GITHUB: &str = "github";

/// Which profiles the cells have: simulated ones, and whether some are GitHub's own services.
pub(crate) fn profiles(report: &Report) -> (Vec<&str>, bool) {
    let all = unique(report.groups.iter().map(|g| g.conditions.profile.as_str()));
    let (real, simulated): (Vec<&str>, Vec<&str>) = all.into_iter().partition(|profile| *profile == GITHUB);
    (simulated, !real.is_empty())
}

/// Whose images were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    Synthetic,
    User,
    Both,
}

/// Whose images the runs of a report have measured.
pub(crate) fn images(report: &Report) -> Images {
    match report.runs.iter().filter(|r| r.plan.request.user_image.is_some()).count() {
        0 => Images::Synthetic,
        n if n == report.runs.len() => Images::User,
        _ => Images::Both,
    }
}

/// What was simulated, in one paragraph.
pub(crate) fn simulated(report: &Report) -> String {
    let (profiles, real) = profiles(report);
    let on_github = "Measured on GitHub's hosted runners, against its own services, by the clients that its actions use; the \
                     images are synthetic.";
    if profiles.is_empty() && real {
        return format!("Of profile `{GITHUB}` nothing is simulated. {on_github}");
    }
    let link = match profiles.as_slice() {
        [LOOPBACK] => "profile `loopback`, which adds no delay and limits no rate".to_owned(),
        many => format!("link profile {}", many.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ")),
    };
    let images = match images(report) {
        Images::Synthetic => "The images are synthetic.",
        Images::User => "The image is the user's own.",
        Images::Both => "Images are synthetic where no context or image of the user's own is named.",
    };
    let rest = if real {
        format!("Rows of profile `{GITHUB}` are another matter. {on_github}")
    } else {
        "No number here was measured on a hosted runner or against the real services.".to_owned()
    };
    format!(
        "Simulated: the artifact and cache services, by Handoff's own on the same machine ({link}); both jobs of a trial, \
         by fresh engines on one machine, one after the other. Real: the engines, BuildKit and the programs that move the \
         bytes. {images} {rest}"
    )
}

/// Conditions, machines and programs, and what was left out while reading.
pub(crate) fn environment(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(3, "Conditions".to_owned())];
    for run in &report.runs {
        let request = &run.plan.request;
        let conditions = |c: &Conditions| {
            let Conditions { engine, image_store, builder, profile, cache_state, .. } = c;
            format!(
                "{}: {engine} engine, {image_store} image store, {builder} builder, profile {profile}, {cache_state} caches, {}",
                run.name,
                consumers(c)
            )
        };
        let mut list: Vec<String> = request.conditions.iter().map(conditions).collect();
        list.push(format!(
            "{}: seed {}, {} in an order shuffled from it, at most {} s a side, plan {}",
            run.name,
            request.seed,
            plural(request.rounds as usize, "round", "rounds"),
            request.timeout_s,
            run.plan.hash.chars().take(12).collect::<String>()
        ));
        list.extend(request.user_image.as_ref().and_then(saved_from).map(|text| format!("{}: {text}", run.name)));
        blocks.push(Block::List(list));
    }
    blocks.push(Block::Heading(3, "Machine and versions".to_owned()));
    let environments = environments(report);
    blocks.extend(mixed(report).map(Block::Text));
    if environments.is_empty() {
        blocks.push(Block::Text("No environment is recorded.".to_owned()));
    }
    for environment in environments {
        blocks.push(Block::Table(machine(environment)));
    }
    let warnings: Vec<String> =
        report.runs.iter().flat_map(|r| r.warnings.iter().map(|w| format!("{}: {w}", r.name))).collect();
    if !warnings.is_empty() {
        blocks.push(Block::Heading(3, "Left out while reading".to_owned()));
        blocks.push(Block::List(warnings));
    }
    blocks
}

/// Names the environments that rows come from, and in what they differ, where it is more than one.
pub(crate) fn mixed(report: &Report) -> Option<String> {
    let rows = report.runs.iter().flat_map(|r| &r.measurements);
    let mix = handoff_analysis::mix(rows, report.runs.iter().flat_map(|r| &r.environments))?;
    let cells =
        if pooled(report) { "Rows of one cell come from several of them." } else { "Each cell has rows of one." };
    Some(format!("{mix} {cells}"))
}

/// Which daemon an image was saved from: its store decides what strategies that move the image send.
fn saved_from(user_image: &UserImage) -> Option<String> {
    let UserImage::Image { store, .. } = user_image else { return None };
    let from = store
        .map_or_else(|| "a daemon whose store is not known".to_owned(), |s| format!("a daemon with the {s} store"));
    Some(format!(
        "`{user_image}` was saved from {from}; `docker save` of overlay2 writes layers uncompressed, that of containerd as it keeps them, \
         mostly compressed. The bytes that `relay` and other strategies send depend on it"
    ))
}

/// The commands: to measure again, and to render this again.
pub(crate) fn again(report: &Report) -> Vec<Block> {
    let commands = report.runs.iter().map(|run| to_repeat(report, run));
    let folders: Vec<String> = report.runs.iter().map(|r| quote(&r.dir)).collect();
    commands.chain([Block::Command(format!("handoff report {}", folders.join(" ")))]).collect()
}

/// How many consumers there are, and how many of them at once.
pub(crate) fn consumers(c: &Conditions) -> String {
    let mut text = plural(c.consumers as usize, "consumer", "consumers");
    if c.consumer_concurrency > 1 {
        let _ = write!(text, " ({} at once)", c.consumer_concurrency.min(c.consumers));
    }
    text
}

fn environments(report: &Report) -> Vec<&Environment> {
    let mut all: Vec<&Environment> = Vec::new();
    for environment in report.runs.iter().flat_map(|r| &r.environments) {
        if all.iter().all(|e| e.id != environment.id) {
            all.push(environment);
        }
    }
    all
}

/// Whether rows of any cell come from more than one environment.
fn pooled(report: &Report) -> bool {
    let mut found: BTreeMap<_, &str> = BTreeMap::new();
    report.runs.iter().flat_map(|r| &r.measurements).any(|row| {
        let conditions = [
            row.profile.clone(),
            row.engine.to_string(),
            row.image_store.to_string(),
            row.builder.to_string(),
            row.cache_state.to_string(),
            row.consumers.to_string(),
        ];
        let cell = (conditions, &row.strategy, &row.variant, row.size_bytes, &row.workload);
        *found.entry(cell).or_insert(&row.environment) != row.environment
    })
}

/// What was measured of the file system that jobs use, with units; nothing where no measurement was asked for.
fn disk_speed(e: &Environment) -> Vec<(String, String)> {
    let row = |name: &str, text: String| (format!("jobs' disk, {name}"), text);
    let seconds = |ns: u64| ns as f64 / 1e9;
    match &e.disk_speed {
        None => Vec::new(),
        Some(DiskMeasurement::NotMeasured { not_measured }) => {
            vec![("jobs' disk, speed".to_owned(), format!("not measured: {not_measured}"))]
        }
        Some(DiskMeasurement::Measured(d)) => {
            let DiskSpeed { files, file_bytes, .. } = d;
            let (write_s, files_s) = (seconds(d.write_ns), seconds(d.files_ns));
            let write = format!("{:.0} MiB/s ({} in {write_s:.2} s)", d.write_mib_per_s(), bytes(d.write_bytes));
            let small = format!("{:.0} files/s ({files} of {file_bytes} bytes in {files_s:.2} s)", d.files_per_s());
            vec![row("sequential write, synced", write), row("small files", small)]
        }
    }
}

fn machine(e: &Environment) -> Grid {
    let mut rows = vec![
        ("CPU".to_owned(), format!("{}, {}", e.cpu, plural(e.cores as usize, "core", "cores"))),
        ("memory".to_owned(), bytes(e.memory_bytes)),
        ("engines' disk".to_owned(), e.disk.clone()),
        ("service's blobs".to_owned(), e.service_store.clone()),
        ("kernel".to_owned(), e.kernel.clone()),
        ("system".to_owned(), e.os.clone()),
        ("handoff".to_owned(), e.handoff.clone()),
    ];
    if !e.source_digest.is_empty() {
        rows.push(("sources".to_owned(), e.source_digest.clone()));
        rows.push(("commit".to_owned(), e.source_commit.clone()));
    }
    rows.splice(3..3, disk_speed(e));
    rows.extend(e.programs.iter().map(|(name, version)| (name.clone(), version.clone())));
    rows.extend(e.packages.iter().map(|(name, version)| (format!("package {name}"), version.clone())));
    let columns = vec![(format!("Environment {}", e.id), false), (String::new(), false)];
    let mut grid = Grid { columns, ..Grid::default() };
    for (name, value) in rows {
        grid.push([name, value]);
    }
    grid
}

/// What lays out the trials of a run again: the matrix by its name, if it still does; else the options; else nothing does.
pub(crate) fn to_repeat(report: &Report, run: &Run) -> Block {
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
        "{}: the matrix `{matrix}` has changed since it laid out these trials{by}; no command of this program lays out the same ones. \
         The folder's `plan.json` names all of them.",
        run.name
    ))
}

/// The command that lays out the same plan, apart from the run's random name. It names no folder, so its rows go into a new one.
fn command(plan: &Plan) -> String {
    let r = &plan.request;
    let each = |pick: &dyn Fn(&Conditions) -> String| quote(&unique(r.conditions.iter().map(pick)).join(","));
    if let Some(matrix) = &r.matrix {
        return format!("handoff run {matrix}");
    }
    let list = |items: Vec<String>| quote(&items.join(","));
    // In bytes where the short form would round.
    let sizes = list(r.sizes.iter().copied().map(exact).collect());
    let (strategies, workloads) =
        (list(r.strategies.iter().map(ToString::to_string).collect()), list(r.workloads.clone()));
    let (builders, consumers) = (each(&|c| c.builder.to_string()), each(&|c| c.consumers.to_string()));
    let PlanRequest { rounds, seed, .. } = r;
    if r.conditions.iter().all(|c| c.profile == GITHUB) {
        // The workflow's form; what it does not ask is GitHub's.
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

fn exact(size: ByteSize) -> String {
    let short = size.to_string();
    if short.parse() == Ok(size) { short } else { size.bytes().to_string() }
}
