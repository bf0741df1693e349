//! `handoff profiles --check-log`: whether the service's request logs of a run agree with the arithmetic of its profiles.

use std::path::Path;

use handoff_link::RequestRecord;
use handoff_link::expected::{self, Flow};
use handoff_link::profile;
use handoff_records::Results;

use crate::exit::{self, bad_input, bail_input};
use crate::{analysed, out};

/// Prints a line for each flow of bytes of each job; the exit code is that of a flow out of bounds, if there is one.
///
/// # Errors
/// A folder without request logs.
pub fn run(dir: &Path) -> anyhow::Result<u8> {
    let runs = analysed::read(&[dir.to_owned()])?;
    let [Results { plan, .. }] = runs.as_slice() else { return Err(bad_input("one results folder is checked")) };
    let (mut lines, mut off) = (0, 0);
    for trial in &plan.trials {
        let name = &trial.cell.conditions.profile;
        let profile = profile::load(name).map_err(bad_input)?;
        for (job, log) in logs(&dir.join("logs").join(&trial.id))? {
            for flow in expected::flows(&profile, &log) {
                if lines == 0 {
                    out::data(&head());
                }
                lines += 1;
                off += u32::from(!flow.within_bounds());
                out::data(&line(&trial.id, &job, &flow));
            }
        }
    }
    if lines == 0 {
        bail_input!(
            "no requests.json with shaped bytes below {}: name a folder of `handoff run --profile github-hosted`, with its logs",
            dir.join("logs").display()
        );
    }
    out::data(&format!("{lines} flows, {off} out of bounds (5 % of what the profile says, and 1 ms a request)"));
    Ok(if off == 0 { exit::OK } else { exit::TRIALS_FAILED })
}

fn head() -> String {
    format!(
        "{:<34} {:<11} {:<13} {:>5} {:>9} {:>9} {:>8} {:>10} {:>10} {:>6}",
        "trial", "job", "flow", "reqs", "MiB", "MiB/req", "at once", "asked s", "measured s", "ratio"
    )
}

fn line(trial: &str, job: &str, flow: &Flow) -> String {
    const MIB: f64 = 1_048_576.0;
    let mark = if flow.within_bounds() { "" } else { "  OFF" };
    format!(
        "{trial:<34} {job:<11} {:<13} {:>5} {:>9.1} {:>9.2} {:>8} {:>10.3} {:>10.3} {:>6.3}{mark}",
        flow.name(),
        flow.requests,
        flow.bytes as f64 / MIB,
        flow.typical_bytes as f64 / MIB,
        flow.at_once,
        flow.expected_s,
        flow.measured_s,
        flow.measured_s / flow.expected_s,
    )
}

/// The request logs of a trial's jobs; none of one whose logs are gone.
fn logs(dir: &Path) -> anyhow::Result<Vec<(String, Vec<RequestRecord>)>> {
    let mut logs = Vec::new();
    let unreadable = |path: &Path, e: std::io::Error| {
        bad_input(format!("cannot read {}: {e}{}", path.display(), handoff_model::io_fix(&e)))
    };
    let is_gone = |e: &std::io::Error| e.kind() == std::io::ErrorKind::NotFound;
    let entries = match std::fs::read_dir(dir) {
        Err(error) if is_gone(&error) => return Ok(logs),
        other => other.map_err(|e| unreadable(dir, e))?,
    };
    for entry in entries {
        let entry = entry.map_err(|e| unreadable(dir, e))?;
        let path = entry.path().join("requests.json");
        let bytes = match std::fs::read(&path) {
            Err(error) if is_gone(&error) => continue,
            other => other.map_err(|e| unreadable(&path, e))?,
        };
        let log = serde_json::from_slice(&bytes).map_err(|e| bad_input(format!("{}: {e}", path.display())))?;
        logs.push((entry.file_name().to_string_lossy().into_owned(), log));
    }
    logs.sort_by(|a, b| a.0.cmp(&b.0));
    Ok(logs)
}
