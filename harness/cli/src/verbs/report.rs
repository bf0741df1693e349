//! `handoff report`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_analysis::{Metric, Options};
use handoff_link::profile::{self, Direction, ServiceKind};
use handoff_model::{StrategySpec, io_fix, regular_file, shell};
use handoff_records::Results;
use handoff_report::{Link, Report, Run};

use crate::analysed::{self, VerdictArgs};
use crate::args::has_changed;
use crate::exit::{self, bad_input, bail_input};
use crate::{files, formats, out, spike_page};

/// The lines of a README between which the table stands.
const BEGIN: &str = "<!-- handoff:table:begin -->";
const END: &str = "<!-- handoff:table:end -->";

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results folders; several make one report
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Folder for report.md, report.html and plots/ [default: the first results folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only rewrite the table between the markers of this file, for example the README
    #[arg(long, value_name = "FILE", group = "page")]
    readme: Option<PathBuf>,
    /// Only write the page that judges every statement of the spike by these folders (docs/spike.md)
    #[arg(long, value_name = "FILE", group = "page")]
    spike: Option<PathBuf>,
    /// Only print one trial as a trace for Perfetto or `chrome://tracing`
    #[arg(long, value_name = "TRIAL", conflicts_with_all = ["page", "out"])]
    trace: Option<String>,
    /// With --readme or --spike: fail if the file differs, and change nothing
    #[arg(long, requires = "page")]
    check: bool,
    /// Output format; only text writes files
    #[arg(long, value_enum, default_value = "text", conflicts_with = "page")]
    format: ReportFormat,
    #[command(flatten)]
    verdicts: VerdictArgs,
    /// Strategy that all others are compared with [default: rebuild, if the run has it]
    #[arg(long, value_name = "STRATEGY")]
    reference: Option<StrategySpec>,
    /// Quantities with verdicts, for --format json and csv: `critical_path`, transfer, produce, consume, runner
    #[arg(long, value_name = "QUANTITY,...", value_delimiter = ',', default_value = "critical_path")]
    metrics: Vec<Metric>,
}

/// Output format of a report.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// Report for a terminal.
    Text,
    /// Analysis for programs: docs/analysis.schema.json describes it.
    Json,
    /// Comparisons with their verdicts, one on each line.
    Csv,
    /// Report as Markdown.
    Markdown,
}

/// A report, and whether rows of its folders could not be used.
pub struct Read {
    report: Report,
    damage: anyhow::Result<()>,
}

/// Reads results folders into a report.
///
/// # Errors
/// Folders that cannot be read or do not go together.
pub fn read(dirs: &[PathBuf], options: &Options) -> anyhow::Result<Read> {
    let all = analysed::read(dirs)?;
    let damage = analysed::refuse_damage(all.iter().map(|(_, results)| results));
    let run = |(name, results): (String, Results)| {
        let dir = results.dir.to_string_lossy().into_owned();
        let Results { plan, environments, measurements, consumers, spans, warnings, set_aside, .. } = results;
        Run { name, dir, plan, environments, measurements, consumers, spans, warnings, set_aside }
    };
    let runs: Vec<Run> = all.into_iter().map(run).collect();
    let links = links(&runs);
    let plans = runs.iter().map(|r| &r.plan);
    let changed = plans.filter(|p| has_changed(&p.request)).map(|p| p.hash.clone()).collect();
    let sizes = analysed::workflow_sizes()?;
    let report = Report::with_options(runs, options).map_err(bad_input).and_then(|report| {
        analysed::reference_is_there(&report.analysis, options)?;
        Ok(report)
    });
    // Where nothing can be made of what is left, the cause is what is not left.
    match report {
        Ok(report) => {
            Ok(Read { report: report.with_links(links).with_changed(changed).with_workflows(&sizes), damage })
        }
        Err(error) => Err(damage.err().unwrap_or(error)),
    }
}

/// The rates of the runs' link profiles. A profile that is no longer where it was gives no line, and that is said.
fn links(runs: &[Run]) -> BTreeMap<String, Link> {
    let mut links = BTreeMap::new();
    for conditions in runs.iter().flat_map(|r| &r.plan.request.conditions) {
        let Ok(profile) = profile::load(&conditions.profile) else { continue };
        let best = |direction| {
            let limit = |kind| profile.limit(kind, direction).aggregate;
            Some(limit(ServiceKind::Artifact)?.max(limit(ServiceKind::Cache)?))
        };
        if let (Some(up), Some(down)) = (best(Direction::Up), best(Direction::Down)) {
            links.insert(conditions.profile.clone(), Link { up, down });
        }
    }
    links
}

/// Writes the report and its charts into a folder, prints the table, and returns the paths of the files.
///
/// # Errors
/// A file that cannot be written, or unusable rows, once all files are written.
pub fn show(read: Read, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let Read { report, damage } = read;
    out::data(&handoff_report::terminal(&report, out::width(), out::color()));
    let files = write(&report, out)?;
    damage.map(|()| files)
}

/// Writes the report and its charts into a folder.
fn write(report: &Report, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (markdown, html, plots) = (out.join("report.md"), out.join("report.html"), out.join("plots"));
    fs::create_dir_all(&plots).map_err(|source| files::NotWritten { path: plots.clone(), source })?;
    files::write(&markdown, handoff_report::markdown(report).as_bytes())?;
    files::write(&html, handoff_report::html(report).as_bytes())?;
    remove_old(&plots)?;
    for chart in handoff_report::charts(report) {
        files::write(&plots.join(format!("{}.svg", chart.name)), chart.svg().as_bytes())?;
        files::write(&plots.join(format!("{}.png", chart.name)), &chart.png())?;
    }
    Ok(vec![markdown, html, plots])
}

/// Charts of an earlier report, that this one may not have. Only what a report writes: the folder may be anybody's.
const CHARTS: [&str; 6] = ["samples-critical-path", "samples-transfer", "timeline", "sizes", "fan-out", "pareto"];

/// Removes charts of an earlier report.
fn remove_old(plots: &Path) -> anyhow::Result<()> {
    let failed = |what: &str, path: &Path, e: std::io::Error| {
        bad_input(format!("cannot {what} {}: {e}: name another place with --out", path.display()))
    };
    for entry in fs::read_dir(plots).map_err(|e| failed("read", plots, e))? {
        let path = entry.map_err(|e| failed("read", plots, e))?.path();
        let ours = path.extension().is_some_and(|e| e == "svg" || e == "png");
        let number = |c: char| c.is_ascii_digit() || c == '-';
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        if ours && CHARTS.contains(&stem.trim_matches(number)) {
            fs::remove_file(&path).map_err(|e| failed("remove", &path, e))?;
        }
    }
    Ok(())
}

/// Puts a block between the markers of a text.
fn splice(text: &str, block: &str) -> Option<String> {
    let (before, rest) = text.split_once(BEGIN)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{BEGIN}\n\n{}\n\n{END}{after}", block.trim()))
}

impl Args {
    /// Renders what the options ask for.
    ///
    /// # Errors
    /// Folders that cannot be read, a file that cannot be written, or with `--check` one that differs.
    pub fn run(self) -> anyhow::Result<u8> {
        self.out.as_deref().map_or(Ok(()), crate::paths::check_out)?;
        if let Some(readme) = &self.readme {
            return self.update(readme);
        }
        if let Some(page) = &self.spike {
            return spike_page::write(&self.dirs, page, &self.options()?, self.check);
        }
        if matches!(self.format, ReportFormat::Json | ReportFormat::Csv) && self.trace.is_none() {
            let runs = analysed::read(&self.dirs)?;
            let options = self.options()?;
            let analysis =
                analysed::or_damage(runs.iter().map(|(_, results)| results), analysed::analyse(&runs, &options))?;
            out::data(&match self.format {
                ReportFormat::Csv => formats::csv(&analysis)?,
                _ => formats::json(&runs, &analysis)?,
            });
            analysed::refuse_damage(runs.iter().map(|(_, results)| results))?;
            return Ok(exit::OK);
        }
        let read = read(&self.dirs, &self.options()?)?;
        if let Some(trial) = &self.trace {
            let trace = handoff_report::chrome_trace(&read.report, trial).map_err(bad_input);
            let aside = read.report.runs.iter().any(|r| r.set_aside.contains(trial));
            match trace {
                Ok(trace) => out::data(&trace),
                Err(error) => return Err(read.damage.err().filter(|_| aside).unwrap_or(error)),
            }
            read.damage?;
        } else if self.format == ReportFormat::Markdown {
            out::data(&handoff_report::markdown(&read.report));
            read.damage?;
        } else {
            for file in show(read, self.out.as_deref().unwrap_or(&self.dirs[0]))? {
                out::data(&file.display().to_string());
            }
        }
        Ok(exit::OK)
    }

    fn options(&self) -> anyhow::Result<Options> {
        let mut metrics = self.metrics.clone();
        // A report for people has ranks, which are by critical path: its verdicts stand beside them.
        if matches!(self.format, ReportFormat::Text | ReportFormat::Markdown) {
            metrics.retain(|metric| *metric != Metric::CriticalPath);
            metrics.insert(0, Metric::CriticalPath);
        }
        Ok(Options { reference: self.reference.clone(), metrics, ..self.verdicts.options()? })
    }

    fn update(&self, readme: &Path) -> anyhow::Result<u8> {
        let shown = readme.display();
        let text = regular_file::read_to_string(readme)
            .map_err(|e| bad_input(format!("cannot read {shown}: {e}{}", io_fix(&e))))?;
        let Read { report, damage } = read(&self.dirs, &self.options()?)?;
        // A table that is published rests on all its rows or is left as it is.
        damage?;
        let block = handoff_report::readme_block(&report);
        let no_lines = format!("{shown} has no lines `{BEGIN}` and `{END}`: add them where the table shall stand");
        let new = splice(&text, &block).ok_or_else(|| bad_input(no_lines))?;
        if new == text {
            return Ok(exit::OK);
        }
        if self.check {
            let file = shell::quote(&readme.to_string_lossy());
            bail_input!("the table in {shown} is not that of the results: run `handoff report DIR --readme {file}`");
        }
        files::write(readme, new.as_bytes())?;
        Ok(exit::OK)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_text_between_the_markers_changes() {
        let text = format!("a\n{BEGIN}\nold\n{END}\nb\n");
        let new = splice(&text, "table\n").unwrap();
        assert_eq!(new, format!("a\n{BEGIN}\n\ntable\n\n{END}\nb\n"));
        assert_eq!(splice(&new, "table").unwrap(), new);
        assert_eq!(splice("no markers", "x"), None);
    }
}
