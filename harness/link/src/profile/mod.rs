//! Link profiles: what a link is made to cost, as data with the source of every figure.
//!
//! A profile is a TOML file. Those that come with the project stand in `profiles/`; any other is given by its path. Each
//! figure may say where it is from and how far it may be off, because a result that depends on an assumption has to
//! be shown for both ends of it.

mod change;
mod error;
mod figure;
mod read;

use std::collections::BTreeMap;
use std::path::Path;

pub use change::{GRAMMAR, add, split_list};
pub use error::ProfileError;
pub use figure::{Evidence, Figure, Unit};

use figure::FIGURES;

const NAMED: [(&str, &str); 3] = [
    ("loopback", include_str!("../../profiles/loopback.toml")),
    ("github-hosted", include_str!("../../profiles/github-hosted.toml")),
    ("github-far", include_str!("../../profiles/github-far.toml")),
];

/// Which of the services a blob belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServiceKind {
    /// Artifacts.
    Artifact,
    /// Cache entries.
    Cache,
}

/// Which way payload moves, as the job sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the job into the service.
    Up,
    /// From the service to the job.
    Down,
}

/// The rates of one direction of one kind of traffic, in bytes a second; `None` is not limited.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RateLimit {
    /// Of each connection.
    pub connection: Option<f64>,
    /// Of all connections of a job together.
    pub aggregate: Option<f64>,
}

/// How often requests meet a fault, and what it does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultFigures {
    /// Share of blob requests that stall.
    pub stall: f64,
    /// Seconds of a stall.
    pub stall_s: f64,
    /// Share of blob requests that are slow.
    pub slow: f64,
    /// How many times as long the bytes of a slow request take.
    pub slow_factor: f64,
    /// Share of blob requests whose connection breaks.
    pub reset: f64,
    /// Share of blob requests that are answered with 500.
    pub status_500: f64,
    /// Share of blob requests that are answered with 503.
    pub status_503: f64,
    /// Share of calls that are answered with 429.
    pub status_429: f64,
    /// Seconds in the Retry-After of a 429.
    pub retry_after_s: u64,
    /// Seed of the draw.
    pub seed: u64,
}

impl FaultFigures {
    /// The share of blob requests that meet one.
    fn of_blobs(&self) -> f64 {
        self.stall + self.slow + self.reset + self.status_500 + self.status_503
    }
}

/// How the link between a job and the service is shaped. The default shapes nothing: bare loopback.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// The name that it gives itself, with every change of a figure.
    pub name: String,
    /// One line: what it stands for.
    pub summary: String,
    /// Prose: where its figures come from, and what it does not say.
    pub about: String,
    figures: Figures,
}

type Figures = BTreeMap<&'static str, Figure>;

impl Default for Profile {
    fn default() -> Self {
        let (name, summary) = ("loopback".to_owned(), "nothing is shaped".to_owned());
        Self { name, summary, about: String::new(), figures: Figures::new() }
    }
}

impl Profile {
    /// The figure of that key (`cache.down.connection`), if the profile has it.
    pub fn figure(&self, key: &str) -> Option<&Figure> {
        self.figures.get(key)
    }

    /// Every figure that it has, with key and unit, in the order of the documentation.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, Unit, &Figure)> {
        FIGURES.iter().filter_map(|(key, unit)| Some((*key, *unit, self.figures.get(key)?)))
    }

    /// The rates of a direction of a kind of traffic.
    pub fn limit(&self, kind: ServiceKind, direction: Direction) -> RateLimit {
        let (connection, aggregate) = match (kind, direction) {
            (ServiceKind::Artifact, Direction::Up) => ("artifact.up.connection", "artifact.up.aggregate"),
            (ServiceKind::Artifact, Direction::Down) => ("artifact.down.connection", "artifact.down.aggregate"),
            (ServiceKind::Cache, Direction::Up) => ("cache.up.connection", "cache.up.aggregate"),
            (ServiceKind::Cache, Direction::Down) => ("cache.down.connection", "cache.down.aggregate"),
        };
        RateLimit { connection: self.value(connection), aggregate: self.value(aggregate) }
    }

    /// Time of a blob request besides its bytes (round trip and server), in ms.
    pub fn request_ms(&self, kind: ServiceKind) -> f64 {
        let key = match kind {
            ServiceKind::Artifact => "artifact.request_ms",
            ServiceKind::Cache => "cache.request_ms",
        };
        self.value(key).unwrap_or(0.0)
    }

    /// Time of a call of the artifact or cache service, in ms.
    pub fn call_ms(&self) -> f64 {
        self.value("api.call_ms").unwrap_or(0.0)
    }

    /// Cache entries that may be created within a minute; more are answered with 429.
    pub fn creates_per_minute(&self) -> Option<usize> {
        self.value("cache.creates_per_minute").map(|count| count as usize)
    }

    /// Bytes that cache entries may take; beyond it the least recently used go.
    pub fn storage_limit(&self) -> Option<u64> {
        self.value("cache.storage_limit").map(|bytes| bytes as u64)
    }

    /// Reads the text of a profile; `origin` is what errors call it.
    ///
    /// # Errors
    /// What is no TOML, a key that no profile has (with the nearest one), a value that is not of its unit.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        read::read(origin, text)
    }

    /// Faults that requests meet, if any do.
    pub fn faults(&self) -> Option<FaultFigures> {
        let value = |key: &str| self.value(key).unwrap_or(0.0);
        let figures = FaultFigures {
            stall: value("faults.stall"),
            stall_s: self.value("faults.stall_s").unwrap_or(30.0),
            slow: value("faults.slow"),
            slow_factor: self.value("faults.slow_factor").unwrap_or(10.0),
            reset: value("faults.reset"),
            status_500: value("faults.500"),
            status_503: value("faults.503"),
            status_429: value("faults.429"),
            retry_after_s: self.value("faults.retry_after_s").unwrap_or(5.0) as u64,
            seed: self.value("faults.seed").unwrap_or(1.0) as u64,
        };
        (figures.of_blobs() + figures.status_429 > 0.0).then_some(figures)
    }

    /// What figures must be to each other: the key at fault and what is wrong.
    fn check(&self) -> Result<(), (&'static str, String)> {
        let Some(faults) = self.faults() else { return Ok(()) };
        // A little more than all: ten times 10 % are not exactly 1.
        if faults.of_blobs() > 1.0 + 1e-9 {
            let problem = "meet more than all requests: stall, slow, reset, 500 and 503 add up to 1 at most";
            return Err(("faults", problem.to_owned()));
        }
        if faults.slow > 0.0 {
            for (kind, kind_name) in [(ServiceKind::Artifact, "artifact"), (ServiceKind::Cache, "cache")] {
                for (direction, way) in [(Direction::Up, "up"), (Direction::Down, "down")] {
                    let limit = self.limit(kind, direction);
                    if limit.connection.or(limit.aggregate).is_none() {
                        let problem = format!("divides a rate, and `{kind_name}.{way}` has none: set one");
                        return Err(("faults.slow", problem));
                    }
                }
            }
        }
        Ok(())
    }

    fn value(&self, key: &str) -> Option<f64> {
        self.figures.get(key).map(|figure| figure.value)
    }
}

/// The names of the profiles that come with the project.
pub fn names() -> Vec<&'static str> {
    NAMED.iter().map(|(name, _)| *name).collect()
}

/// The profile of that name, or the one in the TOML file at that path, with the changes behind a colon ([`GRAMMAR`]).
///
/// # Errors
/// An unknown name (with the nearest known one), a file that cannot be read, a file that takes the name of a profile of the
/// project, what [`Profile::parse`] refuses, and changes of what is no figure or no value of it.
pub fn load(text: &str) -> Result<Profile, ProfileError> {
    let (base, changes) = change::parts(text);
    let profile = unchanged(base)?;
    match changes {
        None => Ok(profile),
        Some(changes) => change::apply(profile, text, base, changes),
    }
}

/// The name by which rows know the profile that `text` names: as [`load`] reads it, with its changes in one spelling.
///
/// # Errors
/// What [`load`] refuses.
pub fn canonical(text: &str) -> Result<String, ProfileError> {
    let profile = load(text)?;
    // Without changes a file is known by its path, as it has to be found again.
    Ok(if change::parts(text).1.is_some() { profile.name } else { text.to_owned() })
}

fn unchanged(name_or_path: &str) -> Result<Profile, ProfileError> {
    if let Some((name, text)) = NAMED.iter().find(|(name, _)| *name == name_or_path) {
        return Profile::parse(name, text);
    }
    // Anything that looks like a path is one, so that a misspelt path is not taken for a misspelt name.
    let path = Path::new(name_or_path);
    if path.extension().is_none() && path.components().count() < 2 {
        let hint = handoff_model::nearest::hint(name_or_path, &names());
        return Err(ProfileError::Unknown { name: name_or_path.to_owned(), hint });
    }
    let text = handoff_model::regular_file::read_to_string(path)
        .map_err(|source| ProfileError::Read { path: name_or_path.to_owned(), source })?;
    let profile = Profile::parse(name_or_path, &text)?;
    if names().contains(&profile.name.as_str()) {
        return Err(ProfileError::Taken { origin: name_or_path.to_owned(), name: profile.name });
    }
    Ok(profile)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_profile_is_explained_and_every_figure_has_its_source() {
        assert_eq!(names(), ["loopback", "github-hosted", "github-far"]);
        for name in names() {
            let profile = load(name).unwrap();
            assert_eq!(profile.name, name);
            assert!(profile.about.len() > 100 && !profile.summary.is_empty());
            for (key, _, figure) in profile.figures() {
                assert!(figure.note.len() > 20 && figure.basis.is_some(), "{name}: {key}");
                let ranged = figure.low.is_some() && figure.high.is_some();
                assert!(
                    ranged || figure.basis == Some(Evidence::Published),
                    "{name}: {key} is assumed without a range"
                );
            }
        }
    }

    #[test]
    fn loopback_is_the_default_and_shapes_nothing() {
        let profile = load("loopback").unwrap();
        assert_eq!((profile.figures().count(), profile.call_ms()), (0, 0.0));
        assert_eq!(profile.name, Profile::default().name);
        assert_eq!(profile.limit(ServiceKind::Cache, Direction::Down), RateLimit::default());
    }

    #[test]
    fn the_near_profile_has_the_published_figures() {
        const MIB: f64 = 1_048_576.0;
        let profile = load("github-hosted").unwrap();
        let down = profile.limit(ServiceKind::Cache, Direction::Down);
        assert_eq!((down.connection, down.aggregate), (Some(30.0 * MIB), Some(120.0 * MIB)));
        assert_eq!((profile.request_ms(ServiceKind::Artifact), profile.call_ms()), (5.0, 200.0));
        assert_eq!(profile.faults(), None);
        let shaped = FIGURES.iter().filter(|(key, _)| !key.starts_with("faults."));
        for name in ["github-hosted", "github-far"] {
            let profile = load(name).unwrap();
            assert!(shaped.clone().all(|(key, _)| profile.figure(key).is_some()), "{name}");
        }
    }

    #[test]
    fn names_and_paths_that_are_not_there_are_told() {
        let error = load("github-hostd").unwrap_err().to_string();
        assert!(error.contains("did you mean `github-hosted`?") && error.contains("TOML file"), "{error}");
        assert!(load("./none.toml").unwrap_err().to_string().contains("./none.toml"));
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("mine.toml").display().to_string();
        std::fs::write(&path, "name = 'github-far'\nsummary = 's'\n").unwrap();
        assert!(load(&path).unwrap_err().to_string().contains("another name"));
        std::fs::write(&path, "name = 'mine'\nsummary = 's'\n").unwrap();
        assert_eq!(load(&path).unwrap().name, "mine");
    }
}
