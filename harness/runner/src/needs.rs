//! Needs of a plan: disk, written bytes and time. These are rough estimates; the run refines the time.

use std::borrow::Cow;
use std::time::Duration;

use handoff_link::profile;
use handoff_model::user_image::NEEDS_CONTEXT;
use handoff_model::{
    Builder, ByteSize, CacheState, Cell, Conditions, EngineKind, Plan, StrategySpec, Trial, UserImage,
};
use handoff_strategies::{MoreBuilds, Source};

pub mod estimate;

use estimate::Estimator;

/// Assumed size of an image from the user's context, which is unknown until it is built.
pub const ASSUMED: ByteSize = ByteSize(ByteSize::GIB);

/// Trial with the size that the user's daemon reports for its image, if the plan has none. Only needs and estimates use
/// this size; rows have the measured one.
pub fn sized<'a>(trial: &'a Trial, user_image: Option<&UserImage>) -> Cow<'a, Trial> {
    match user_image.and_then(UserImage::known_bytes).filter(|_| trial.cell.size == ByteSize::USER) {
        Some(bytes) => {
            let mut trial = trial.clone();
            trial.cell.size = ByteSize(bytes.max(1));
            Cow::Owned(trial)
        }
        None => Cow::Borrowed(trial),
    }
}

/// All trials of a plan with the sizes of [`sized`].
pub fn sized_trials(plan: &Plan) -> Vec<Trial> {
    plan.trials.iter().map(|trial| sized(trial, plan.request.user_image.as_ref()).into_owned()).collect()
}

/// Planned or assumed size of a trial's image in bytes.
pub fn size(trial: &Trial) -> u64 {
    let size = trial.cell.size;
    if size == ByteSize::USER { ASSUMED } else { size }.bytes()
}

/// Reason why a strategy cannot run on the user's image, if any: the plan then skips the trial.
pub fn lacks_sources(user_image: Option<&UserImage>, strategy: &StrategySpec) -> Option<&'static str> {
    let facts = handoff_strategies::find(strategy).ok()?.facts();
    let lacks = user_image.is_some_and(|o| !o.has_sources()) && !facts.moves_image;
    lacks.then_some(NEEDS_CONTEXT)
}

/// Disk of one job for an image of some size, in bytes: blobs and unpacked layers of the engine, the builder's cache, the
/// tar, and the client's archive.
fn job_bytes(trial: &Trial, size: u64) -> u64 {
    size * 5 * u64::from(1 + more_builds(&trial.cell).other_images) + (1 << 30)
}

/// Jobs of a trial that run concurrently.
fn at_once(trial: &Trial) -> u64 {
    let Conditions { consumers, consumer_concurrency, .. } = trial.cell.conditions;
    u64::from(consumer_concurrency.clamp(1, consumers.max(1)))
}

/// Disk that a trial needs at once, in bytes.
pub fn disk_bytes(trial: &Trial) -> u64 {
    job_bytes(trial, size(trial)) * at_once(trial)
}

/// Minimum disk of a trial in bytes, without an assumed size. The run skips a trial with less free space.
pub fn least_disk_bytes(trial: &Trial) -> u64 {
    job_bytes(trial, trial.cell.size.bytes()) * at_once(trial)
}

/// Storage of the service for a trial and its warm-ups, in bytes.
pub fn store_bytes(trial: &Trial) -> u64 {
    service_bytes(trial, size(trial))
}

/// Minimum storage of the service for a trial in bytes, without an assumed size.
pub fn least_store_bytes(trial: &Trial) -> u64 {
    service_bytes(trial, trial.cell.size.bytes())
}

fn service_bytes(trial: &Trial, size: u64) -> u64 {
    let runs = 1 + u64::from(warm_up_jobs(&trial.cell) + more_builds(&trial.cell).other_images);
    size * 5 / 4 * runs + (64 << 20)
}

/// Conditions of a cell's jobs: its own, with the builder that the variant names. The profile has the time of that builder's
/// pull where the cell's own builder pulls nothing.
pub fn job_conditions(cell: &Cell) -> Conditions {
    let of_cell = &cell.conditions;
    let Ok(strategy) = handoff_strategies::find(&cell.strategy) else { return of_cell.clone() };
    let mut conditions = strategy.conditions(of_cell);
    if conditions.builder == Builder::DockerContainer && of_cell.builder != conditions.builder {
        conditions.builder_pull_ms = profile::load(&conditions.profile).map_or(0, |profile| profile.builder_pull_ms());
    }
    conditions
}

/// Builds of a cell's trials beside their image.
fn more_builds(cell: &Cell) -> MoreBuilds {
    handoff_strategies::find(&cell.strategy).map(|s| s.more_builds()).unwrap_or_default()
}

/// Whether a cell's trials have a warm-up.
pub fn has_warm_up(cell: &Cell) -> bool {
    warm_up_jobs(cell) > 0
}

/// Number of warm-ups of a cell's trial: for its cache state, and for the pushes before its own.
fn warm_up_jobs(cell: &Cell) -> u32 {
    let outlives = handoff_strategies::find(&cell.strategy).is_ok_and(|s| s.outlives_a_run());
    u32::from(outlives && cell.conditions.cache_state != CacheState::Cold) + more_builds(cell).earlier_pushes
}

/// Number of a trial's jobs: warm-ups, the producer if there is one, and consumers.
pub fn jobs(trial: &Trial) -> u32 {
    let produces = handoff_strategies::find(&trial.cell.strategy).is_ok_and(|s| s.facts().has_producer);
    warm_up_jobs(&trial.cell) + u32::from(produces) + trial.cell.conditions.consumers
}

/// Needs of a plan.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Needs {
    /// Trials to run.
    pub trials: usize,
    /// Minimum free disk in bytes.
    pub least_disk_bytes: u64,
    /// Sufficient free disk in bytes, with an assumed size where an image's size is unknown.
    pub disk_bytes: u64,
    /// Total of written bytes.
    pub written_bytes: u64,
    /// Estimated time in seconds.
    pub estimate_s: u64,
}

/// Estimated time of a trial.
pub fn first_guess(trial: &Trial) -> Duration {
    Duration::from_secs_f64(Estimator::default().seconds(trial))
}

/// Total needs of a plan's trials.
pub fn of<'a>(trials: impl IntoIterator<Item = &'a Trial>) -> Needs {
    let mut needs = Needs { trials: 0, least_disk_bytes: 0, disk_bytes: 0, written_bytes: 0, estimate_s: 0 };
    let (mut estimator, mut seconds) = (Estimator::default(), 0.0);
    for trial in trials {
        needs.trials += 1;
        needs.least_disk_bytes = needs.least_disk_bytes.max(least_disk_bytes(trial));
        needs.disk_bytes = needs.disk_bytes.max(disk_bytes(trial));
        needs.written_bytes += job_bytes(trial, size(trial)) * u64::from(jobs(trial));
        seconds += estimator.seconds(trial);
    }
    needs.estimate_s = seconds as u64;
    needs
}

/// Reasons of strategies that refuse a plan's conditions, each once.
pub fn refusals(plan: &Plan) -> Vec<String> {
    let mut reasons: Vec<String> = Vec::new();
    let user_image = plan.request.user_image.as_ref();
    for trial in plan.trials.iter().filter(|t| lacks_sources(user_image, &t.cell.strategy).is_none()) {
        let spec = &trial.cell.strategy;
        let Ok(mut strategy) = (match trial.cell.conditions.engine {
            EngineKind::Host => handoff_strategies::github::find(spec),
            _ => handoff_strategies::find(spec),
        }) else {
            continue;
        };
        let built = user_image.is_some_and(|o| !o.has_sources());
        let output = built && strategy.source() == Some(&mut Source::Output);
        let others = user_image.is_some() && strategy.more_builds() != MoreBuilds::default();
        let of_trial = [
            output.then(|| "a finished image can only be saved: leave source=output out".to_owned()),
            others.then(|| "it builds variants of the image, which only a workload has: use a workload".to_owned()),
            strategy.refused(&trial.cell.conditions),
        ];
        for reason in of_trial.into_iter().flatten() {
            let text = format!("{spec}: {reason}");
            if !reasons.contains(&text) {
                reasons.push(text);
            }
        }
    }
    reasons
}

/// Needs of a plan on GitHub's runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RunnerNeeds {
    /// Jobs, including those that plan, clean up and report.
    pub jobs: u64,
    /// Billed minutes: each job's time, rounded up to a whole minute.
    pub minutes: u64,
}

/// Estimated needs on GitHub's runners, where a job's time grows with the image.
pub fn of_runners(plan: &Plan) -> RunnerNeeds {
    let mut needs = RunnerNeeds { jobs: 2, minutes: 8 + 2 };
    for trial in &plan.trials {
        let produces = handoff_strategies::github::find(&trial.cell.strategy).is_ok_and(|s| s.facts().has_producer);
        let roles = u64::from(trial.cell.conditions.consumers) + u64::from(produces);
        let gib = trial.cell.size.bytes() as f64 / (1u64 << 30) as f64;
        // Download of the binary and identification take about as long as the role.
        let minutes = (0.5 + 1.5 * gib).ceil() as u64;
        needs.jobs += roles + u64::from(produces);
        needs.minutes += roles * minutes + u64::from(produces);
    }
    needs
}

#[cfg(test)]
mod tests {
    use super::*;
    use handoff_model::ByteSize;

    fn trial(strategy: &str, conditions: Conditions) -> Trial {
        let cell = Cell {
            strategy: strategy.parse().unwrap(),
            workload: "typical".into(),
            size: ByteSize(1 << 30),
            conditions,
            control: false,
        };
        Trial { id: "1".into(), round: 1, position: 1, cell, nonce: String::new() }
    }

    #[test]
    fn disk_needs_follow_the_daemon_s_size_and_an_unknown_size_is_not_refused() {
        let mut user_sized = trial("artifact", Conditions::default());
        user_sized.cell.size = ByteSize::USER;
        let known = UserImage::Image { name: "a".into(), id: "b".into(), bytes: Some(3_000_000), store: None };
        let small = sized(&user_sized, Some(&known));
        assert_eq!(disk_bytes(&small), 15_000_000 + (1 << 30));
        assert_eq!(least_disk_bytes(&small), disk_bytes(&small));
        let context = UserImage::Context { dir: "/x".into(), dockerfile: None, build_args: vec![] };
        let unknown = sized(&user_sized, Some(&context));
        assert_eq!((least_disk_bytes(&unknown), disk_bytes(&unknown)), (1 << 30, 6 << 30));
        assert!(first_guess(&small) < first_guess(&unknown));
    }

    #[test]
    fn builder_of_a_variant_is_booted_and_its_pull_takes_the_profile_s_time() {
        use handoff_model::Builder::{Docker, DockerContainer};
        let named = |strategy: &str, builder, builder_pull_ms, profile: &str| {
            let profile = profile.to_owned();
            let conditions = Conditions { builder, builder_pull_ms, profile, ..Conditions::default() };
            let conditions = job_conditions(&trial(strategy, conditions).cell);
            (conditions.builder, conditions.builder_pull_ms)
        };
        let pull = profile::load("github-hosted").unwrap().builder_pull_ms();
        assert!(pull > 0);
        let container = "relay:builder=docker-container";
        assert_eq!(named(container, Docker, 0, "github-hosted"), (DockerContainer, pull));
        assert_eq!(named(container, Docker, 0, "loopback"), (DockerContainer, 0));
        assert_eq!(
            named(container, DockerContainer, 7, "github-hosted"),
            (DockerContainer, 7),
            "a resumed run keeps its time"
        );
        assert_eq!(named("relay:builder=docker", DockerContainer, 7, "github-hosted"), (Docker, 0));
        assert_eq!(named("relay", Docker, 0, "github-hosted"), (Docker, 0));
        let hosted = Conditions { profile: "github-hosted".into(), ..Conditions::default() };
        let guess = |strategy: &str| first_guess(&trial(strategy, hosted.clone()));
        assert_eq!(guess(container), guess("relay") + Duration::from_millis(pull));
    }

    #[test]
    fn time_grows_with_all_jobs_and_disk_with_concurrent_jobs() {
        let one = Conditions::default();
        let eleven = Conditions { consumers: 11, ..one.clone() };
        let at_once = Conditions { consumer_concurrency: 4, ..eleven.clone() };
        let warm = Conditions { cache_state: CacheState::Warm, ..one.clone() };
        let count = |strategy: &str, c: &Conditions| jobs(&trial(strategy, c.clone()));
        assert_eq!([count("gha-cache", &one), count("gha-cache", &eleven), count("rebuild", &eleven)], [2, 12, 11]);
        assert_eq!([count("gha-cache", &warm), count("artifact", &warm), count("rebuild", &warm)], [3, 2, 1]);
        let disk = |c: &Conditions| disk_bytes(&trial("artifact", c.clone()));
        assert_eq!((disk(&eleven), disk(&at_once)), (disk(&one), 4 * disk(&one)));
        assert_eq!((count("local-cache:pushes=5", &one), count("gha-cache:images=2", &one)), (6, 2));
        let room = |strategy: &str| disk_bytes(&trial(strategy, one.clone()));
        assert!(room("gha-cache:images=2") > room("gha-cache") && room("local-cache:pushes=5") == room("local-cache"));
        let guess = |c: &Conditions| first_guess(&trial("gha-cache", c.clone()));
        assert_eq!((guess(&eleven), guess(&warm)), (guess(&one) * 6, guess(&one) * 3 / 2));
    }
}
