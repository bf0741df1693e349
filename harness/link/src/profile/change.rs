//! Changes of a profile's figures in its name, for example `github-hosted:artifact.down.connection=60MiB/s,request_ms=25ms`.
//!
//! The text becomes the name of the changed profile, so that every row names its link completely. Parts are sorted and values
//! are normalized, so that two spellings of one change get one name.

use std::collections::BTreeMap;

use handoff_model::nearest::nearest;

use super::figure::{Evidence, FIGURES, Figure, Unit};
use super::{Profile, ProfileError};

/// Words that move all assumed figures to one end of their ranges.
const ENDS: [(&str, &str); 4] = [
    ("@low", "every assumed figure at its low value"),
    ("@high", "every assumed figure at its high value"),
    ("@slow", "every assumed figure at the end that takes longer"),
    ("@fast", "every assumed figure at the end that takes less time"),
];

/// Group of figures that share a unit and change together under the name of the group.
const DISK: &str = "disk";

/// Value that removes a figure.
const NO_FIGURE: &str = "none";

/// Explanation of changes, for the help.
pub const GRAMMAR: &str = "\
Change any figure with NAME:FIGURE=VALUE,FIGURE=VALUE, for example github-hosted:artifact.down.connection=60MiB/s.
    Omit parts of a figure's name from the left or the middle to change all matching figures: request_ms=25ms changes
    artifact.request_ms and cache.request_ms, down.connection=7MiB/s both connections, aggregate=60MiB/s all four aggregates.
    disk=100MiB/s changes disk.write and disk.read. FIGURE=none removes a figure, so that it limits nothing: github-hosted:disk=none.
    FIGURE=low and FIGURE=high select the ends of the figure's range. NAME:@low and NAME:@high set every assumed figure to its
    low or high value, NAME:@slow and NAME:@fast to the end that takes more or less time.
    Each row names its profile with all changes.";

/// Splits a list of profiles at its commas; a piece that changes a figure belongs to the preceding profile.
pub fn split_list(text: &str) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for piece in text.split(',').map(str::trim).filter(|piece| !piece.is_empty()) {
        let change = piece.starts_with('@') || piece.split_once('=').is_some_and(|(key, _)| !key.contains(':'));
        match all.last_mut() {
            Some(profile) if change => {
                profile.push(if profile.contains(':') { ',' } else { ':' });
                profile.push_str(piece);
            }
            _ => all.push(piece.to_owned()),
        }
    }
    all
}

/// Adds one more change to the text of a profile.
pub fn add(text: &str, change: &str) -> String {
    format!("{text}{}{change}", if text.contains(':') { ',' } else { ':' })
}

/// Splits a text into the profile and its changes.
pub(super) fn parts(text: &str) -> (&str, Option<&str>) {
    text.split_once(':').map_or((text, None), |(name, changes)| (name, Some(changes)))
}

/// Applies `changes` to `profile`. `text` is the whole, for errors, and `base` the part before the colon.
pub(super) fn apply(mut profile: Profile, text: &str, base: &str, changes: &str) -> Result<Profile, ProfileError> {
    let invalid =
        |part: &str, problem: String| ProfileError::Change { text: text.to_owned(), part: part.to_owned(), problem };
    let (mut end, mut settings) = (None, BTreeMap::new());
    for part in changes.split(',').map(str::trim) {
        if let Some((word, _)) = ENDS.iter().find(|(word, _)| *word == part) {
            if end.replace(*word).is_some() {
                return Err(invalid(part, "is a second end: use only one of @low, @high, @slow, @fast".to_owned()));
            }
            continue;
        }
        let Some((key, value)) = part.split_once('=').filter(|_| !part.starts_with('@')) else {
            return Err(invalid(part, "is no change: write FIGURE=VALUE, or @low, @high, @slow, @fast".to_owned()));
        };
        if settings.insert(key.trim(), value.trim()).is_some() {
            return Err(invalid(part, "is set twice: set it once".to_owned()));
        }
    }
    if let Some(end) = end {
        move_to_range_end(&mut profile, end);
    }
    let mut name = end.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let mut set: Vec<&str> = Vec::new();
    for (key, value) in settings {
        let part = format!("{key}={value}");
        let fits: Vec<_> = FIGURES.iter().filter(|(figure, _)| matches_short_name(key, figure)).collect();
        let Some((_, unit)) = fits.first() else {
            let near = nearest(key, FIGURES.iter().map(|(figure, _)| *figure).chain([DISK]));
            let near = near.map_or_else(String::new, |near| format!("did you mean `{near}`? "));
            return Err(invalid(&part, format!("names no figure: {near}run `handoff profiles` for the list")));
        };
        for (figure, unit) in &fits {
            if set.contains(figure) {
                return Err(invalid(&part, format!("sets {figure}, which is set already: set it once")));
            }
            set.push(figure);
            if value == NO_FIGURE {
                profile.figures.remove(figure);
                continue;
            }
            let (amount, problem) = match value {
                "low" | "high" => {
                    let held = profile.figures.get(figure);
                    let end = held.and_then(|held| if value == "low" { held.low } else { held.high });
                    let none = format!("{base} has no {value} value of {figure}");
                    (end, format!("has no value: {none}, write a number with its unit"))
                }
                _ => (unit.read(value), format!("is no valid value: write {}", unit.example())),
            };
            let (value, note) = (amount.ok_or_else(|| invalid(&part, problem))?, "Set by hand.".to_owned());
            profile.figures.insert(figure, Figure { value, note, ..Figure::default() });
        }
        let written = unit.read(value).and_then(|amount| spelling(*unit, amount));
        name.push(format!("{key}={}", written.unwrap_or_else(|| value.to_owned())));
    }
    profile.name = format!("{base}:{}", name.join(","));
    profile.check().map_err(|(key, problem)| invalid(key, problem))?;
    Ok(profile)
}

/// Shortest spelling that parses to the same value, with binary units in a tie.
fn spelling(unit: Unit, amount: f64) -> Option<String> {
    let mut all = vec![unit.show(amount).replace(' ', "")];
    if matches!(unit, Unit::Rate | Unit::Bytes) {
        let behind = if unit == Unit::Rate { "/s" } else { "" };
        for (name, factor) in [("GB", 1e9), ("MB", 1e6), ("kB", 1e3)] {
            all.push(format!("{}{name}{behind}", amount / factor));
        }
    }
    all.into_iter().filter(|text| unit.read(text) == Some(amount)).min_by_key(String::len)
}

/// Moves every assumed figure to one end of its range.
fn move_to_range_end(profile: &mut Profile, end: &str) {
    for (key, unit) in FIGURES {
        let Some(figure) = profile.figures.get_mut(key).filter(|figure| figure.basis == Some(Evidence::Assumed)) else {
            continue;
        };
        let more_is_slower = matches!(unit, Unit::Ms | Unit::Seconds | Unit::Share | Unit::Factor);
        let high = match end {
            "@high" => true,
            "@low" => false,
            "@slow" => more_is_slower,
            _ => !more_is_slower,
        };
        if let Some(value) = if high { figure.high } else { figure.low } {
            figure.value = value;
            figure.note = format!("At the {} of its range. {}", if high { "high end" } else { "low end" }, figure.note);
        }
    }
}

/// Whether `short` names `figure`: some of its parts in order, including the last; or the group of disk figures.
fn matches_short_name(short: &str, figure: &str) -> bool {
    if short == DISK {
        return figure.split_once('.').is_some_and(|(group, _)| group == DISK);
    }
    let mut parts = figure.split('.');
    let last = |text: &str| text.rsplit('.').next().map(str::to_owned);
    last(short) == last(figure) && short.split('.').all(|part| parts.any(|figure_part| figure_part == part))
}

#[cfg(test)]
mod tests {
    use handoff_model::DiskLimit;
    use proptest::prelude::*;

    use super::super::{Direction, ServiceKind, load};
    use super::*;

    const MIB: f64 = 1_048_576.0;

    fn refused(text: &str) -> String {
        let error = load(text).unwrap_err().to_string();
        assert!(error.contains(text) && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn changed_figure_appears_in_the_name() {
        let profile = load("github-hosted:artifact.down.connection=61440KiB/s").unwrap();
        assert_eq!(profile.name, "github-hosted:artifact.down.connection=60MiB/s");
        let limit = profile.limit(ServiceKind::Artifact, Direction::Down);
        assert_eq!((limit.connection, limit.aggregate), (Some(60.0 * MIB), Some(120.0 * MIB)));
        assert_eq!(profile.limit(ServiceKind::Cache, Direction::Down).connection, Some(30.0 * MIB));
        assert_eq!(load(&profile.name).unwrap(), profile, "the name gives the same profile again");
    }

    #[test]
    fn value_is_normalized_to_its_shortest_spelling() {
        for (given, written) in
            [("64MB", "64MB"), ("64000kB", "64MB"), ("10.0GB", "10GB"), ("65536KiB", "64MiB"), ("1B", "1B")]
        {
            let profile = load(&format!("loopback:storage_limit={given}")).unwrap();
            assert_eq!(profile.name, format!("loopback:storage_limit={written}"));
        }
    }

    #[test]
    fn short_name_changes_all_matching_figures() {
        let profile = load("loopback:request_ms=25,aggregate=60MiB/s,503=1%").unwrap();
        assert_eq!(profile.name, "loopback:503=1%,aggregate=60MiB/s,request_ms=25ms");
        for kind in [ServiceKind::Artifact, ServiceKind::Cache] {
            assert_eq!((profile.request_ms(kind), profile.call_ms()), (25.0, 0.0));
            for direction in [Direction::Up, Direction::Down] {
                assert_eq!(profile.limit(kind, direction).aggregate, Some(60.0 * MIB));
            }
        }
        let down = load("github-far:down.connection=1MiB/s").unwrap();
        assert_eq!(down.limit(ServiceKind::Cache, Direction::Down).connection, Some(MIB));
        assert_eq!(down.limit(ServiceKind::Cache, Direction::Up).connection, Some(10.0 * MIB));
    }

    #[test]
    fn none_removes_figures_and_disk_names_both_rates() {
        let disk = |text: &str| load(text).map(|profile| (profile.disk_limit(), profile.name)).unwrap();
        let (limit, name) = disk("github-hosted:disk=none");
        assert_eq!((limit, name.as_str()), (DiskLimit::NONE, "github-hosted:disk=none"));
        assert_eq!(load(&name).unwrap().disk_limit(), DiskLimit::NONE, "the name gives the same profile again");
        let (limit, name) = disk("loopback:disk=102400KiB/s");
        assert_eq!((limit, name.as_str()), (DiskLimit::both(100 << 20), "loopback:disk=100MiB/s"));
        let write_only = DiskLimit { write: Some(150 << 20), read: None };
        assert_eq!(disk("github-hosted:write=low,disk.read=none").0, write_only);
        assert_eq!(disk("github-hosted:@fast").0, DiskLimit::both(400 << 20));
        assert_eq!(load("github-far:creates_per_minute=none").unwrap().creates_per_minute(), None);
        assert!(refused("github-hosted:disk=none,write=1MiB/s").contains("set already"));
        assert_eq!(split_list("github-hosted,github-hosted:disk=none"), ["github-hosted", "github-hosted:disk=none"]);
    }

    #[test]
    fn range_ends_move_assumed_figures_only() {
        let all = |text: &str| {
            let profile = load(text).unwrap();
            let down = profile.limit(ServiceKind::Artifact, Direction::Down);
            (down.connection.unwrap() / MIB, down.aggregate.unwrap() / MIB, profile.call_ms())
        };
        assert_eq!(all("github-hosted:@low"), (30.0, 30.0, 100.0));
        assert_eq!(all("github-hosted:@high"), (30.0, 220.0, 500.0));
        assert_eq!(all("github-hosted:@slow"), (30.0, 30.0, 500.0));
        assert_eq!(all("github-hosted:@fast"), (30.0, 220.0, 100.0));
        assert_eq!(all("github-hosted:artifact.down.aggregate=low"), (30.0, 30.0, 200.0));
        assert_eq!(all("github-hosted:api.call_ms=7,@slow"), (30.0, 30.0, 7.0), "an explicit value wins");
    }

    #[test]
    fn invalid_change_is_refused_with_the_alternatives() {
        for (text, expected) in [
            ("github-hosted:artifact.down.conection=1MiB/s", "did you mean `artifact.down.connection`?"),
            ("github-hosted:request_ms=5MiB/s", "milliseconds"),
            ("github-hosted:down.connection=60", "\"60MiB/s\""),
            ("github-hosted:@middle", "@low, @high"),
            ("github-hosted:@low,@high", "second end"),
            ("github-hosted:", "is no change"),
            ("github-hosted:request_ms=1,request_ms=2", "set twice"),
            ("github-hosted:request_ms=1,cache.request_ms=2", "set already"),
            ("github-hosted:creates_per_minute=low", "has no low value"),
            ("loopback:slow=1%", "has none"),
            ("loopback:stall=60%,reset=60%", "more than all requests"),
        ] {
            let error = refused(text);
            assert!(error.contains(expected), "{error}");
        }
        assert!(load("github-hostd:@low").unwrap_err().to_string().contains("did you mean `github-hosted`?"));
    }

    #[test]
    fn list_keeps_changes_with_their_profile() {
        let list = split_list("github-hosted, github-far:request_ms=5ms,@low,mine.toml,up.connection=1MiB/s,loopback");
        assert_eq!(
            list,
            ["github-hosted", "github-far:request_ms=5ms,@low", "mine.toml:up.connection=1MiB/s", "loopback"]
        );
    }

    proptest! {
        #[test]
        fn name_of_a_changed_profile_loads_to_itself(ms in 0u32..60_000, mib in 1u32..5_000, percent in 0u32..=100, end in 0usize..5) {
            let end = ENDS.get(end).map_or(String::new(), |(word, _)| format!(",{word}"));
            let text = format!("github-hosted:request_ms={ms}ms,up.aggregate={mib}MiB/s,reset={percent}%{end}");
            let profile = load(&text).unwrap();
            prop_assert_eq!(&load(&profile.name).unwrap(), &profile);
            prop_assert_eq!(split_list(&profile.name), vec![profile.name.clone()]);
        }
    }
}
