//! Rules of a matrix file: which cells are left out.

use handoff_link::profile;
use handoff_model::block::CONDITION_FACTORS;
use handoff_model::{Builder, ByteSize, CacheState, EngineKind, Exclusion, ImageStore};
use toml::de::DeTable;

use super::read::{Reader, Value};

const OTHERS: [&str; 3] = ["strategy", "size", "workload"];

/// Reads one rule; every level is checked, because one that is misspelt would leave nothing out.
pub(super) fn read(reader: &Reader<'_>, table: &DeTable<'_>) -> anyhow::Result<Exclusion> {
    let mut rule = Exclusion::default();
    for (key, value) in table {
        let at = value.span().start;
        let name = key.get_ref().as_ref();
        let wrong = |error: &dyn std::fmt::Display| reader.fault(at, &format!("`{name}`: {error}"));
        match name {
            "strategy" => {
                let text = reader.texts(name, value)?.join(",");
                rule.strategy = handoff_strategies::parse_list(&text).map_err(|error| wrong(&error))?;
            }
            "size" => {
                let sizes = reader.texts(name, value)?;
                let sizes: Result<Vec<ByteSize>, _> = sizes.iter().map(|size| size.parse()).collect();
                rule.size = sizes.map_err(|error| wrong(&error))?;
            }
            "workload" => rule.workload = reader.texts(name, value)?,
            factor if CONDITION_FACTORS.contains(&factor) => {
                let levels = levels(reader, factor, value)?;
                rule.conditions.insert(factor.to_owned(), levels);
            }
            _ => {
                let known: Vec<&str> = OTHERS.into_iter().chain(CONDITION_FACTORS).collect();
                return Err(reader.unknown(key.span().start, name, &known));
            }
        }
    }
    if table.is_empty() {
        return Err(reader.fault(reader.end_of_rules(), "a rule names no factor: name one, or remove the rule"));
    }
    Ok(rule)
}

/// The levels of a condition in the text form that cells have.
fn levels(reader: &Reader<'_>, factor: &str, value: &Value<'_>) -> anyhow::Result<Vec<String>> {
    let texts = match factor {
        "consumers" => return reader.numbers(factor, value),
        "profile" => profile::split_list(&reader.texts(factor, value)?.join(",")),
        _ => reader.texts(factor, value)?,
    };
    let plain = |text: &String| -> Result<String, String> {
        let text = text.as_str();
        match factor {
            "engine" => text.parse::<EngineKind>().map(|level| level.to_string()).map_err(|e| e.to_string()),
            "image_store" => text.parse::<ImageStore>().map(|level| level.to_string()).map_err(|e| e.to_string()),
            "builder" => text.parse::<Builder>().map(|level| level.to_string()).map_err(|e| e.to_string()),
            "cache_state" => text.parse::<CacheState>().map(|level| level.to_string()).map_err(|e| e.to_string()),
            _ => profile::canonical(text).map_err(|e| e.to_string()),
        }
    };
    let levels: Result<Vec<String>, String> = texts.iter().map(plain).collect();
    levels.map_err(|error| reader.fault(value.span().start, &format!("`{factor}`: {error}")))
}
