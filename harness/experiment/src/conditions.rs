//! The factors of an experiment that are conditions, crossed.

use handoff_link::profile;
use handoff_model::conditions::LOOPBACK;
use handoff_model::list::{repeated, unique};
use handoff_model::{Builder, CacheState, Conditions, DiskLimit, EngineKind, EngineVersion, UserImage};

use crate::context::{Context, RunsOn};
use crate::error::Fault;
use crate::factors::Factors;
use crate::levels::{Consumers, Level, List, twice};

/// Crosses the factors: every level of one with every level of the others. A factor that is not named keeps the levels of
/// `stored`, else its default.
pub(crate) fn cross(factors: &Factors, stored: &[Conditions], context: &Context<'_>) -> Result<Vec<Conditions>, Fault> {
    let here = context.runs_on == RunsOn::Here;
    let default = [Conditions::default()];
    let held = if stored.is_empty() { &default } else { stored };
    let engines = levels(factors.engines.as_ref(), held, |c| c.engine);
    let versions = levels(factors.engine_versions.as_ref(), held, |c| c.engine_version);
    let stores = levels(factors.image_stores.as_ref(), held, |c| c.image_store);
    let builders = levels(factors.builders.as_ref(), held, |c| c.builder);
    let profiles = profiles(factors, context.runs_on)?.unwrap_or_else(|| levels(None, held, |c| c.profile.clone()));
    let states = levels(factors.cache_states.as_ref(), held, |c| c.cache_state);
    let consumers = levels(factors.consumers.as_ref(), held, |c| Consumers::held(c.consumers));
    let most = stored.iter().map(|c| c.consumer_concurrency).max().unwrap_or(1);
    let at_once = factors.consumer_concurrency.map_or(most, u32::from);
    let mut all = Vec::new();
    for (engine, engine_version) in pairs(&engines, &versions) {
        // Another's daemon has the store that it has, and its own builder is not ours to use.
        let host = engine == EngineKind::Host && stored.is_empty() && here;
        let host_store = context.host_store.filter(|_| host && factors.image_stores.is_none());
        let stores = host_store.map_or_else(|| stores.clone(), |store| vec![store]);
        let default_builder = host && factors.builders.is_none();
        let builders = if default_builder { vec![Builder::DockerContainer] } else { builders.clone() };
        for (image_store, builder) in pairs(&stores, &builders) {
            for (profile, cache_state) in pairs(&profiles, &states) {
                let disk_limit = if here { disk_limit(&profile, stored)? } else { DiskLimit::NONE };
                for consumers in consumers.iter().map(|c| c.count()) {
                    let conditions = Conditions {
                        engine,
                        image_store,
                        builder,
                        profile: profile.clone(),
                        cache_state,
                        consumers,
                        // One consumer is one at a time, whatever was asked: no second name for the same thing.
                        consumer_concurrency: at_once.min(consumers),
                        engine_version,
                        builder_pull_ms: builder_pull_ms(builder, &profile, stored),
                        disk_limit,
                    };
                    let problem = if here { impossible(&conditions) } else { not_in_a_workflow(&conditions) };
                    problem.map_or(Ok(()), Err)?;
                    all.push(conditions);
                }
            }
        }
    }
    context.user_image.as_ref().and_then(|user_image| changes_user_image(user_image, &all)).map_or(Ok(all), Err)
}

/// Simulated pull of the builder's image, in ms. The profile of a plan that this machine cannot read simulates none, and a run that
/// goes on keeps the time with which it was measured.
fn builder_pull_ms(builder: Builder, name: &str, stored: &[Conditions]) -> u64 {
    if let Some(held) = stored.iter().find(|held| held.profile == name && held.builder == builder) {
        return held.builder_pull_ms;
    }
    let pulls = builder == Builder::DockerContainer;
    profile::load(name).ok().filter(|_| pulls).map_or(0, |profile| profile.builder_pull_ms())
}

fn pairs<A: Clone, B: Clone>(a: &[A], b: &[B]) -> Vec<(A, B)> {
    a.iter().flat_map(|a| b.iter().map(|b| (a.clone(), b.clone()))).collect()
}

/// The levels of one factor: those that are named, else those that are held.
fn levels<T: Level + Clone>(named: Option<&List<T>>, held: &[Conditions], of: impl Fn(&Conditions) -> T) -> Vec<T> {
    named.map_or_else(|| unique(held.iter().map(of)), |named| named.to_vec())
}

/// The profiles that are named, with the changes that options make of all of them; none where nothing names any.
fn profiles(factors: &Factors, runs_on: RunsOn) -> Result<Option<Vec<String>>, Fault> {
    let changes: Vec<(&'static str, String)> = (factors.link_rate.iter())
        .map(|rate| ("link_rate", format!("aggregate={rate}")))
        .chain(factors.request_time.iter().map(|time| ("request_time", format!("request_ms={time}"))))
        .chain(factors.faults.iter().flatten().map(|fault| ("faults", format!("faults.{fault}"))))
        .collect();
    let named = match &factors.profiles {
        Some(named) => named.iter().map(|name| name.0.clone()).collect(),
        None if changes.is_empty() => return Ok(None),
        None => vec![LOOPBACK.to_owned()],
    };
    let changed = |name: &String| {
        // GitHub's own link is no profile of ours.
        if runs_on == RunsOn::GitHub {
            return Ok(name.clone());
        }
        let mut known = profile::canonical(name).map_err(|error| Fault::at("profiles", error))?;
        let mut text = name.clone();
        for (key, change) in &changes {
            text = profile::add(&text, change);
            known = profile::canonical(&text).map_err(|error| Fault::at(key, error))?;
        }
        Ok(known)
    };
    let all: Vec<String> = named.iter().map(changed).collect::<Result<_, Fault>>()?;
    match repeated(&all) {
        Some(name) => Err(Fault::at("profiles", twice(name))),
        None => Ok(Some(all)),
    }
}

/// Limit of each job's disk under a profile. A run that goes on keeps the limit with which it was measured.
fn disk_limit(profile: &str, stored: &[Conditions]) -> Result<DiskLimit, Fault> {
    if let Some(held) = stored.iter().find(|held| held.profile == profile) {
        return Ok(held.disk_limit);
    }
    profile::load(profile).map(|profile| profile.disk_limit()).map_err(|error| Fault::at("profiles", error))
}

/// Reason why no trial can have these conditions, if there is one.
fn impossible(conditions: &Conditions) -> Option<Fault> {
    let Conditions { engine, engine_version, profile, disk_limit, .. } = conditions;
    if *engine != EngineKind::Private && *engine_version != EngineVersion::Installed {
        let problem = format!(
            "--engine-version {engine_version} with --engine {engine}: that engine has the version of its daemon or image, leave one of the two out"
        );
        return Some(Fault::at("engine_versions", problem));
    }
    if !disk_limit.is_none() && *engine != EngineKind::Private {
        let without = profile::add(profile, "disk=none");
        let problem = format!(
            "--profile {profile} limits the jobs' disk to {disk_limit}, which --engine {engine} cannot: use --profile {without}, or --engine private"
        );
        return Some(Fault::from(problem));
    }
    if *engine != EngineKind::Host {
        return None;
    }
    if conditions.builder == Builder::Docker {
        let problem = "--engine host with --builder docker would fill the build cache of the daemon itself, which is yours: leave --builder out, or use --builder docker-container";
        return Some(Fault::from(problem.to_owned()));
    }
    let problem = "--consumer-concurrency with --engine host: consumers in one daemon would find each other's image, leave it out";
    (conditions.consumer_concurrency > 1).then(|| Fault::from(problem.to_owned()))
}

/// Reason why the workflows cannot make these conditions, if there is one.
fn not_in_a_workflow(conditions: &Conditions) -> Option<Fault> {
    let (state, version) = (conditions.cache_state, conditions.engine_version);
    if version != EngineVersion::Installed {
        let problem = format!("--engine-version {version}: a hosted runner has the engine of its image, leave it out");
        return Some(Fault::at("engine_versions", problem));
    }
    let problem =
        || Fault::at("cache_states", format!("--cache-state {state}: the workflows have no priming run, use cold"));
    (state != CacheState::Cold).then(problem)
}

/// Reason why the user's image cannot have these conditions: they would change the user's Dockerfile.
fn changes_user_image(user_image: &UserImage, conditions: &[Conditions]) -> Option<Fault> {
    let changes = |state: &CacheState| matches!(state, CacheState::OneLayer | CacheState::BaseLayer);
    let state = conditions.iter().map(|c| c.cache_state).find(changes)?;
    let problem =
        format!("--cache-state {state} changes a layer of the image, and {user_image} is only read: use cold or warm");
    Some(Fault::at("cache_states", problem))
}
