//! The factors of an experiment: their levels, crossed into conditions.

use handoff_docker::user;
use handoff_model::{Builder, CacheState, Conditions, EngineKind, ImageStore};

use super::{PlanArgs, github, list};
use crate::exit::bad_input;

impl PlanArgs {
    /// Whether no option names a condition.
    pub(super) fn names_no_condition(&self) -> bool {
        let named = [&self.engine, &self.profile, &self.image_store, &self.builder, &self.cache_state, &self.consumers];
        let changes = self.link_rate.is_some() || self.request_time.is_some() || !self.fault.is_empty();
        named.iter().all(|n| n.is_none()) && self.consumer_concurrency.is_none() && !changes
    }

    /// Crosses the factors: every level of one with every level of the others. A factor that is not named keeps the
    /// levels of `stored`, else its default.
    pub(super) fn conditions(&self, stored: &[Conditions]) -> anyhow::Result<Vec<Conditions>> {
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
        let consumers =
            levels::<Consumers>("--consumers", self.consumers.as_ref(), held(&|c| c.consumers.to_string()))?;
        let held = stored.iter().map(|c| c.consumer_concurrency).max().unwrap_or(1);
        let at_once = self.consumer_concurrency.unwrap_or(held);
        if at_once == 0 {
            return Err(bad_input("--consumer-concurrency 0 runs no consumer: use 1 or more"));
        }
        let mut all = Vec::new();
        // Another's daemon has the store that it has, and its own builder is not ours to use.
        let free = |engine: EngineKind, named: &Option<String>| {
            engine == EngineKind::Host && named.is_none() && stored.is_empty() && !self.github
        };
        let mut placed = Vec::new();
        for engine in engines {
            let held = if free(engine, &self.image_store) { vec![host_store()?] } else { stores.clone() };
            let builders = if free(engine, &self.builder) { vec![Builder::DockerContainer] } else { builders.clone() };
            placed.extend(held.into_iter().map(|store| (engine, store, builders.clone())));
        }
        for (engine, image_store, builders) in placed {
            for (builder, profile) in builders.iter().flat_map(|b| profiles.iter().map(move |p| (*b, p))) {
                for (cache_state, consumers) in states.iter().flat_map(|s| consumers.iter().map(move |c| (*s, c.0))) {
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
                    if self.github {
                        github::check(&conditions)?;
                    } else {
                        check(&conditions)?;
                    }
                    all.push(conditions);
                }
            }
        }
        Ok(all)
    }
}

/// A number of consumers.
#[derive(Debug, Clone, Copy)]
struct Consumers(u32);

impl std::str::FromStr for Consumers {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let count = text.parse().ok().filter(|count| (1..=256).contains(count));
        count.map(Self).ok_or("use 1 to 256")
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
    if conditions.engine == EngineKind::Host && conditions.consumer_concurrency > 1 {
        return Err(bad_input(
            "--consumer-concurrency with --engine host: consumers in one daemon would find each other's image, leave it out",
        ));
    }
    Ok(())
}

/// The image store of the user's daemon.
fn host_store() -> anyhow::Result<ImageStore> {
    Ok(user::facts(&user::socket()?)?.store)
}
