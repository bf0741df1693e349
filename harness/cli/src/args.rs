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
    /// Link profile: loopback (shapes nothing), github-hosted, github-far, or a TOML file [default: loopback]
    #[arg(long, value_name = "NAME|FILE")]
    profile: Option<String>,
    /// Where the engines keep images: containerd, overlay2 [default: containerd]
    #[arg(long, value_name = "STORE")]
    image_store: Option<String>,
    /// What runs BuildKit: docker (the engine's own) [default: docker]
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
    /// Consumer jobs of each trial [default: 1]
    #[arg(long, value_name = "N")]
    consumers: Option<u32>,
    /// What caches hold at the start: cold [default: cold]
    #[arg(long, value_name = "STATE")]
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
            None => vec![self.conditions(stored.and_then(|s| s.conditions.first()))?],
        };
        // The service reads it again: what is wrong with it is told before anything starts, also in a run that goes on.
        for profile in conditions.iter().map(|c| &c.profile) {
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
        let named = [&self.profile, &self.image_store, &self.builder, &self.cache_state];
        named.iter().all(|n| n.is_none()) && self.consumers.is_none()
    }

    fn conditions(&self, stored: Option<&Conditions>) -> anyhow::Result<Conditions> {
        let base = stored.cloned().unwrap_or_default();
        let level = |text: &Option<String>| text.clone();
        let conditions = Conditions {
            engine: EngineKind::Private,
            image_store: level(&self.image_store)
                .map_or(Ok(base.image_store), |t| t.parse::<ImageStore>())
                .map_err(bad_input)?,
            builder: level(&self.builder).map_or(Ok(base.builder), |t| t.parse::<Builder>()).map_err(bad_input)?,
            profile: self.profile.clone().unwrap_or(base.profile),
            cache_state: level(&self.cache_state)
                .map_or(Ok(base.cache_state), |t| t.parse::<CacheState>())
                .map_err(bad_input)?,
            consumers: self.consumers.unwrap_or(base.consumers),
        };
        if conditions.builder == Builder::DockerContainer {
            return Err(bad_input("--builder docker-container is not there yet: use --builder docker"));
        }
        if !(1..=256).contains(&conditions.consumers) {
            return Err(bad_input(format!("--consumers {} is out of range: use 1 to 256", conditions.consumers)));
        }
        Ok(conditions)
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

fn all_strategies() -> Vec<StrategySpec> {
    handoff_strategies::names().into_iter().map(StrategySpec::plain).collect()
}

/// A name that no other run has: nonces are made from it.
pub fn random_id() -> String {
    let uuid = std::fs::read_to_string("/proc/sys/kernel/random/uuid").unwrap_or_default();
    uuid.chars().filter(char::is_ascii_hexdigit).take(16).collect()
}
