//! Provenance of the numbers: conditions, machines and simulation.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use handoff_analysis::{JudgedClaim, Judgement, TableCell};
use handoff_model::conditions::{GITHUB, LOOPBACK};
use handoff_model::list::{and, commas, grouped, unique};
use handoff_model::{Builder, Conditions, DiskMeasurement, DiskSpeed, Environment, ImageStore, Outcome, UserImage};

use crate::block::Block;
use crate::factors;
use crate::format::{bytes, capital, plural};
use crate::grid::Grid;
use crate::report::Report;

/// Title of a report: of a user's image its name and size.
pub(crate) fn title(report: &Report) -> String {
    let sizes = unique(report.groups.iter().flat_map(|g| g.sizes.iter().map(ToString::to_string)));
    if let Some(name) = user_image(report) {
        return format!("{name} ({}): ways to hand it to other jobs", sizes.join(", "));
    }
    let names: Vec<&str> = report.runs.iter().map(|r| r.name.as_str()).collect();
    format!("Handing a built image to other jobs: {}", names.join(", "))
}

/// Name of the user's image, where all runs measure the same one.
pub(crate) fn user_image(report: &Report) -> Option<String> {
    let names = report.runs.iter().map(|run| run.plan.request.user_image.as_ref().map(UserImage::workload));
    let [Some(only)] = &unique(names)[..] else { return None };
    Some(only.split_once(':').map_or(only.as_str(), |(_, name)| name).to_owned())
}

/// Cores of the smallest machine.
pub(crate) fn cores(report: &Report) -> String {
    let cores = report.runs.iter().flat_map(|r| &r.environments).map(|e| e.cores).min();
    cores.map_or("unknown cores".to_owned(), |n| plural(n as usize, "core", "cores"))
}

/// Number of trials by outcome.
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
        let _ = write!(text, ", {aside} set aside because their rows cannot be used");
    }
    let left = planned.saturating_sub(outcomes.len() + aside);
    if left > 0 {
        let _ = write!(text, ", {left} not run yet (`--resume` continues)");
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

/// Sentence on which of the spike's figures are judged, and why the others are not.
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
            "These rows judge {} of the spike's table. The other figures are shown for orientation only. {}.",
            plural(judged, "time or identity", "times and identities"),
            capital(recipe)
        );
    }
    let first =
        "No time and no identity of the spike's table is judged here. Its figures are shown for orientation only.";
    if reasons.is_empty() {
        format!("{first} These trials ran on one machine of this project; {recipe}.")
    } else {
        format!("{first} These trials ran with {}; {recipe}.", and(&reasons))
    }
}

/// Simulated profiles, and whether some cells were measured with GitHub's services.
pub(crate) fn profiles(report: &Report) -> (Vec<&str>, bool) {
    let all = unique(report.groups.iter().map(|g| g.conditions.profile.as_str()));
    let (real, simulated): (Vec<&str>, Vec<&str>) = all.into_iter().partition(|profile| *profile == GITHUB);
    (simulated, !real.is_empty())
}

/// Kind of the images that were measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Images {
    Synthetic,
    User,
    Both,
}

/// Kind of the images that the runs of a report measured.
pub(crate) fn images(report: &Report) -> Images {
    match report.runs.iter().filter(|r| r.plan.request.user_image.is_some()).count() {
        0 => Images::Synthetic,
        n if n == report.runs.len() => Images::User,
        _ => Images::Both,
    }
}

/// Paragraph on what is simulated.
pub(crate) fn simulated(report: &Report) -> String {
    let (profiles, real) = profiles(report);
    let on_github =
        "They were measured on GitHub's hosted runners with GitHub's services and clients, on synthetic images.";
    if profiles.is_empty() && real {
        return format!("Nothing is simulated in rows of profile `{GITHUB}`. {on_github}");
    }
    let link = match profiles.as_slice() {
        [LOOPBACK] => "profile `loopback`, which adds no delay and limits no rate".to_owned(),
        many => format!("link profile {}", many.iter().map(|p| format!("`{p}`")).collect::<Vec<_>>().join(", ")),
    };
    let images = match images(report) {
        Images::Synthetic => "The images are synthetic.",
        Images::User => "The image is the user's.",
        Images::Both => "Images are synthetic unless a context or an image of the user is named.",
    };
    let rest = if real {
        format!("Rows of profile `{GITHUB}` are not simulated. {on_github}")
    } else {
        "No number here was measured on a hosted runner or against the real services.".to_owned()
    };
    let limits = unique(report.groups.iter().map(|g| g.conditions.disk_limit).filter(|limit| !limit.is_none()));
    let disk = match limits.as_slice() {
        [] => String::new(),
        limits => format!("The kernel limits each job's disk to the profile's rate ({}). ", commas(limits)),
    };
    format!(
        "Simulated: Handoff emulates the artifact and cache services on the same machine ({link}). {disk}The jobs of a trial are fresh \
         engines on one machine, one after the other. Real: the engines, BuildKit and the programs that move the bytes. {images} {rest}"
    )
}

/// Conditions, machines, programs, and notes of the reader.
pub(crate) fn environment(report: &Report) -> Vec<Block> {
    let mut blocks = vec![Block::Heading(3, "Conditions".to_owned())];
    for run in &report.runs {
        let request = &run.plan.request;
        let conditions = |c: &Conditions| format!("{}: {}", run.name, factors::words(c));
        let mut list: Vec<String> = request.conditions.iter().map(conditions).collect();
        list.push(format!(
            "{}: seed {}, {} in an order shuffled from it, at most {} s a job, plan {}",
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

/// Sentence on the environments that rows come from, and on their differences; none for a single environment.
pub(crate) fn mixed(report: &Report) -> Option<String> {
    let rows = report.runs.iter().flat_map(|r| &r.measurements);
    let mix = handoff_analysis::mix(rows, report.runs.iter().flat_map(|r| &r.environments))?;
    let cells =
        if pooled(report) { "Rows of one cell come from several of them." } else { "Each cell has rows of one." };
    Some(format!("{mix} {cells}"))
}

/// Sentence on the daemon that an image was saved from, whose store decides the bytes sent.
fn saved_from(user_image: &UserImage) -> Option<String> {
    let UserImage::Image { store, .. } = user_image else { return None };
    let from =
        store.map_or_else(|| "a daemon with an unknown store".to_owned(), |s| format!("a daemon with the {s} store"));
    Some(format!(
        "`{user_image}` was saved from {from}. With overlay2, `docker save` writes uncompressed layers; with containerd, it writes \
         layers as they are stored, mostly compressed. The bytes that `relay` and other strategies send depend on it"
    ))
}

fn environments(report: &Report) -> Vec<&Environment> {
    let all = report.runs.iter().flat_map(|r| &r.environments).map(|e| (&e.id, e));
    grouped(all).into_iter().map(|(_, same)| same[0]).collect()
}

/// Whether rows of a cell come from more than one environment.
fn pooled(report: &Report) -> bool {
    let mut found: BTreeMap<_, &str> = BTreeMap::new();
    report.runs.iter().flat_map(|r| &r.measurements).any(|row| {
        let cell = (row.conditions(), &row.strategy, &row.variant, row.size_bytes, &row.workload);
        *found.entry(cell).or_insert(&row.environment) != row.environment
    })
}

/// Measured speed of the file system that jobs use; empty where it was not measured on request.
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
    if !e.disk_limits.is_empty() {
        rows.insert(3, ("jobs' disk, limit".to_owned(), e.disk_limits.clone()));
    }
    rows.extend(e.programs.iter().map(|(name, version)| (name.clone(), version.clone())));
    rows.extend(e.packages.iter().map(|(name, version)| (format!("package {name}"), version.clone())));
    let columns = vec![(format!("Environment {}", e.id), false), (String::new(), false)];
    let mut grid = Grid { columns, ..Grid::default() };
    for (name, value) in rows {
        grid.push([name, value]);
    }
    grid
}
