//! `handoff recommend`: the variant for a team, and the workflow of exactly that variant.

use std::collections::BTreeSet;
use std::path::PathBuf;

use handoff_analysis::{Analysis, CellSummary, Goal, GroupKey, Options, Recommendation, TeamQuestion, recommend};
use handoff_model::trigger::{CacheMode, Start, Trigger};
use handoff_model::{Builder, ByteSize, Conditions, ImageStore};
use handoff_records::Results;

use crate::advice::{Advice, workflow_of};
use crate::analysed::{
    VerdictArgs, analyse, has_rows, or_damage, prices, read, refuse_damage, set_aside, workflow_size,
};
use crate::exit::{self, bad_input, bail_input};
use crate::out;
use crate::verbs::Format;

const TRIGGER_HELP: &str = "Event that starts the workflow: push, pull_request, merge_group, pull_request_target, \
                            issue_comment, or workflow_run after a fork's pull request; excludes strategies that it lets \
                            save nothing [default: push and pull_request]";

/// Options of `recommend`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results folders for the answer
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Jobs that need the image
    #[arg(long, value_name = "N")]
    consumers: u32,
    /// Pushes to the repository a day
    #[arg(long, value_name = "N")]
    pushes_per_day: u32,
    /// Size of the image, uncompressed
    #[arg(long, value_name = "SIZE")]
    image_size: ByteSize,
    /// Duration of your build [default: the measured one]
    #[arg(long, value_name = "SECONDS")]
    build_seconds: Option<f64>,
    /// Duration of one job's checks on a runner of its own, to compare with all checks in one job [default: unknown]
    #[arg(long, value_name = "SECONDS")]
    check_seconds: Option<f64>,
    /// Share of a runner's processor that one job's checks keep busy
    #[arg(long, value_name = "SHARE", default_value_t = 1.0)]
    check_load: f64,
    /// Quantity to minimise: the time of all jobs, or the wait after a push
    #[arg(long, value_enum, default_value = "runner")]
    goal: GoalArg,
    /// Exclude rebuilding in every job from the answer
    #[arg(long)]
    sharing: bool,
    /// GitHub plan whose artifact storage must suffice: free, pro, team, enterprise
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    #[arg(long, value_name = "NAME", help = TRIGGER_HELP)]
    trigger: Option<Trigger>,
    /// Cache mode of the workflow (its key `cache-mode`): read, write, write-only, none [default: that of the trigger]
    #[arg(long, value_name = "MODE")]
    cache_mode: Option<CacheMode>,
    /// File with prices and limits [default: harness/analysis/prices.toml, which is built in]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Use only rows with this image store
    #[arg(long, value_name = "STORE")]
    image_store: Option<ImageStore>,
    /// Use only rows with this builder
    #[arg(long, value_name = "BUILDER")]
    builder: Option<Builder>,
    /// Use only rows with this link profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// Output format: a workflow file with the answer in its comments, or the same as JSON
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    verdicts: VerdictArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GoalArg {
    /// The time of all jobs together.
    Runner,
    /// Wait after a push.
    Wait,
}

/// Text of a condition.
type Value = fn(&Conditions) -> String;

impl Args {
    /// Prints the recommended strategy with its workflow.
    ///
    /// # Errors
    /// A question out of range, or folders without a usable row.
    pub fn run(self) -> anyhow::Result<u8> {
        if !(1..=256).contains(&self.consumers) {
            bail_input!("--consumers {} is out of range: use 1 to 256", self.consumers);
        }
        for (option, seconds) in [("--build-seconds", self.build_seconds), ("--check-seconds", self.check_seconds)] {
            if seconds.is_some_and(|s| !(0.0..=21_600.0).contains(&s)) {
                bail_input!("{option} is out of range: use 0 to 21600, the longest job");
            }
        }
        if !(0.01..=1.0).contains(&self.check_load) {
            return Err(bad_input("--check-load is out of range: use 0.01 to 1, the whole processor"));
        }
        if self.image_size.bytes() == 0 {
            return Err(bad_input("--image-size 0 is no image: name its uncompressed size, for example 1GiB"));
        }
        let mut options = self.verdicts.options()?;
        options.prices = prices(self.prices.as_deref())?;
        if let Some(plan) = self.plan.as_deref().filter(|p| options.prices.plan(p).is_none()) {
            let names: Vec<&str> = options.prices.plans.iter().map(|p| p.name.as_str()).collect();
            bail_input!("--plan {plan}: {}", handoff_model::nearest::hint(plan, &names));
        }
        let runs = read(&self.dirs)?;
        let advice = or_damage(&runs, self.answer(&runs, &options))?;
        match self.format {
            Format::Json => out::data(&serde_json::to_string_pretty(&advice)?),
            Format::Text => out::data(&advice.text()),
        }
        refuse_damage(&runs)?;
        Ok(exit::OK)
    }

    fn answer(&self, runs: &[Results], options: &Options) -> anyhow::Result<Advice> {
        let analysis = analyse(runs, options)?;
        let ask = TeamQuestion {
            consumers: self.consumers,
            pushes_per_day: self.pushes_per_day,
            image_size: self.image_size,
            build_s: self.build_seconds,
            goal: match self.goal {
                GoalArg::Runner => Goal::Runner,
                GoalArg::Wait => Goal::Wait,
            },
            plan: self.plan.clone(),
            sharing: self.sharing,
            start: Start { trigger: self.trigger, cache_mode: self.cache_mode },
            check_s: self.check_seconds,
            check_load: self.check_load,
        };
        let size = |key: &GroupKey, cell: &CellSummary| {
            workflow_of(key, cell, self.consumers, ask.start).map(|flow| workflow_size(&cell.cell.strategy.name, flow))
        };
        self.known(&analysis)?;
        let mut answer = recommend(&analysis, &ask, |key| self.fits(key), size)
            .ok_or_else(|| bad_input("no completed trial to answer from: run more, or drop a filter"))?;
        let chosen = answer.chosen.as_ref().ok_or_else(|| nothing_left(&answer))?;
        let group = analysis.groups.iter().find(|g| g.key == answer.group);
        let cell = group.and_then(|g| g.cell(chosen)).ok_or_else(|| bad_input(format!("no row is of {chosen}")))?;
        let flow = workflow_of(&answer.group, cell, self.consumers, ask.start).map_err(bad_input)?;
        let used = runs.iter().flat_map(|r| &r.environments).filter(|e| cell.environments.contains(&e.id));
        let programs: BTreeSet<&str> = used.map(|e| e.handoff.as_str()).filter(|v| !v.is_empty()).collect();
        answer.notes.splice(0..0, set_aside(runs));
        Ok(Advice::new(answer, flow, &programs.into_iter().collect::<Vec<_>>()))
    }

    /// Refuses a filter that no row fits, and names the values that rows have.
    fn known(&self, analysis: &Analysis) -> anyhow::Result<()> {
        let filters: [(&str, Option<String>, Value); 3] = [
            ("--image-store", self.image_store.map(|s| s.to_string()), |c| c.image_store.to_string()),
            ("--builder", self.builder.map(|b| b.to_string()), |c| c.builder.to_string()),
            ("--profile", self.profile.clone(), |c| c.profile.clone()),
        ];
        filters.into_iter().try_for_each(|(option, given, value)| {
            let values = analysis.groups.iter().map(|g| value(&g.key.conditions));
            given.map_or(Ok(()), |given| has_rows(option, &given, values))
        })
    }

    fn fits(&self, key: &GroupKey) -> bool {
        let c = &key.conditions;
        self.image_store.is_none_or(|s| s == c.image_store)
            && self.builder.is_none_or(|b| b == c.builder)
            && self.profile.as_ref().is_none_or(|p| *p == c.profile)
    }
}

fn nothing_left(answer: &Recommendation) -> anyhow::Error {
    let out = answer.candidates.iter().filter_map(|c| Some(format!("{}: {}", c.strategy, c.excluded.as_ref()?)));
    let why = out.collect::<Vec<_>>().join("; ");
    bad_input(format!(
        "no strategy is left ({why}): run others as well, or another --plan or --trigger, or fewer --pushes-per-day"
    ))
}
