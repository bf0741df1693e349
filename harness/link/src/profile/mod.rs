//! Link profiles: latencies, rates, limits and faults of a link, with the source of every figure.
//!
//! A profile is a TOML file: built in from `profiles/`, or given by its path. Each figure may state its source and its range,
//! because a result that depends on an assumption should be shown for both ends of the range.

mod change;
mod error;
mod figure;
mod read;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

pub use change::{GRAMMAR, add, split_list};
pub use error::ProfileError;
pub use figure::{Evidence, Figure, Unit};

use figure::FIGURES;
use handoff_model::DiskLimit;
use handoff_model::level::levels;
use serde::{Deserialize, Serialize};

const NAMED: [(&str, &str); 3] = [
    ("loopback", include_str!("../../profiles/loopback.toml")),
    ("github-hosted", include_str!("../../profiles/github-hosted.toml")),
    ("github-far", include_str!("../../profiles/github-far.toml")),
];

levels!(
    /// Service that a blob belongs to.
    ServiceKind, "service", {
        /// Artifacts.
        Artifact = "artifact",
        /// Cache entries.
        Cache = "cache",
    }
);

levels!(
    /// Direction of payload, as seen by the job.
    Direction, "direction", {
        /// From the job into the service.
        Up = "up",
        /// From the service to the job.
        Down = "down",
    }
);

/// Rates of one direction of one service, in bytes a second; `None` means no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct RateLimit {
    /// Rate of each connection.
    pub connection: Option<f64>,
    /// Rate of all connections of a job together.
    pub aggregate: Option<f64>,
}

/// Frequencies and parameters of faults.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FaultFigures {
    /// Share of blob requests that stall.
    pub stall: f64,
    /// Duration of a stall in seconds.
    pub stall_s: f64,
    /// Share of blob requests that are slow.
    pub slow: f64,
    /// Factor by which the rate of a slow request is divided.
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
    /// Share of blob requests that meet a fault.
    fn of_blobs(&self) -> f64 {
        self.stall + self.slow + self.reset + self.status_500 + self.status_503
    }
}

/// Shaping of the link between a job and the services, and the limit of the job's disk. The default is bare loopback, without
/// shaping.
#[derive(Clone, Debug, PartialEq)]
pub struct Profile {
    /// Name, with every change of a figure.
    pub name: String,
    /// Summary in one line.
    pub summary: String,
    /// Description of its sources and limits.
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
    /// Figure of a key, for example `cache.down.connection`.
    pub fn figure(&self, key: &str) -> Option<&Figure> {
        self.figures.get(key)
    }

    /// All figures of the profile with key and unit, in the order of the documentation.
    pub fn figures(&self) -> impl Iterator<Item = (&'static str, Unit, &Figure)> {
        FIGURES.iter().filter_map(|(key, unit)| Some((*key, *unit, self.figures.get(key)?)))
    }

    /// Rates of one direction of one service.
    pub fn limit(&self, kind: ServiceKind, direction: Direction) -> RateLimit {
        let rate = |of: &str| self.value(&format!("{kind}.{direction}.{of}"));
        RateLimit { connection: rate("connection"), aggregate: rate("aggregate") }
    }

    /// Latency of a blob request (round trip and server), in ms.
    pub fn request_ms(&self, kind: ServiceKind) -> f64 {
        self.value(&format!("{kind}.request_ms")).unwrap_or(0.0)
    }

    /// Latency of a call of the artifact or cache service, in ms.
    pub fn call_ms(&self) -> f64 {
        self.value("api.call_ms").unwrap_or(0.0)
    }

    /// Time that a job needs to pull the image of a `docker-container` builder, in ms.
    pub fn builder_pull_ms(&self) -> u64 {
        (self.value("builder.pull_s").unwrap_or(0.0) * 1e3).round() as u64
    }

    /// Cache entries that may be created in a minute; further ones are answered with 429.
    pub fn creates_per_minute(&self) -> Option<usize> {
        self.value("cache.creates_per_minute").map(|count| count as usize)
    }

    /// Storage of cache entries in bytes, beyond which the least recently used are evicted.
    pub fn storage_limit(&self) -> Option<u64> {
        self.value("cache.storage_limit").map(|bytes| bytes as u64)
    }

    /// Whether a token may save cache entries. Read-only tokens, as of GitHub's low-trust triggers, may not.
    pub fn cache_writes(&self) -> bool {
        self.value("cache.writes").is_none_or(|allowed| allowed > 0.0)
    }

    /// Lifetime of a signed link for transfers in this direction.
    pub fn url_ttl(&self, direction: Direction) -> Option<Duration> {
        self.value(&format!("api.{direction}.url_ttl_s")).map(Duration::from_secs_f64)
    }

    /// Time from the creation of an entry or artifact after which it expires unless it is finalized.
    pub fn reservation_ttl(&self) -> Option<Duration> {
        self.value("api.reservation_ttl_s").map(Duration::from_secs_f64)
    }

    /// Time after a finalize during which lookups do not find the entry or artifact.
    pub fn lookup_lag(&self) -> Duration {
        Duration::from_secs_f64(self.value("api.lookup_lag_ms").unwrap_or(0.0) / 1e3)
    }

    /// Limit of the disk of each job that Handoff starts under this profile. The services ignore it.
    pub fn disk_limit(&self) -> DiskLimit {
        let rate = |key: &str| self.value(key).map(|rate| rate as u64);
        DiskLimit { write: rate("disk.write"), read: rate("disk.read") }
    }

    /// Parses a profile; `origin` is its name in errors.
    ///
    /// # Errors
    /// Invalid TOML, an unknown key (with the nearest known one), and an invalid value.
    pub fn parse(origin: &str, text: &str) -> Result<Self, ProfileError> {
        read::read(origin, text)
    }

    /// Faults of requests, if the profile has any.
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

    /// Checks constraints between figures; returns the invalid key and the reason.
    fn check(&self) -> Result<(), (&'static str, String)> {
        for key in ["api.up.url_ttl_s", "api.down.url_ttl_s"] {
            if self.value(key).is_some_and(|seconds| seconds.fract() != 0.0) {
                return Err((key, "is a fraction: a link ends at a whole second, so give whole seconds".to_owned()));
            }
        }
        let Some(faults) = self.faults() else { return Ok(()) };
        // A tolerance, because ten times 10 % is not exactly 1.
        if faults.of_blobs() > 1.0 + 1e-9 {
            let problem = "meet more than all requests: stall, slow, reset, 500 and 503 must add up to at most 1";
            return Err(("faults", problem.to_owned()));
        }
        if faults.slow > 0.0 {
            for kind in [ServiceKind::Artifact, ServiceKind::Cache] {
                for direction in [Direction::Up, Direction::Down] {
                    let limit = self.limit(kind, direction);
                    if limit.connection.or(limit.aggregate).is_none() {
                        let problem = format!("divides a rate, and `{kind}.{direction}` has none: set one");
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

/// Names of the built-in profiles.
pub fn names() -> Vec<&'static str> {
    NAMED.iter().map(|(name, _)| *name).collect()
}

/// Loads a built-in profile or a TOML file, with the changes after a colon ([`GRAMMAR`]).
///
/// # Errors
/// An unknown name (with the nearest known one), an unreadable file, a file with the name of a built-in profile, errors of
/// [`Profile::parse`], and an invalid change.
pub fn load(text: &str) -> Result<Profile, ProfileError> {
    let (base, changes) = change::parts(text);
    let profile = load_base(base)?;
    match changes {
        None => Ok(profile),
        Some(changes) => change::apply(profile, text, base, changes),
    }
}

/// Canonical name of the profile `text` for rows, with normalized changes.
///
/// # Errors
/// Errors of [`load`].
pub fn canonical(text: &str) -> Result<String, ProfileError> {
    let profile = load(text)?;
    // A file without changes is named by its path, by which it is found again.
    Ok(if change::parts(text).1.is_some() { profile.name } else { text.to_owned() })
}

fn load_base(name_or_path: &str) -> Result<Profile, ProfileError> {
    if let Some((name, text)) = NAMED.iter().find(|(name, _)| *name == name_or_path) {
        return Profile::parse(name, text);
    }
    // A text that looks like a path is one, so that a mistyped path is not reported as a mistyped name.
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
    fn every_built_in_profile_is_explained_and_every_figure_has_its_source() {
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
        assert_eq!(profile.disk_limit(), DiskLimit::NONE);
        assert!(profile.cache_writes() && profile.lookup_lag().is_zero() && profile.reservation_ttl().is_none());
    }

    #[test]
    fn permissions_lifetimes_and_lag_are_changed_by_name() {
        let text = "github-hosted:cache.writes=denied,lookup_lag_ms=250,reservation_ttl_s=1.5,url_ttl_s=30";
        let profile = load(text).unwrap();
        assert_eq!(
            profile.name,
            "github-hosted:cache.writes=denied,lookup_lag_ms=250ms,reservation_ttl_s=1.5s,url_ttl_s=30s"
        );
        assert!(!profile.cache_writes());
        assert_eq!(profile.lookup_lag(), Duration::from_millis(250));
        assert_eq!(profile.reservation_ttl(), Some(Duration::from_millis(1_500)));
        let both = [Direction::Up, Direction::Down].map(|direction| profile.url_ttl(direction));
        assert_eq!(both, [Some(Duration::from_secs(30)); 2]);
        let hosted = load("github-hosted").unwrap();
        let both = [Direction::Up, Direction::Down].map(|direction| hosted.url_ttl(direction));
        assert_eq!(both, [Some(Duration::from_hours(1)), Some(Duration::from_mins(10))]);
        assert!(hosted.cache_writes() && load("github-hosted:@slow").unwrap().lookup_lag().is_zero());
    }

    #[test]
    fn github_hosted_has_the_published_figures() {
        const MIB: f64 = 1_048_576.0;
        let profile = load("github-hosted").unwrap();
        let down = profile.limit(ServiceKind::Cache, Direction::Down);
        assert_eq!((down.connection, down.aggregate), (Some(30.0 * MIB), Some(120.0 * MIB)));
        assert_eq!((profile.request_ms(ServiceKind::Artifact), profile.call_ms()), (5.0, 200.0));
        assert_eq!(profile.faults(), None);
        assert_eq!(profile.disk_limit(), DiskLimit::both(200 << 20));
        let shaped = FIGURES.iter().filter(|(key, _)| !key.starts_with("faults."));
        for name in ["github-hosted", "github-far"] {
            let profile = load(name).unwrap();
            assert!(shaped.clone().all(|(key, _)| profile.figure(key).is_some()), "{name}");
        }
    }

    #[test]
    fn unknown_name_or_path_is_reported() {
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
