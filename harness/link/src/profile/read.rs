//! Parser of profiles. It is written by hand for two reasons. An unknown key is reported with the nearest known one, and a
//! figure is a number (`request_ms = 5`) or a table with its range and source.

use handoff_model::nearest::hint;
use toml::{Table, Value};

use super::figure::{Evidence, FIGURES, Figure, Unit};
use super::{Figures, Profile, ProfileError};

const TEXTS: [&str; 3] = ["name", "summary", "about"];
const PARTS: [&str; 5] = ["value", "low", "high", "basis", "note"];

pub(super) fn read(origin: &str, text: &str) -> Result<Profile, ProfileError> {
    let table: Table = text.parse().map_err(|error: toml::de::Error| {
        let line = error.span().map_or(1, |span| text[..span.start.min(text.len())].lines().count().max(1));
        ProfileError::Syntax { origin: origin.to_owned(), message: format!("line {line}: {}", error.message()) }
    })?;
    let reader = Reader { origin };
    let mut figures = Figures::new();
    reader.read_table("", &table, &mut figures)?;
    let name = reader.text(&table, "name", true)?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if name.len() > 40 || !name.chars().all(plain) {
        return Err(reader.invalid("name", format!("is `{name}`: use 1 to 40 of a-z, 0-9 and `-`")));
    }
    let (summary, about) = (reader.text(&table, "summary", true)?, reader.text(&table, "about", false)?);
    let profile = Profile { name, summary, about, figures };
    profile.check().map_err(|(key, problem)| reader.invalid(key, problem))?;
    Ok(profile)
}

struct Reader<'a> {
    origin: &'a str,
}

impl Reader<'_> {
    /// Reads the figures below `prefix` (empty, or ending in a dot).
    fn read_table(&self, prefix: &str, table: &Table, figures: &mut Figures) -> Result<(), ProfileError> {
        for (name, value) in table {
            let key = format!("{prefix}{name}");
            if prefix.is_empty() && TEXTS.contains(&name.as_str()) {
                continue;
            }
            if let Some((known, unit)) = FIGURES.iter().find(|(known, _)| **known == key) {
                figures.insert(known, self.figure(&key, *unit, value)?);
                continue;
            }
            let below = format!("{key}.");
            if !FIGURES.iter().any(|(known, _)| known.starts_with(&below)) {
                return Err(self.unknown(&key, name, &children(prefix)));
            }
            let Value::Table(inner) = value else {
                return Err(self.invalid(&key, format!("is not a table: it holds {}", children(&below).join(", "))));
            };
            self.read_table(&below, inner, figures)?;
        }
        Ok(())
    }

    fn figure(&self, key: &str, unit: Unit, value: &Value) -> Result<Figure, ProfileError> {
        let Value::Table(parts) = value else {
            let value = self.amount(key, unit, value)?;
            return Ok(Figure { value, ..Figure::default() });
        };
        if let Some(name) = parts.keys().find(|name| !PARTS.contains(&name.as_str())) {
            return Err(self.unknown(&format!("{key}.{name}"), name, &PARTS));
        }
        let part =
            |name: &str| parts.get(name).map(|value| self.amount(&format!("{key}.{name}"), unit, value)).transpose();
        let value =
            part("value")?.ok_or_else(|| self.invalid(key, format!("has no value: write {}", unit.example())))?;
        let (low, high) = (part("low")?, part("high")?);
        if low.is_some_and(|low| low > value) || high.is_some_and(|high| high < value) {
            return Err(self.invalid(key, "is not between its low and its high: correct one of the three".to_owned()));
        }
        let basis = parts.get("basis").map(|basis| {
            let words = "is none of `published`, `measured`, `assumed`";
            // serde would also accept a table with one of the words as its key.
            let read = basis.as_str().and_then(|_| basis.clone().try_into::<Evidence>().ok());
            read.ok_or_else(|| self.invalid(&format!("{key}.basis"), words.to_owned()))
        });
        let note = self.text(parts, "note", false)?;
        Ok(Figure { value, low, high, basis: basis.transpose()?, note })
    }

    fn amount(&self, key: &str, unit: Unit, value: &Value) -> Result<f64, ProfileError> {
        let number = value.as_float().or_else(|| value.as_integer().map(|n| n as f64));
        let amount = match unit {
            Unit::Rate | Unit::Bytes | Unit::Permission => value.as_str().and_then(|text| unit.read(text)),
            Unit::Share if value.is_str() => value.as_str().and_then(|text| unit.read(text)),
            _ => number.filter(|number| unit.allows(*number)),
        };
        amount.ok_or_else(|| self.invalid(key, format!("is `{}`: write {}", one_line(value), unit.example())))
    }

    fn text(&self, table: &Table, key: &str, needed: bool) -> Result<String, ProfileError> {
        match table.get(key) {
            None if !needed => Ok(String::new()),
            Some(Value::String(text)) if !(needed && text.trim().is_empty()) => Ok(text.trim().to_owned()),
            _ => Err(self.invalid(key, "is missing: write a text".to_owned())),
        }
    }

    fn unknown(&self, key: &str, name: &str, known: &[&str]) -> ProfileError {
        ProfileError::UnknownKey { origin: self.origin.to_owned(), key: key.to_owned(), hint: hint(name, known) }
    }

    fn invalid(&self, key: &str, problem: String) -> ProfileError {
        ProfileError::Value { origin: self.origin.to_owned(), key: key.to_owned(), problem }
    }
}

/// Names that are allowed at `prefix`.
fn children(prefix: &str) -> Vec<&'static str> {
    let texts = TEXTS.iter().copied().filter(|_| prefix.is_empty());
    let below = FIGURES.iter().filter_map(|(key, _)| key.strip_prefix(prefix)?.split('.').next());
    let mut all: Vec<&str> = texts.chain(below).collect();
    // Figures of one table are adjacent.
    all.dedup();
    all
}

fn one_line(value: &Value) -> String {
    value.to_string().lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(body: &str) -> String {
        let error = read("mine.toml", &format!("name = 'mine'\nsummary = 's'\n{body}")).unwrap_err().to_string();
        assert!(error.starts_with("profile mine.toml: ") && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn unknown_key_is_reported_with_the_nearest_one() {
        for (body, expected) in [
            ("[artefact]\nrequest_ms = 1", "`artefact`: did you mean `artifact`?"),
            ("[cache]\nrequests_ms = 1", "`cache.requests_ms`: did you mean `request_ms`?"),
            ("[cache.up]\nagregate = '1MiB/s'", "`cache.up.agregate`: did you mean `aggregate`?"),
            ("[api.call_ms]\nvalue = 1\nhih = 2", "`api.call_ms.hih`: did you mean `high`?"),
            ("sumary = 's'", "`sumary`: did you mean `summary`?"),
        ] {
            let error = refused(body);
            assert!(error.contains(expected), "{error}");
        }
    }

    #[test]
    fn invalid_value_is_refused_with_its_unit() {
        for (body, expected) in [
            ("[cache.up]\nconnection = '60MiB'", "\"60MiB/s\""),
            ("[cache.up]\nconnection = 60", "\"60MiB/s\""),
            ("[cache.up]\nconnection = '0MiB/s'", "`cache.up.connection` is"),
            ("[api]\ncall_ms = '5ms'", "milliseconds as a number"),
            ("[api]\ncall_ms = -1", "0 to 60000"),
            ("[api]\ncall_ms = nan", "0 to 60000"),
            ("[cache]\ncreates_per_minute = 0.5", "whole number"),
            ("[cache]\nstorage_limit = 10", "\"10GB\""),
            ("[cache]\nwrites = true", "\"allowed\" or \"denied\""),
            ("[cache]\nwrites = 'no'", "\"allowed\" or \"denied\""),
            ("[api.up]\nurl_ttl_s = 90000", "0 to 86400"),
            ("[api.down]\nurl_ttl_s = 0.5", "a link ends at a whole second"),
            ("[faults]\nstall = 2", "0 to 1"),
            ("[faults]\nstall = '1'\nslow = '101%'", "0 to 1"),
            ("[faults]\nstall = 0.6\nreset = 0.5", "more than all requests"),
            ("[faults]\nslow = 0.1", "`artifact.up` has none"),
            ("cache = 3", "is not a table"),
            ("[api.call_ms]\nlow = 1", "has no value"),
            ("[api.call_ms]\nvalue = 5\nlow = 6", "between its low and its high"),
            ("[api.call_ms]\nvalue = 5\nbasis = 'rumour'", "`published`, `measured`, `assumed`"),
            ("[api.call_ms]\nvalue = 5\nbasis = { published = {} }", "`published`, `measured`, `assumed`"),
            ("[api.call_ms]\nvalue = 5\nnote = 5", "`note` is missing"),
            ("[api", "line 3: "),
        ] {
            let error = refused(body);
            assert!(error.contains(expected), "{body}: {error}");
        }
        assert!(read("x", "summary = 's'").unwrap_err().to_string().contains("`name`"));
        assert!(read("x", "name = 'A b'\nsummary = 's'").unwrap_err().to_string().contains("a-z"));
    }

    #[test]
    fn figure_is_a_number_or_a_table_with_its_source() {
        let text = "name = 'mine'\nsummary = 's'\n[api]\ncall_ms = 2.5\n[cache.up.connection]\nvalue = '1.5MiB/s'\n\
                    low = '1MiB/s'\nhigh = '2MiB/s'\nbasis = 'assumed'\nnote = 'n'\n";
        let profile = read("mine.toml", text).unwrap();
        assert!((profile.call_ms() - 2.5).abs() < 1e-9);
        let figure = profile.figure("cache.up.connection").unwrap();
        assert_eq!((figure.value, figure.low, figure.basis), (1_572_864.0, Some(1_048_576.0), Some(Evidence::Assumed)));
        assert_eq!(profile.figures().map(|(key, ..)| key).collect::<Vec<_>>(), ["cache.up.connection", "api.call_ms"]);
    }
}
