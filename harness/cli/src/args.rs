//! The options that say what a run is: shared by `run` and `plan`.

use std::path::PathBuf;

use clap::{Args, Parser as _};
use handoff_link::profile;
use handoff_model::conditions::{GITHUB, LOOPBACK};
use handoff_model::{ByteSize, Compare, OwnImage, Plan, PlanRequest, Purpose, StrategySpec, shell};

use crate::budget;
use crate::exit::bad_input;
use crate::matrix::{self, Matrix};
use crate::out;
use crate::own;
use crate::random_id::random_id;

mod factors;
mod github;
mod rounds;

pub use rounds::{AUTO, Rounds};

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
    /// Build the image from this folder, which is only read, instead of a synthetic workload
    #[arg(long, value_name = "DIR")]
    pub context: Option<PathBuf>,
    /// Dockerfile of --context [default: DIR/Dockerfile]
    #[arg(long, value_name = "FILE")]
    pub dockerfile: Option<PathBuf>,
    /// Build argument of --context; may be given several times
    #[arg(long = "build-arg", value_name = "KEY=VALUE")]
    pub build_args: Vec<String>,
    /// Take this image out of your daemon, for the strategies that do not build again
    #[arg(long, value_name = "NAME")]
    pub image: Option<String>,
    /// Rounds: each holds every strategy once, in shuffled order; auto: the fewest that can decide every declared comparison
    /// [default: 3]
    #[arg(long, value_name = "N|auto")]
    pub rounds: Option<Rounds>,
    /// Comparisons that the plan declares, so that its rounds must be able to decide them: reference (each strategy with the
    /// group's reference) or pairs (every two strategies) [default: reference]
    #[arg(long, value_name = "COMPARISONS")]
    pub compare: Option<Compare>,
    /// What the run is for: decision, or screening or trend, which declare no comparison [default: decision]
    #[arg(long, value_name = "PURPOSE")]
    pub purpose: Option<Purpose>,
    /// Workloads, with commas: typical, one-fat-layer, many-layers, many-small-files, multi-stage, incompressible, or a TOML file [default: typical]
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
    /// In every profile that is named, a fault and the share of requests that meet it: `stall=1%`, `stall_s=30`, `slow=2%`, `reset=1%`, `503=1%`
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
    /// The random name of an earlier plan: what is planned again is the same plan
    #[arg(skip)]
    pub plan_id: Option<String>,
}

/// The image of `docker-container` builders: no condition of a plan, but a program, which the environment names.
#[derive(Debug, Clone, Default, Args)]
pub struct BuildkitArgs {
    /// Image of docker-container builders [default: what `handoff doctor --build-buildkit-image` has made here, else
    /// moby/buildkit:buildx-stable-1, pulled]
    #[arg(long, value_name = "IMAGE")]
    pub buildkit_image: Option<String>,
}

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
            // Values of build arguments are in no file: to give them again changes nothing of the plan.
            Some(stored) if self.options().iter().all(|(option, _)| *option == "--build-arg") => {
                let own = stored.own.as_ref().map(|own| own::with_values(own, &self.build_args)).transpose()?;
                Ok(PlanRequest { own, ..stored.clone() })
            }
            Some(_) => Err(bad_input(
                "this run was laid out by a matrix: leave all options out to go on with it, or name the matrix again",
            )),
            None => {
                let mut request = self.crossed(stored)?;
                rounds::resolve(&mut request, &[self.rounds == Some(Rounds::Auto)]);
                Ok(request)
            }
        }
    }

    /// Whether the matrix of an earlier request, with the options that were typed, lays out other trials now. A matrix that is
    /// not here says nothing of that.
    pub fn has_changed(stored: &PlanRequest) -> bool {
        #[derive(clap::Parser)]
        struct Typed {
            #[command(flatten)]
            plan: PlanArgs,
        }
        let Some(words) = stored.matrix.as_deref().and_then(shlex::split) else { return false };
        let Ok(Typed { plan }) = Typed::try_parse_from(std::iter::once("run".to_owned()).chain(words)) else {
            return true;
        };
        let plan = Self { github: stored.conditions.iter().all(|c| c.profile == GITHUB), ..plan };
        let Some(matrix) = plan.matrix.as_deref().and_then(|name| matrix::load(name).ok()) else { return false };
        if stored.own.is_some() {
            // Its folder need not be here.
            return false;
        }
        let cells = |request: PlanRequest| {
            let (timeout_s, seed) = (request.timeout_s, request.seed);
            let trials = Plan::new(request).ok()?.trials;
            let mut cells: Vec<_> = trials.into_iter().map(|t| (t.cell, t.round)).collect();
            cells.sort();
            Some((cells, timeout_s, seed))
        };
        let now = plan.of_matrix(&matrix, None).ok().and_then(cells);
        now.is_none() || now != cells(stored.clone())
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
        let mut auto: Vec<bool> = Vec::new();
        let failure = |args: &Self| args.crossed(None).err().map(|error| error.to_string());
        for (at, block) in matrix.blocks.iter().enumerate() {
            let args = self.over(block);
            let part = args.crossed(None).map_err(|error| {
                // What the block says without any option is the file's error; any other one is an option's.
                let text = error.to_string();
                if failure(block).as_ref() == Some(&text) { matrix.located(at, &text, failure) } else { error }
            })?;
            let is_auto = args.rounds == Some(Rounds::Auto);
            // Blocks that an option has made alike are one.
            let alike = |held: &PlanRequest| {
                PlanRequest { rounds: held.rounds, run_id: held.run_id.clone(), ..part.clone() } == *held
            };
            if let Some(at) = parts.iter().position(alike) {
                parts[at].rounds = parts[at].rounds.max(part.rounds);
                auto[at] |= is_auto;
            } else {
                parts.push(part);
                auto.push(is_auto);
            }
        }
        let mut parts = parts.into_iter();
        let mut request = parts.next().ok_or_else(|| bad_input(format!("matrix {}: it has no block", matrix.name)))?;
        parts.for_each(|part| request.absorb(&part));
        request.exclude.clone_from(&matrix.exclude);
        rounds::resolve(&mut request, &auto);
        // As it is typed; the user's own image in its printed form, which has no values of build arguments.
        let typed = self.options().into_iter().filter_map(|(option, value)| match option {
            "--control" => Some(option.to_owned()),
            "--context" | "--image" => request.own.as_ref().map(ToString::to_string),
            "--dockerfile" | "--build-arg" => None,
            "--fault" => Some(
                value.split(',').map(|one| format!("{option} {}", shell::quote(one))).collect::<Vec<_>>().join(" "),
            ),
            _ => Some(format!("{option} {}", shell::quote(&value))),
        });
        let typed = std::iter::once(shell::quote(&matrix.name)).chain(typed).collect::<Vec<_>>();
        request.matrix = Some(typed.join(" "));
        if let Some(stored) = stored {
            request.run_id.clone_from(&stored.run_id);
            request.matrix.clone_from(&stored.matrix);
        }
        Ok(request)
    }

    /// Every option by which a plan may differ, with what is given for it.
    pub fn options(&self) -> Vec<(&'static str, String)> {
        let path = |p: Option<&PathBuf>| p.map(|p| p.display().to_string());
        let number = |n: Option<u64>| n.map(|n| n.to_string());
        let all = [
            ("--sizes", self.sizes.clone()),
            ("--strategies", self.strategies.clone()),
            ("--context", path(self.context.as_ref())),
            ("--dockerfile", path(self.dockerfile.as_ref())),
            ("--build-arg", (!self.build_args.is_empty()).then(|| self.build_args.len().to_string())),
            ("--image", self.image.clone()),
            ("--rounds", self.rounds.map(|r| r.to_string())),
            ("--compare", self.compare.map(|c| c.to_string())),
            ("--purpose", self.purpose.map(|p| p.to_string())),
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
        // An image of the user's own stands in the place of those that the matrix names.
        let is_own = self.context.is_some() || self.image.is_some();
        let unless_own =
            |own: &Option<String>, other: &Option<String>| if is_own { own.clone() } else { either(own, other) };
        Self {
            matrix: None,
            sizes: unless_own(&self.sizes, &below.sizes),
            strategies: either(&self.strategies, &below.strategies),
            rounds: self.rounds.or(below.rounds),
            compare: self.compare.or(below.compare),
            purpose: self.purpose.or(below.purpose),
            workload: unless_own(&self.workload, &below.workload),
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
            context: self.context.clone(),
            dockerfile: self.dockerfile.clone(),
            build_args: self.build_args.clone(),
            image: self.image.clone(),
            budget: self.budget.clone(),
            github: self.github,
            plan_id: self.plan_id.clone(),
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
        let own = self.own(stored.and_then(|s| s.own.as_ref()))?;
        let sizes = match &self.sizes {
            _ if own.is_some() => vec![ByteSize::OWN],
            Some(text) => list(text).map(str::parse).collect::<Result<Vec<ByteSize>, _>>().map_err(bad_input)?,
            None => stored.map_or_else(|| vec![ByteSize(ByteSize::GIB)], |s| s.sizes.clone()),
        };
        let strategies = match &self.strategies {
            Some(text) if self.github => handoff_strategies::github::parse_list(text).map_err(bad_input)?,
            Some(text) => handoff_strategies::parse_list(text).map_err(bad_input)?,
            None => stored.map_or_else(all_strategies, |s| s.strategies.clone()),
        };
        let workloads = match &self.workload {
            _ if own.is_some() => own.iter().map(OwnImage::workload).collect(),
            Some(text) => list(text).map(str::to_owned).collect(),
            None => stored.map_or_else(|| vec!["typical".to_owned()], |s| s.workloads.clone()),
        };
        for (i, size) in sizes.iter().enumerate() {
            if sizes[..i].contains(size) {
                return Err(bad_input(format!("size {size} is named twice: name it once, --rounds repeats it")));
            }
        }
        let purpose = self.purpose.or(stored.map(|s| s.purpose)).unwrap_or_default();
        self.check_purpose(purpose)?;
        let rounds = self.rounds.map(Rounds::at_least).or(stored.map(|s| s.rounds)).unwrap_or(3);
        let timeout_s = self.timeout.or(stored.map(|s| s.timeout_s)).unwrap_or(1_800);
        if timeout_s == 0 {
            return Err(bad_input("--timeout 0 leaves no time: use 1 second or more"));
        }
        let synthetic = sizes.iter().filter(|_| own.is_none());
        for (size, workload) in synthetic.flat_map(|s| workloads.iter().map(move |w| (s, w))) {
            let workload = handoff_fixtures::load_workload(workload)?;
            handoff_fixtures::ImageSpec::new(&workload, size.bytes(), None, "check")?;
        }
        let conditions = match stored.filter(|_| self.names_no_condition()) {
            Some(stored) => stored.conditions.clone(),
            None => self.conditions(stored.map(|s| s.conditions.as_slice()).unwrap_or_default())?,
        };
        own::check_states(own.as_ref(), &conditions)?;
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
            run_id: match stored.map(|s| s.run_id.clone()).or(self.plan_id.clone()) {
                Some(known) => known,
                None => random_id()?,
            },
            blocks: Vec::new(),
            exclude: Vec::new(),
            matrix: stored.and_then(|s| s.matrix.clone()),
            own,
            compare: self.compare.or(stored.map(|s| s.compare)).unwrap_or_default(),
            purpose,
        })
    }

    /// Refuses what speaks of declared comparisons in a run that declares none.
    fn check_purpose(&self, purpose: Purpose) -> anyhow::Result<()> {
        if purpose == Purpose::Decision {
            return Ok(());
        }
        let none = format!("--purpose {purpose} declares no comparison");
        if let Some(compare) = self.compare {
            return Err(bad_input(format!(
                "{none}, so --compare {compare} has no effect: leave --compare out, or use --purpose decision"
            )));
        }
        if self.rounds == Some(Rounds::Auto) {
            return Err(bad_input(format!(
                "{none}, so --rounds {AUTO} has nothing to decide: give a number of rounds, or use --purpose decision"
            )));
        }
        Ok(())
    }

    /// The user's own image, if one is named here or is what the stored run has.
    fn own(&self, stored: Option<&OwnImage>) -> anyhow::Result<Option<OwnImage>> {
        let values = self.build_args.first().filter(|_| stored.is_none()).map(|_| "--build-arg");
        if self.context.is_none()
            && let Some(option) = self.dockerfile.as_ref().map(|_| "--dockerfile").or(values)
        {
            return Err(bad_input(format!("{option} is for an image of your own: it needs --context DIR")));
        }
        let option = match (&self.context, &self.image) {
            (None, None) => return stored.map(|own| own::with_values(own, &self.build_args)).transpose(),
            (Some(_), Some(_)) => return Err(bad_input("--context and --image are two images: name one of them")),
            (Some(_), None) => "--context",
            (None, Some(_)) => "--image",
        };
        for (other, given) in [("--sizes", self.sizes.is_some()), ("--workload", self.workload.is_some())] {
            if given {
                return Err(bad_input(format!(
                    "{option} is an image of your own, which is as it is: leave {other} out"
                )));
            }
        }
        match (&self.context, &self.image) {
            (Some(dir), _) => own::context(dir, self.dockerfile.as_deref(), &self.build_args).map(Some),
            (_, Some(name)) => own::image(name).map(Some),
            (None, None) => Ok(None),
        }
    }

    /// Makes the plan and refuses what strategies cannot do under its conditions.
    pub fn plan(&self, stored: Option<&PlanRequest>) -> anyhow::Result<Plan> {
        let mut plan = Plan::new(self.request(stored)?).map_err(bad_input)?;
        plan.facts = handoff_strategies::variant_facts(&plan.request.strategies);
        if let Some(budget) = &self.budget {
            budget::check(&plan, budget)?;
        }
        let refusals = handoff_runner::needs::refusals(&plan);
        if refusals.is_empty() {
            return Ok(plan);
        }
        Err(bad_input(format!("refused: {}", refusals.join("; "))))
    }
}

fn all_strategies() -> Vec<StrategySpec> {
    handoff_strategies::names().into_iter().map(StrategySpec::plain).collect()
}
