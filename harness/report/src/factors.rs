//! Conditions in words.

use std::fmt::Write as _;

use handoff_model::conditions::FACTORS;
use handoff_model::{Conditions, EngineVersion};

use crate::format::plural;
use crate::report::{Group, Report};

/// Name of the condition that is named only where it limits something, or where groups differ in it.
const DISK_LIMIT: &str = "disk_limit";

/// Level of each condition in words, with the condition's name, in the order of the model's table.
fn levels(conditions: &Conditions) -> impl Iterator<Item = (&'static str, String)> {
    FACTORS.iter().filter_map(|factor| {
        let level = (factor.level)(conditions);
        let words = match factor.name {
            "image_store" => format!("{level} store"),
            "cache_state" => format!("{level} caches"),
            "builder" => builder(conditions),
            "engine" => engine(conditions),
            "consumers" => consumers(conditions),
            // In the words of another condition.
            "consumer_concurrency" | "engine_version" | "builder_pull_ms" => return None,
            DISK_LIMIT if conditions.disk_limit.is_none() => "no disk limit".to_owned(),
            DISK_LIMIT => format!("disk limited to {level} (simulated)"),
            name => format!("{name} {level}"),
        };
        Some((factor.name, words))
    })
}

/// All conditions in words, without one of them.
pub(crate) fn words_without(conditions: &Conditions, name: &str) -> String {
    let is_named = |n: &str| n != name && (n != DISK_LIMIT || !conditions.disk_limit.is_none());
    levels(conditions).filter(|(n, _)| is_named(n)).map(|(_, words)| words).collect::<Vec<_>>().join(", ")
}

/// All conditions in words.
pub(crate) fn words(conditions: &Conditions) -> String {
    words_without(conditions, "")
}

/// Engine, and its version where the plan asks for one.
fn engine(c: &Conditions) -> String {
    match c.engine_version {
        EngineVersion::Installed => format!("{} engine", c.engine),
        EngineVersion::Major(major) => format!("{} engine of Docker {major}", c.engine),
    }
}

/// Builder, and the time that the pull of its image is simulated to take.
fn builder(c: &Conditions) -> String {
    let pull = c.builder_pull_ms;
    let pull = if pull == 0 { String::new() } else { format!(" (image pulled in {} s)", pull as f64 / 1e3) };
    format!("{} builder{pull}", c.builder)
}

/// Number of consumers, and of those that run at once.
fn consumers(c: &Conditions) -> String {
    let mut text = plural(c.consumers as usize, "consumer", "consumers");
    if c.consumer_concurrency > 1 {
        let _ = write!(text, " ({} at once)", c.consumer_concurrency.min(c.consumers));
    }
    text
}

/// Conditions in which a group differs from other groups of the report, without some of them; empty for the only group. The name of
/// the profile stands for its disk limit, unless rows of one profile were measured with several.
pub(crate) fn differences_without(report: &Report, group: &Group, left_out: &[&str]) -> String {
    let all = |g: &Group| -> Vec<(&str, String)> {
        [("workload", format!("workload {}", g.workload))].into_iter().chain(levels(&g.conditions)).collect()
    };
    let others: Vec<_> = report.groups.iter().map(all).collect();
    let Conditions { profile, disk_limit, .. } = &group.conditions;
    let mut same_profile = report.groups.iter().map(|g| &g.conditions).filter(|c| c.profile == *profile);
    let several = same_profile.any(|c| c.disk_limit != *disk_limit);
    let is_named = |name: &str| !left_out.contains(&name) && (name != DISK_LIMIT || several);
    let differs = |(i, (name, words)): (usize, (&str, String))| {
        (is_named(name) && others.iter().any(|other| other[i].1 != words)).then_some(words)
    };
    all(group).into_iter().enumerate().filter_map(differs).collect::<Vec<_>>().join(", ")
}

/// Conditions in which a group differs from other groups of the report; empty for the only group.
pub(crate) fn differences(report: &Report, group: &Group) -> String {
    differences_without(report, group, &[])
}
