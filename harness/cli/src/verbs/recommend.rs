//! `handoff recommend`: the strategy for a team, and the workflow for it.

use std::fmt::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use handoff_analysis::{Ask, Basis, Candidate, Goal, GroupKey, Recommendation, recommend};
use handoff_model::{Builder, ByteSize, ImageStore, StrategySpec};

use crate::analysed::{VerdictArgs, analyse, prices, read, refuse_damage, workflow};
use crate::exit::{self, bad_input};
use crate::out;
use crate::verbs::Format;

/// Options of `recommend`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Results folders that the answer rests on
    #[arg(required = true, value_name = "DIR")]
    dirs: Vec<PathBuf>,
    /// Jobs that need the image
    #[arg(long, value_name = "N")]
    consumers: u32,
    /// Pushes a day
    #[arg(long, value_name = "N")]
    pushes_per_day: u32,
    /// Size of the image, uncompressed
    #[arg(long, value_name = "SIZE")]
    image_size: ByteSize,
    /// How long your build takes [default: the one that was measured]
    #[arg(long, value_name = "SECONDS")]
    build_seconds: Option<f64>,
    /// What is to be least: the time of all jobs together, or what a push waits for
    #[arg(long, value_enum, default_value = "runner")]
    goal: GoalArg,
    /// Leave building again in every job out of the answer
    #[arg(long)]
    sharing: bool,
    /// Plan whose artifact storage must suffice: free, pro, team, enterprise
    #[arg(long, value_name = "PLAN")]
    plan: Option<String>,
    /// Prices and limits [default: those that ship, harness/analysis/prices.toml]
    #[arg(long, value_name = "FILE")]
    prices: Option<PathBuf>,
    /// Only rows with this image store
    #[arg(long, value_name = "STORE")]
    image_store: Option<ImageStore>,
    /// Only rows with this builder
    #[arg(long, value_name = "BUILDER")]
    builder: Option<Builder>,
    /// Only rows under this link profile
    #[arg(long, value_name = "NAME")]
    profile: Option<String>,
    /// How it is printed; as text it is a workflow file with the answer in its comments
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    #[command(flatten)]
    verdicts: VerdictArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum GoalArg {
    /// The time of all jobs together.
    Runner,
    /// What a push waits for.
    Wait,
}

impl Args {
    /// Answers.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        if !(1..=256).contains(&self.consumers) {
            return Err(bad_input(format!("--consumers {} is out of range: use 1 to 256", self.consumers)));
        }
        if self.build_seconds.is_some_and(|s| !(0.0..=21_600.0).contains(&s)) {
            return Err(bad_input("--build-seconds is out of range: use 0 to 21600, the longest job"));
        }
        if self.image_size.bytes() == 0 {
            return Err(bad_input("--image-size 0 is no image: name its uncompressed size, for example 1GiB"));
        }
        let mut options = self.verdicts.options()?;
        options.prices = prices(self.prices.as_deref())?;
        if let Some(plan) = self.plan.as_deref().filter(|p| options.prices.plan(p).is_none()) {
            let names: Vec<&str> = options.prices.plans.iter().map(|p| p.name.as_str()).collect();
            return Err(bad_input(format!("--plan {plan}: {}", handoff_model::nearest::hint(plan, &names))));
        }
        let runs = read(&self.dirs)?;
        let analysis = analyse(&runs, &options)?;
        let ask = Ask {
            consumers: self.consumers,
            pushes_per_day: self.pushes_per_day,
            image_size: self.image_size,
            build_s: self.build_seconds,
            goal: match self.goal {
                GoalArg::Runner => Goal::Runner,
                GoalArg::Wait => Goal::Wait,
            },
            plan: self.plan.clone(),
        };
        let answer = recommend(&analysis, &ask, |key| self.fits(key), no_workflow)
            .ok_or_else(|| bad_input("no completed trial to answer from: run more, or drop a filter"))?;
        let chosen = if self.sharing { answer.best_sharing() } else { answer.chosen() };
        let chosen = chosen.ok_or_else(|| nothing_left(&answer))?;
        // The recipe as measured here may have options that GitHub's steps do not know; the plain strategy stands for it.
        let flow = workflow(&chosen.strategy, self.consumers)
            .or_else(|_| workflow(&StrategySpec::plain(&chosen.strategy.name), self.consumers))?;
        match self.format {
            Format::Json => {
                let document = serde_json::json!({
                    "chosen": chosen.strategy, "recommendation": answer, "workflow": flow.text,
                });
                out::data(&serde_json::to_string_pretty(&document)?);
            }
            Format::Text => out::data(&format!("{}{}", comments(&answer, chosen), flow.text.trim_end())),
        }
        refuse_damage(runs.iter().map(|(_, results)| results))?;
        Ok(ExitCode::from(exit::OK))
    }

    fn fits(&self, key: &GroupKey) -> bool {
        let c = &key.conditions;
        self.image_store.is_none_or(|s| s == c.image_store)
            && self.builder.is_none_or(|b| b == c.builder)
            && self.profile.as_ref().is_none_or(|p| *p == c.profile)
    }
}

/// A strategy whose workflow cannot be written is no answer, however fast: nobody could paste it.
fn no_workflow(strategy: &StrategySpec) -> Option<String> {
    let known = handoff_strategies::github::all().iter().any(|g| g.strategy.facts().name == strategy.name);
    (!known).then(|| "there are no workflow steps for it yet".to_owned())
}

fn nothing_left(answer: &Recommendation) -> anyhow::Error {
    let out = answer.candidates.iter().filter_map(|c| Some(format!("{}: {}", c.strategy, c.excluded.as_ref()?)));
    let why: Vec<String> = out.collect();
    bad_input(format!(
        "no strategy is left ({}): run others as well, or another --plan, or fewer --pushes-per-day",
        why.join("; ")
    ))
}

fn comments(answer: &Recommendation, chosen: &Candidate) -> String {
    let mut text = String::new();
    let mut say = |line: &str| {
        let _ = writeln!(text, "# {}", line.replace(['\n', '\r'], " "));
    };
    let ask = &answer.ask;
    say(&format!(
        "Recommended: {} for {} jobs, {} pushes a day, an image of {}.",
        chosen.strategy, ask.consumers, ask.pushes_per_day, ask.image_size
    ));
    if let Some(next) = answer.ranked().find(|c| c.strategy != chosen.strategy) {
        say(&format!("Runner-up: {}.", next.strategy));
    }
    say("What would change the answer:");
    answer.changes.iter().for_each(|c| say(&format!("- {c}")));
    say("");
    say("strategy: a push waits, all jobs take, billed minutes a month, dollars for them; bytes held");
    for c in &answer.candidates {
        let usd = c.cost.runner_usd.map_or("?".to_owned(), |usd| format!("{usd:.2}"));
        let gb = c.cost.held_bytes.map_or("?".to_owned(), |bytes| format!("{:.2}", bytes as f64 / 1e9));
        let basis = if c.basis == Basis::Measured { "measured" } else { "modelled" };
        let out = c.excluded.as_ref().map_or(String::new(), |why| format!("; out: {why}"));
        say(&format!(
            "{}: {:.1} s, {:.1} s, {}, {usd}; {gb} GB ({basis}{out})",
            c.strategy, c.wait_s, c.runner_s, c.cost.billed_minutes
        ));
    }
    let c = &answer.group.conditions;
    say("");
    say(&format!(
        "From trials of {} at {}: {} store, {} builder, profile {}. Not measured at GitHub.",
        answer.group.workload, answer.group.size, c.image_store, c.builder, c.profile
    ));
    answer.notes.iter().for_each(|n| say(&format!("{n}.")));
    text.push('\n');
    text
}
