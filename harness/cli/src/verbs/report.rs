//! `handoff report`.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use handoff_analysis::{Metric, Options};
use handoff_link::profile::{self, Direction, ServiceKind};
use handoff_model::StrategySpec;
use handoff_records::Results;
use handoff_report::{Link, Report};

use crate::analysed::{self, VerdictArgs};
use crate::args::has_changed;
use crate::exit::{self, bad_input};
use crate::{files, formats, out, readme, spike_page};

/// Options of `report`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results folders; several make one report
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Folder of report.md, report.html and plots/ [default: the first results folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    /// Only write chart and table between the markers of this README, and the chart's files into docs/ beside it
    #[arg(long, value_name = "FILE", group = "page")]
    readme: Option<PathBuf>,
    /// Only write the page of the spike's statements, judged by all folders (docs/spike.md)
    #[arg(long, value_name = "FILE", group = "page")]
    spike: Option<PathBuf>,
    /// Print one trial as a trace for Perfetto or `chrome://tracing`, and write no file
    #[arg(long, value_name = "TRIAL", conflicts_with_all = ["page", "out"])]
    trace: Option<String>,
    /// With --readme or --spike: write nothing, fail if a file differs
    #[arg(long, requires = "page")]
    check: bool,
    /// Output: the report for a terminal and its files, or only the analysis for programs
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

/// Format of the output.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum ReportFormat {
    /// Report for a terminal.
    Text,
    /// The analysis, as in docs/analysis.schema.json.
    Json,
    /// Comparisons with their verdicts, one on each line.
    Csv,
    /// Report as Markdown.
    Markdown,
}

/// Report, and the error of folders with rows that cannot be used.
pub struct ReadReport {
    report: Report,
    damage: anyhow::Result<()>,
}

/// Reads results folders into a report.
///
/// # Errors
/// Folders that cannot be read or make no report.
pub fn read(dirs: &[PathBuf], options: &Options) -> anyhow::Result<ReadReport> {
    let runs = analysed::read(dirs)?;
    let damage = analysed::refuse_damage(&runs);
    let links = links(&runs);
    let plans = runs.iter().map(|r| &r.plan);
    let changed = plans.filter(|p| has_changed(&p.request)).map(|p| p.hash.clone()).collect();
    let sizes = analysed::workflow_sizes()?;
    let report = Report::with_options(runs, options).map_err(bad_input).and_then(|report| {
        analysed::reference_is_there(&report.analysis, options)?;
        Ok(report)
    });
    // Without a report, the damage is the cause.
    match report {
        Ok(report) => Ok(ReadReport { report: Report { links, changed, ..report }.with_workflows(&sizes), damage }),
        Err(error) => Err(damage.err().unwrap_or(error)),
    }
}

/// Rates of the runs' link profiles. A profile that cannot be read has none.
fn links(runs: &[Results]) -> BTreeMap<String, Link> {
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

/// Prints the report, and writes it and its charts into a folder; returns the paths of the documents and of the charts' folder.
///
/// # Errors
/// A file that cannot be written; after that, rows that cannot be used.
pub fn show(read: ReadReport, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let ReadReport { report, damage } = read;
    out::data(&handoff_report::terminal(&report, out::width(), out::color()));
    let files = write(&report, out)?;
    damage.map(|()| files)
}

/// Writes the report and its charts into a folder.
fn write(report: &Report, out: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let (markdown, html, plots) = (out.join("report.md"), out.join("report.html"), out.join("plots"));
    let embedded = plots.join(handoff_report::EMBEDDED);
    fs::create_dir_all(&embedded).map_err(|source| files::NotWritten { path: embedded.clone(), source })?;
    files::write(&markdown, handoff_report::markdown(report).as_bytes())?;
    files::write(&html, handoff_report::html(report).as_bytes())?;
    remove_old(&plots)?;
    remove_old(&embedded)?;
    for chart in handoff_report::charts(report) {
        let svg = |dir: &Path, end, dark| {
            files::write(&dir.join(format!("{}{end}.svg", chart.name)), chart.svg(dark).as_bytes())
        };
        if chart.embedded {
            svg(&embedded, "", false)?;
            svg(&embedded, "-dark", true)?;
        } else {
            svg(&plots, "", false)?;
        }
        files::write(&plots.join(format!("{}.png", chart.name)), &chart.png())?;
    }
    Ok(vec![markdown, html, plots])
}

/// Names of the charts that reports write. Other files of the folder stay.
const CHARTS: [&str; 6] = ["samples-critical-path", "samples-transfer", "timeline", "sizes", "fan-out", "pareto"];

/// Removes charts of an earlier report.
fn remove_old(plots: &Path) -> anyhow::Result<()> {
    let failed = |what: &str, path: &Path, e: std::io::Error| {
        bad_input(format!("cannot {what} {}: {e}: name another place with --out", path.display()))
    };
    for entry in fs::read_dir(plots).map_err(|e| failed("read", plots, e))? {
        let path = entry.map_err(|e| failed("read", plots, e))?.path();
        let is_chart = path.extension().is_some_and(|e| e == "svg" || e == "png");
        let number = |c: char| c.is_ascii_digit() || c == '-';
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let stem = stem.strip_suffix("-dark").unwrap_or(&stem);
        if is_chart && CHARTS.contains(&stem.trim_matches(number)) {
            fs::remove_file(&path).map_err(|e| failed("remove", &path, e))?;
        }
    }
    Ok(())
}

impl Args {
    /// Renders what the options ask for.
    ///
    /// # Errors
    /// Folders that cannot be read, a file that cannot be written, or with `--check` one that differs.
    pub fn run(self) -> anyhow::Result<u8> {
        self.out.as_deref().map_or(Ok(()), |out| crate::paths::check_text("--out", out))?;
        if let Some(file) = &self.readme {
            let ReadReport { report, damage } = read(&self.dirs, &self.options()?)?;
            // A published table uses all rows, or is left as it is.
            damage?;
            return readme::write(&report, &self.dirs, file, self.check);
        }
        if let Some(page) = &self.spike {
            return spike_page::write(&self.dirs, page, &self.options()?, self.check);
        }
        if matches!(self.format, ReportFormat::Json | ReportFormat::Csv) && self.trace.is_none() {
            let runs = analysed::read(&self.dirs)?;
            let options = self.options()?;
            let analysis = analysed::or_damage(&runs, analysed::analyse(&runs, &options))?;
            out::data(&match self.format {
                ReportFormat::Csv => formats::csv(&analysis)?,
                _ => formats::json(&runs, &analysis)?,
            });
            analysed::refuse_damage(&runs)?;
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
        // Ranks of a report are by critical path, so that it needs those verdicts.
        if matches!(self.format, ReportFormat::Text | ReportFormat::Markdown) {
            metrics.retain(|metric| *metric != Metric::CriticalPath);
            metrics.insert(0, Metric::CriticalPath);
        }
        Ok(Options { reference: self.reference.clone(), metrics, ..self.verdicts.options()? })
    }
}
