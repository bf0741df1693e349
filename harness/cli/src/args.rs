//! The options that say what a run is: shared by `run` and `plan`.

use clap::Args;
use handoff_engine::user;
use handoff_model::conditions::LOOPBACK;
use handoff_model::{
    Builder, ByteSize, CacheState, Conditions, EngineKind, ImageStore, Plan, PlanRequest, StrategySpec,
};
use handoff_service::profile;

use crate::budget;
use crate::exit::bad_input;
use crate::matrix::{self, Matrix};
use crate::out;

/// What to run. Every option has a default; a resumed run takes what it does not name from its plan.
#[derive(Debug, Clone, Default, Args)]
pub struct PlanArgs {
    /// A matrix: the name of a preset (`handoff plan --list`) or a TOML file; options override what it says
    #[arg(value_name = "MATRIX")]
    pub matrix: Option<String>,
    /// Sizes of the image, with commas [default: 1GiB]
    #[arg(long, value_name = "SIZE,...")]
    pub sizes: Option<String>,
    /// Strategies with their options, or `all`; `handoff strategies` lists them [default: all]
    #[arg(long, value_name = "NAME[:OPTION=VALUE,...],...")]
    pub strategies: Option<String>,
    /// Rounds: each holds every strategy once, in shuffled order [default: 3]
    #[arg(long, value_name = "N")]
    pub rounds: Option<u32>,
    /// Workloads, with commas: typical, one-fat-layer, many-layers, many-small-files, incompressible, or a TOML file [default: typical]
    #[arg(long, alias = "workloads", value_name = "NAME,...")]
    pub workload: Option<String>,
    /// Link profiles, with commas: loopback (shapes nothing), github-hosted, github-far, or a TOML file, each with changed
    /// figures if wanted: github-hosted:request_ms=25ms [default: loopback]
    #[arg(long, value_name = "NAME|FILE[:FIGURE=VALUE,...],...")]
    pub profile: Option<String>,
    /// In every profile that is named, what all connections of a job carry together in each direction: 60MiB/s
    #[arg(long, value_name = "RATE")]
    pub link_rate: Option<String>,
    /// In every profile that is named, the time of a blob request besides its bytes: 25ms
    #[arg(long, value_name = "TIME")]
    pub request_time: Option<String>,
    /// In every profile that is named, a fault and the share of requests that meet it: stall=1%, stall_s=30, slow=2%, reset=1%, 503=1%
    #[arg(long, value_name = "FAULT=SHARE")]
    pub fault: Vec<String>,
    /// Where a job's engine comes from, with commas: private (its own containerd and dockerd), container (a privileged
    /// container of the daemon at `DOCKER_HOST`), host (that daemon itself) [default: private]
    #[arg(long, value_name = "ENGINE,...")]
    pub engine: Option<String>,
    /// Where the engines keep images, with commas: containerd, overlay2 [default: containerd]
    #[arg(long, value_name = "STORE,...")]
    pub image_store: Option<String>,
    /// What runs BuildKit, with commas: docker (the engine's own), docker-container (a container of its own) [default: docker]
    #[arg(long, value_name = "BUILDER,...")]
    pub builder: Option<String>,
    /// Consumer jobs of each trial, with commas [default: 1]
    #[arg(long, value_name = "N,...")]
    pub consumers: Option<String>,
    /// How many consumers of a trial run at once; above half the cores rows are marked `contended` [default: 1]
    #[arg(long, value_name = "N")]
    pub consumer_concurrency: Option<u32>,
    /// What caches hold at the start, with commas: cold, warm, one-layer, base-layer [default: cold]
    #[arg(long, value_name = "STATE,...")]
    pub cache_state: Option<String>,
    /// Run the first strategy twice a round: the spread of the two is the noise floor
    #[arg(long)]
    pub control: bool,
    /// Seed of the order and of the image's content [default: 1]
    #[arg(long, value_name = "N")]
    pub seed: Option<u64>,
    /// Time limit of one side, in seconds [default: 1800]
    #[arg(long, value_name = "SECONDS")]
    pub timeout: Option<u64>,
    /// Refuse a plan whose estimate is longer, for example 2h or 90m, and say what to cut
    #[arg(long, value_name = "TIME")]
    pub budget: Option<String>,
    /// The plan is for GitHub's runners and services
    #[arg(skip)]
    pub github: bool,
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
    /// Makes the request. What is not named comes from the matrix, else from `stored` (a run to resume), else from the
    /// defaults.
    pub fn request(&self, stored: Option<&PlanRequest>) -> anyhow::Result<PlanRequest> {
        if let Some(name) = &self.matrix {
            return self.of_matrix(&matrix::load(name)?, stored);
        }
        match stored.filter(|s| !(s.blocks.is_empty() && s.exclude.is_empty())) {
            Some(stored) if self.options().is_empty() => Ok(stored.clone()),
            Some(_) => Err(bad_input(
                "this run was laid out by a matrix: leave all options out to go on with it, or name the matrix again",
            )),
            None => self.crossed(stored),
        }
    }

    /// Says which options override the matrix.
    pub fn tell_overrides(&self) -> anyhow::Result<()> {
        let Some(name) = &self.matrix else { return Ok(()) };
        for line in matrix::load(name)?.overridden(self) {
            out::talk(&line);
        }
        Ok(())
    }

    /// Lays these options over every block of the matrix.
    fn of_matrix(&self, matrix: &Matrix, stored: Option<&PlanRequest>) -> anyhow::Result<PlanRequest> {
        let mut parts: Vec<PlanRequest> = Vec::new();
        for block in &matrix.blocks {
            let part = self.over(block).crossed(None)?;
            // Blocks that an option has made alike are one.
            let alike = |held: &PlanRequest| {
                PlanRequest { rounds: held.rounds, run_id: held.run_id.clone(), ..part.clone() } == *held
            };
            match parts.iter().position(alike) {
                Some(at) => parts[at].rounds = parts[at].rounds.max(part.rounds),
                None => parts.push(part),
            }
        }
        let mut parts = parts.into_iter();
        let mut request = parts.next().ok_or_else(|| bad_input(format!("matrix {}: it has no block", matrix.name)))?;
        parts.for_each(|part| request.absorb(&part));
        request.exclude.clone_from(&matrix.exclude);
        let typed = self.options().into_iter().map(|(option, value)| match option {
            "--control" => option.to_owned(),
            _ => format!("{option} {value}"),
        });
        request.matrix = Some(std::iter::once(matrix.name.clone()).chain(typed).collect::<Vec<_>>().join(" "));
        if let Some(stored) = stored {
            request.run_id.clone_from(&stored.run_id);
            request.matrix.clone_from(&stored.matrix);
        }
        Ok(request)
    }

    /// Every option by which a plan may differ, with what is given for it.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let all = [
            ("--sizes", self.sizes.clone()),
            ("--strategies", self.strategies.clone()),
            ("--rounds", number(self.rounds.map(u64::from))),
            ("--workload", self.workload.clone()),
            ("--profile", self.profile.clone()),
            ("--link-rate", self.link_rate.clone()),
            ("--request-time", self.request_time.clone()),
            ("--fault", (!self.fault.is_empty()).then(|| self.fault.join(","))),
            ("--engine", self.engine.clone()),
            ("--image-store", self.image_store.clone()),
            ("--builder", self.builder.clone()),
            ("--consumers", self.consumers.clone()),
            ("--consumer-concurrency", number(self.consumer_concurrency.map(u64::from))),
            ("--cache-state", self.cache_state.clone()),
            ("--control", self.control.then(|| "on".to_owned())),
            ("--seed", number(self.seed)),
            ("--timeout", number(self.timeout)),
        ];
        all.into_iter().filter_map(|(option, value)| Some((option, value?))).collect()
    }

    /// These options, and those of `below` where one is not given here.
    fn over(&self, below: &Self) -> Self {
        let either = |own: &Option<String>, other: &Option<String>| own.clone().or_else(|| other.clone());
        Self {
            matrix: None,
            sizes: either(&self.sizes, &below.sizes),
            strategies: either(&self.strategies, &below.strategies),
            rounds: self.rounds.or(below.rounds),
            workload: either(&self.workload, &below.workload),
            profile: either(&self.profile, &below.profile),
            link_rate: either(&self.link_rate, &below.link_rate),
            request_time: either(&self.request_time, &below.request_time),
            fault: if self.fault.is_empty() { below.fault.clone() } else { self.fault.clone() },
            engine: either(&self.engine, &below.engine),
            image_store: either(&self.image_store, &below.image_store),
            builder: either(&self.builder, &below.builder),
            consumers: either(&self.consumers, &below.consumers),
            consumer_concurrency: self.consumer_concurrency.or(below.consumer_concurrency),
            cache_state: either(&self.cache_state, &below.cache_state),
            control: self.control || below.control,
            seed: self.seed.or(below.seed),
            timeout: self.timeout.or(below.timeout),
            budget: self.budget.clone(),
            github: self.github,
        }
    }

    /// The profiles that are named, with the changes that options make of all of them; none where nothing names any.
    fn profiles(&self) -> anyhow::Result<Option<Vec<String>>> {
        let changes: Vec<String> = (self.link_rate.iter().map(|rate| format!("aggregate={rate}")))
            .chain(self.request_time.iter().map(|time| format!("request_ms={time}")))
            .chain(self.fault.iter().map(|fault| format!("faults.{fault}")))
            .collect();
        let named = match &self.profile {
            Some(text) => profile::split_list(text),
            None if changes.is_empty() => return Ok(None),
            None => vec![LOOPBACK.to_owned()],
        };
        let changed = |text: &String| {
            // No profile of ours: what GitHub's own link is.
            if self.github {
                return Ok(text.clone());
            }
            let text = changes.iter().fold(text.clone(), |text, change| profile::add(&text, change));
            profile::canonical(&text).map_err(bad_input)
        };
        named.iter().map(changed).collect::<anyhow::Result<_>>().map(Some)
    }

    /// One request of these options alone.
    fn crossed(&self, stored: Option<&PlanRequest>) -> anyhow::Result<PlanRequest> {
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
            blocks: Vec::new(),
            exclude: Vec::new(),
            matrix: stored.and_then(|s| s.matrix.clone()),
        })
    }

    fn names_no_condition(&self) -> bool {
        let named = [&self.engine, &self.profile, &self.image_store, &self.builder, &self.cache_state, &self.consumers];
        let changes = self.link_rate.is_some() || self.request_time.is_some() || !self.fault.is_empty();
        named.iter().all(|n| n.is_none()) && self.consumer_concurrency.is_none() && !changes
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
        let profiles = match self.profiles()? {
            Some(named) => once("--profile", named)?,
            None => held(&|c| c.profile.clone()),
        };
        let states =
            levels::<CacheState>("--cache-state", self.cache_state.as_ref(), held(&|c| c.cache_state.to_string()))?;
        let consumers = levels::<u32>("--consumers", self.consumers.as_ref(), held(&|c| c.consumers.to_string()))?;
        let held = stored.iter().map(|c| c.consumer_concurrency).max().unwrap_or(1);
        let at_once = self.consumer_concurrency.unwrap_or(held);
        if at_once == 0 {
            return Err(bad_input("--consumer-concurrency 0 runs no consumer: use 1 or more"));
        }
        let mut all = Vec::new();
        // Another's daemon has the store that it has, and its own builder is not ours to use.
        let free = |engine: EngineKind, named: &Option<String>| {
            engine == EngineKind::Host && named.is_none() && stored.is_empty()
        };
        let mut placed = Vec::new();
        for engine in engines {
            let held = if free(engine, &self.image_store) { vec![host_store()?] } else { stores.clone() };
            let builders = if free(engine, &self.builder) { vec![Builder::DockerContainer] } else { builders.clone() };
            placed.extend(held.into_iter().map(|store| (engine, store, builders.clone())));
        }
        for (engine, image_store, builders) in placed {
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
        if let Some(budget) = &self.budget {
            budget::check(&plan, budget)?;
        }
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
    let texts = once(option, texts)?;
    texts.iter().map(|t| t.parse().map_err(|e| bad_input(format!("{option} {t}: {e}")))).collect()
}

/// Refuses a factor without levels, and one with the same level twice.
fn once(option: &str, texts: Vec<String>) -> anyhow::Result<Vec<String>> {
    if texts.is_empty() {
        return Err(bad_input(format!("{option} names nothing: name a level, or leave the option out")));
    }
    for (i, text) in texts.iter().enumerate() {
        if texts[..i].contains(text) {
            return Err(bad_input(format!("{option}: {text} is named twice: name it once, --rounds repeats it")));
        }
    }
    Ok(texts)
}

/// Refuses conditions that no trial can have.
fn check(conditions: &Conditions) -> anyhow::Result<()> {
    if conditions.engine == EngineKind::Host && conditions.builder == Builder::Docker {
        return Err(bad_input(
            "--engine host with --builder docker would fill the build cache of the daemon itself, which is yours: leave --builder out, or use --builder docker-container",
        ));
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

/// The image store of the user's daemon.
fn host_store() -> anyhow::Result<ImageStore> {
    Ok(user::facts(&user::socket()?)?.store)
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
