//! What a plan needs: disk, bytes moved, time. Rough on purpose, and told as such; the run itself refines the time.

use std::borrow::Cow;
use std::time::Duration;

use handoff_model::user_image::NEEDS_CONTEXT;
use handoff_model::{ByteSize, CacheState, Cell, Conditions, EngineKind, Plan, StrategySpec, Trial, UserImage};
use handoff_strategies::{MoreBuilds, Source};

pub mod estimate;

use estimate::Estimator;

/// What is assumed of an image whose size is unknown until it is built: that of the user's own context.
pub const ASSUMED: ByteSize = ByteSize(ByteSize::GIB);

/// A trial with the size that the user's daemon names for its image, where the plan has none. For needs and estimates only:
/// rows keep what is measured.
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

/// All trials of a plan so.
pub fn sized_trials(plan: &Plan) -> Vec<Trial> {
    plan.trials.iter().map(|trial| sized(trial, plan.request.user_image.as_ref()).into_owned()).collect()
}

/// The size asked for, or assumed.
pub fn size(trial: &Trial) -> u64 {
    let size = trial.cell.size;
    if size == ByteSize::USER { ASSUMED } else { size }.bytes()
}

/// Why a trial cannot run on the user's own image, if so: the plan leaves it out.
pub fn lacks_sources(user_image: Option<&UserImage>, strategy: &StrategySpec) -> Option<&'static str> {
    let facts = handoff_strategies::find(strategy).ok()?.facts();
    let lacks = user_image.is_some_and(|o| !o.has_sources()) && !facts.moves_image;
    lacks.then_some(NEEDS_CONTEXT)
}

/// Disk that one job may hold for an image of that size, in bytes: the engine's blobs, its unpacked layers, the builder's
/// cache of them, the tar and the client's archive.
fn job_bytes(trial: &Trial, size: u64) -> u64 {
    size * 5 * u64::from(1 + more_builds(&trial.cell).other_images) + (1 << 30)
}

/// Jobs of a trial that are alive at once.
fn at_once(trial: &Trial) -> u64 {
    let Conditions { consumers, consumer_concurrency, .. } = trial.cell.conditions;
    u64::from(consumer_concurrency.clamp(1, consumers.max(1)))
}

/// Disk that one trial may hold at once, in bytes: only jobs that run at once are alive at once.
pub fn disk_bytes(trial: &Trial) -> u64 {
    job_bytes(trial, size(trial)) * at_once(trial)
}

/// Disk that one trial holds whatever its image's size turns out to be, in bytes. Less free is refused: an assumed size
/// refuses nothing.
pub fn least_disk_bytes(trial: &Trial) -> u64 {
    job_bytes(trial, trial.cell.size.bytes()) * at_once(trial)
}

/// What the service may hold of one trial, in bytes: of a primed one once more for each earlier run.
pub fn store_bytes(trial: &Trial) -> u64 {
    service_bytes(trial, size(trial))
}

/// What it holds whatever the image's size turns out to be, in bytes.
pub fn least_store_bytes(trial: &Trial) -> u64 {
    service_bytes(trial, trial.cell.size.bytes())
}

fn service_bytes(trial: &Trial, size: u64) -> u64 {
    let runs = 1 + u64::from(priming_jobs(&trial.cell) + more_builds(&trial.cell).other_images);
    size * 5 / 4 * runs + (64 << 20)
}

/// What a cell's trials build beside their image.
fn more_builds(cell: &Cell) -> MoreBuilds {
    handoff_strategies::find(&cell.strategy).map(|s| s.more_builds()).unwrap_or_default()
}

/// Whether a cell's trials have a priming run.
pub fn is_primed(cell: &Cell) -> bool {
    priming_jobs(cell) > 0
}

/// The jobs that prepare a cell's trial: the run of its cache state, and the pushes before its own.
fn priming_jobs(cell: &Cell) -> u32 {
    let outlives = handoff_strategies::find(&cell.strategy).is_ok_and(|s| s.outlives_a_run());
    u32::from(outlives && cell.conditions.cache_state != CacheState::Cold) + more_builds(cell).earlier_pushes
}

/// The jobs that a trial runs: its producer, if it has one, its consumers, and the priming run's.
pub fn jobs(trial: &Trial) -> u32 {
    let produces = handoff_strategies::find(&trial.cell.strategy).is_ok_and(|s| s.facts().has_producer);
    priming_jobs(&trial.cell) + u32::from(produces) + trial.cell.conditions.consumers
}

/// A plan's needs.
#[derive(Debug, Clone, serde::Serialize)]
pub struct Needs {
    /// Trials to run.
    pub trials: usize,
    /// Free disk that must be there, in bytes.
    pub least_disk_bytes: u64,
    /// Free disk that will do, in bytes: more than that where the size of an image is unknown and assumed.
    pub disk_bytes: u64,
    /// Bytes that will be written in all, in bytes.
    pub written_bytes: u64,
    /// A first guess at the time, in seconds.
    pub estimate_s: u64,
}

/// A first guess at a trial's time.
pub fn first_guess(trial: &Trial) -> Duration {
    Duration::from_secs_f64(Estimator::default().seconds(trial))
}

/// Adds a plan's needs up.
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

/// What strategies refuse under a plan's conditions, each reason once.
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
            output.then(|| "an image that is built already is saved: leave source=output out".to_owned()),
            others.then(|| {
                "it builds further images that differ in a layer, and your own is only read: use a workload".to_owned()
            }),
            strategy.refuses(&trial.cell.conditions),
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

/// What a plan takes of GitHub's runners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
pub struct RunnerNeeds {
    /// Jobs, those that plan, clean up and report included.
    pub jobs: u64,
    /// Minutes that are billed: each job's time, rounded up to a whole minute.
    pub minutes: u64,
}

/// A first guess at the runners' minutes: a job's own time grows with the image, and every job starts a minute.
pub fn of_runners(plan: &Plan) -> RunnerNeeds {
    let mut needs = RunnerNeeds { jobs: 2, minutes: 8 + 2 };
    for trial in &plan.trials {
        let produces = handoff_strategies::github::find(&trial.cell.strategy).is_ok_and(|s| s.facts().has_producer);
        let sides = u64::from(trial.cell.conditions.consumers) + u64::from(produces);
        let gib = trial.cell.size.bytes() as f64 / (1u64 << 30) as f64;
        // Fetching the binary and looking at the image cost about as much again as the side's own clock.
        let minutes = (0.5 + 1.5 * gib).ceil() as u64;
        needs.jobs += sides + u64::from(produces);
        needs.minutes += sides * minutes + u64::from(produces);
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
    fn image_of_the_daemon_needs_room_for_its_own_size_and_an_unknown_one_is_not_refused() {
        let mut own_size = trial("artifact", Conditions::default());
        own_size.cell.size = ByteSize::USER;
        let known = UserImage::Image { name: "a".into(), id: "b".into(), bytes: Some(3_000_000), store: None };
        let small = sized(&own_size, Some(&known));
        assert_eq!(disk_bytes(&small), 15_000_000 + (1 << 30));
        assert_eq!(least_disk_bytes(&small), disk_bytes(&small));
        let context = UserImage::Context { dir: "/x".into(), dockerfile: None, build_args: vec![] };
        let unknown = sized(&own_size, Some(&context));
        assert_eq!((least_disk_bytes(&unknown), disk_bytes(&unknown)), (1 << 30, 6 << 30));
        assert!(first_guess(&small) < first_guess(&unknown));
    }

    #[test]
    fn every_job_takes_time_and_only_those_at_once_take_room_at_once() {
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
