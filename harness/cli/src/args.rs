//! The options that say what a run is: shared by `run` and `plan`.

use clap::Args;
use handoff_model::{
    Builder, ByteSize, CacheState, Conditions, EngineKind, ImageStore, Plan, PlanRequest, StrategySpec,
};
use handoff_service::profile;

use crate::exit::bad_input;

/// What to run. Every option has a default; a resumed run takes what it does not name from its plan.
#[derive(Debug, Clone, Default, Args)]
pub struct PlanArgs {
    /// Sizes of the image, with commas [default: 1GiB]
    #[arg(long, value_name = "SIZE,...")]
    sizes: Option<String>,
    /// Strategies with their options, or `all`; `handoff strategies` lists them [default: all]
    #[arg(long, value_name = "NAME[:OPTION=VALUE,...],...")]
    strategies: Option<String>,
    /// Rounds: each holds every strategy once, in shuffled order [default: 3]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Workloads, with commas: typical, one-fat-layer, many-small-files, incompressible, or a TOML file [default: typical]
    #[arg(long, alias = "workloads", value_name = "NAME,...")]
    workload: Option<String>,
    /// Link profiles, with commas: loopback (shapes nothing), github-hosted, github-far, or a TOML file [default: loopback]
    #[arg(long, value_name = "NAME|FILE,...")]
    profile: Option<String>,
    /// Where a job's engine comes from: private (its own containerd and dockerd) [default: private]
    #[arg(long, value_name = "ENGINE")]
    engine: Option<String>,
    /// Where the engines keep images, with commas: containerd, overlay2 [default: containerd]
    #[arg(long, value_name = "STORE,...")]
    image_store: Option<String>,
    /// What runs BuildKit, with commas: docker (the engine's own), docker-container (a container of its own) [default: docker]
    #[arg(long, value_name = "BUILDER,...")]
    builder: Option<String>,
    /// Consumer jobs of each trial, with commas [default: 1]
    #[arg(long, value_name = "N,...")]
    consumers: Option<String>,
    /// How many consumers of a trial run at once; above half the cores rows are marked `contended` [default: 1]
    #[arg(long, value_name = "N")]
    consumer_concurrency: Option<u32>,
    /// What caches hold at the start, with commas: cold, warm, one-layer, base-layer [default: cold]
    #[arg(long, value_name = "STATE,...")]
    cache_state: Option<String>,
    /// Run the first strategy twice a round: the spread of the two is the noise floor
    #[arg(long)]
    control: bool,
    /// Seed of the order and of the image's content [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Time limit of one side, in seconds [default: 1800]
    #[arg(long, value_name = "SECONDS")]
    timeout: Option<u64>,
    /// The plan is for GitHub's runners and services
    #[arg(skip)]
    github: bool,
}

/// The image of `docker-container` builders: no condition of a plan, but a program, which the environment names.
#[derive(Debug, Clone, Default, Args)]
pub struct BuildkitArgs {
    /// Image of docker-container builders [default: what `handoff doctor --build-buildkit-image` has made here, else
    /// moby/buildkit:buildx-stable-1, pulled]
    #[arg(long, value_name = "IMAGE")]
    pub buildkit_image: Option<String>,
}

/// More rounds than anybody waits for are a slip of the finger.
const MOST_ROUNDS: u32 = 1_000;

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').map(str::trim).filter(|t| !t.is_empty())
}

impl PlanArgs {
    /// Makes the request. What is not named comes from `stored` (a run to resume), else from the defaults.
    pub fn request(&self, stored: Option<&PlanRequest>) -> anyhow::Result<PlanRequest> {
        let sizes = match &self.sizes {
            Some(text) => list(text).map(str::parse).collect::<Result<Vec<ByteSize>, _>>().map_err(bad_input)?,
            None => stored.map_or_else(|| vec![ByteSize(ByteSize::GIB)], |s| s.sizes.clone()),
        };
        let strategies = match &self.strategies {
            Some(text) if self.github => handoff_strategies::github::parse_list(text).map_err(bad_input)?,
            Some(text) => handoff_strategies::parse_list(text).map_err(bad_input)?,
            None => stored.map_or_else(all_strategies, |s| s.strategies.clone()),
        };
        let workloads = match &self.workload {
            Some(text) => list(text).map(str::to_owned).collect(),
            None => stored.map_or_else(|| vec!["typical".to_owned()], |s| s.workloads.clone()),
        };
        for (i, size) in sizes.iter().enumerate() {
            if sizes[..i].contains(size) {
                return Err(bad_input(format!("size {size} is named twice: name it once, --rounds repeats it")));
            }
        }
        let rounds = self.rounds.or(stored.map(|s| s.rounds)).unwrap_or(3);
        if rounds > MOST_ROUNDS {
            return Err(bad_input(format!("--rounds {rounds} is out of range: use 1 to {MOST_ROUNDS}")));
        }
        let timeout_s = self.timeout.or(stored.map(|s| s.timeout_s)).unwrap_or(1_800);
        if timeout_s == 0 {
            return Err(bad_input("--timeout 0 leaves no time: use 1 second or more"));
        }
        for (size, workload) in sizes.iter().flat_map(|s| workloads.iter().map(move |w| (s, w))) {
            let workload = handoff_fixtures::load_workload(workload)?;
            handoff_fixtures::ImageSpec::new(&workload, size.bytes(), None, "check")?;
        }
        let conditions = match stored.filter(|_| self.names_no_condition()) {
            Some(stored) => stored.conditions.clone(),
            None => self.conditions(stored.map(|s| s.conditions.as_slice()).unwrap_or_default())?,
        };
        // The service reads it again: what is wrong with it is told before anything starts, also in a run that goes on.
        for profile in conditions.iter().map(|c| &c.profile).filter(|_| !self.github) {
            profile::load(profile).map_err(bad_input)?;
        }
        Ok(PlanRequest {
            sizes,
            strategies,
            workloads,
            rounds,
            conditions,
            control: self.control || stored.is_some_and(|s| s.control),
            timeout_s,
            seed: self.seed.or(stored.map(|s| s.seed)).unwrap_or(1),
            run_id: stored.map_or_else(random_id, |s| s.run_id.clone()),
        })
    }

    fn names_no_condition(&self) -> bool {
        let named = [&self.engine, &self.profile, &self.image_store, &self.builder, &self.cache_state, &self.consumers];
        named.iter().all(|n| n.is_none()) && self.consumer_concurrency.is_none()
    }

    /// Crosses the factors: every level of one with every level of the others. A factor that is not named keeps the
    /// levels of `stored`, else its default.
    fn conditions(&self, stored: &[Conditions]) -> anyhow::Result<Vec<Conditions>> {
        let held = |of: &dyn Fn(&Conditions) -> String| {
            let default = Conditions::default();
            let from = if stored.is_empty() { std::slice::from_ref(&default) } else { stored };
            let mut levels: Vec<String> = Vec::new();
            for level in from.iter().map(of) {
                if !levels.contains(&level) {
                    levels.push(level);
                }
            }
            levels
        };
        let engines = levels::<EngineKind>("--engine", self.engine.as_ref(), held(&|c| c.engine.to_string()))?;
        let stores =
            levels::<ImageStore>("--image-store", self.image_store.as_ref(), held(&|c| c.image_store.to_string()))?;
        let builders = levels::<Builder>("--builder", self.builder.as_ref(), held(&|c| c.builder.to_string()))?;
        let profiles = levels::<String>("--profile", self.profile.as_ref(), held(&|c| c.profile.clone()))?;
        let states =
            levels::<CacheState>("--cache-state", self.cache_state.as_ref(), held(&|c| c.cache_state.to_string()))?;
        let consumers = levels::<u32>("--consumers", self.consumers.as_ref(), held(&|c| c.consumers.to_string()))?;
        let held = stored.iter().map(|c| c.consumer_concurrency).max().unwrap_or(1);
        let at_once = self.consumer_concurrency.unwrap_or(held);
        if at_once == 0 {
            return Err(bad_input("--consumer-concurrency 0 runs no consumer: use 1 or more"));
        }
        let mut all = Vec::new();
        for (engine, image_store) in engines.iter().flat_map(|e| stores.iter().map(move |s| (*e, *s))) {
            for (builder, profile) in builders.iter().flat_map(|b| profiles.iter().map(move |p| (*b, p))) {
                for (cache_state, consumers) in states.iter().flat_map(|s| consumers.iter().map(move |c| (*s, *c))) {
                    let profile = profile.clone();
                    // One consumer is one at a time, whatever was asked: no second name for the same thing.
                    let consumer_concurrency = at_once.min(consumers);
                    let conditions = Conditions {
                        engine,
                        image_store,
                        builder,
                        profile,
                        cache_state,
                        consumers,
                        consumer_concurrency,
                    };
                    if !self.github {
                        check(&conditions)?;
                    }
                    all.push(conditions);
                }
            }
        }
        Ok(all)
    }

    /// Makes the plan and refuses what strategies cannot do under its conditions.
    pub fn plan(&self, stored: Option<&PlanRequest>) -> anyhow::Result<Plan> {
        let plan = Plan::new(self.request(stored)?).map_err(bad_input)?;
        let refusals = handoff_driver::needs::refusals(&plan);
        if refusals.is_empty() {
            return Ok(plan);
        }
        Err(bad_input(format!("refused: {}", refusals.join("; "))))
    }
}

/// Reads the levels of one factor: those that are named, else those that are held. None is measured twice.
fn levels<T: std::str::FromStr<Err: std::fmt::Display>>(
    option: &str,
    named: Option<&String>,
    held: Vec<String>,
) -> anyhow::Result<Vec<T>> {
    let texts = match named {
        Some(text) => list(text).map(str::to_owned).collect(),
        None => held,
    };
    if texts.is_empty() {
        return Err(bad_input(format!("{option} names nothing: name a level, or leave the option out")));
    }
    for (i, text) in texts.iter().enumerate() {
        if texts[..i].contains(text) {
            return Err(bad_input(format!("{option}: {text} is named twice: name it once, --rounds repeats it")));
        }
    }
    texts.iter().map(|t| t.parse().map_err(|e| bad_input(format!("{option} {t}: {e}")))).collect()
}

/// Refuses conditions that no trial can have.
fn check(conditions: &Conditions) -> anyhow::Result<()> {
    if conditions.engine != EngineKind::Private {
        return Err(bad_input(format!("--engine {} is not there yet: use --engine private", conditions.engine)));
    }
    if conditions.cache_state != CacheState::Cold {
        let state = conditions.cache_state;
        return Err(bad_input(format!("--cache-state {state} is not there yet: use --cache-state cold")));
    }
    if conditions.consumer_concurrency > 1 {
        return Err(bad_input("--consumer-concurrency is not there yet: leave it out"));
    }
    if !(1..=256).contains(&conditions.consumers) {
        return Err(bad_input(format!("--consumers {} is out of range: use 1 to 256", conditions.consumers)));
    }
    Ok(())
}

fn all_strategies() -> Vec<StrategySpec> {
    handoff_strategies::names().into_iter().map(StrategySpec::plain).collect()
}

/// A name that no other run has: nonces are made from it.
pub fn random_id() -> String {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    uuid.chars().filter(char::is_ascii_hexdigit).take(16).collect()
}

impl PlanArgs {
    /// The options of a workflow's run, from its inputs: nothing is read from a command line.
    pub fn from_inputs(input: impl Fn(&str) -> Option<String>) -> anyhow::Result<Self> {
        let text = |name: &str| input(name).map(|t| t.trim().to_owned()).filter(|t| !t.is_empty());
        let number = |name: &str| -> anyhow::Result<Option<u64>> {
            let Some(text) = text(name) else { return Ok(None) };
            text.parse().map(Some).map_err(|_| bad_input(format!("input {name}: `{text}` is not a whole number")))
        };
        let consumers = text("consumers").unwrap_or_else(|| "1".to_owned());
        Ok(Self {
            sizes: text("sizes"),
            strategies: Some(text("strategies").unwrap_or_else(|| "all".to_owned())),
            rounds: number("rounds")?.map(|n| u32::try_from(n).unwrap_or(u32::MAX)),
            workload: text("workload"),
            profile: Some(text("profile").unwrap_or_else(|| handoff_driver::github::PROFILE.to_owned())),
            engine: Some(EngineKind::Host.to_string()),
            image_store: Some(text("image_store").unwrap_or_else(|| ImageStore::Overlay2.to_string())),
            builder: Some(text("builder").unwrap_or_else(|| Builder::DockerContainer.to_string())),
            // Each has a runner of its own: all of them run at once.
            consumer_concurrency: list(&consumers).filter_map(|c| c.parse().ok()).max(),
            consumers: Some(consumers),
            cache_state: text("cache_state"),
            seed: number("seed")?,
            timeout: number("timeout")?,
            github: true,
            ..Self::default()
        })
    }
}
