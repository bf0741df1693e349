//! Matrix files: a whole experiment in one TOML file. serde fills the types that flags fill; the spans of TOML find the line of
//! an error, and every unknown key gets the nearest known one.

use std::ops::Range;

use handoff_model::nearest::hint;
use serde::de::DeserializeOwned;
use toml::Spanned;
use toml::de::{DeTable, DeValue, ValueDeserializer};

use crate::error::{ExperimentError, Fault, Result};
use crate::factors::{Factors, Whole};
use crate::rules::Rule;

const TEXTS: [&str; 2] = ["summary", "answers"];
const BLOCK: &str = "block";
const EXCLUDE: &str = "exclude";

/// An experiment as a file says it.
#[derive(Debug, Clone, Default)]
pub struct Matrix {
    /// Name of the preset, or path of the file.
    pub name: String,
    /// One line: what it runs.
    pub summary: String,
    /// The question that it answers.
    pub answers: String,
    /// Settings of the whole run.
    pub whole: Whole,
    /// Each block's factors, with those of the top where it has none of its own.
    pub blocks: Vec<Factors>,
    /// The lines of each block's keys.
    lines: Vec<Lines>,
    /// Rules by which cells are left out, with the lines of their keys.
    pub(crate) exclude: Vec<(Rule, Lines)>,
}

/// The lines of a table's keys.
#[derive(Debug, Clone, Default)]
pub(crate) struct Lines {
    first: usize,
    keys: Vec<(String, usize)>,
}

impl Lines {
    fn of(&self, key: &str) -> Option<usize> {
        self.keys.iter().find(|(name, _)| name == key).map(|(_, line)| *line)
    }

    /// These lines, and those of `below` for keys that are not here.
    fn with_defaults(mut self, below: &Self) -> Self {
        self.first = if self.first == 0 { below.first } else { self.first };
        self.keys.extend(below.keys.iter().cloned());
        self
    }
}

impl Matrix {
    /// Reads the text of a file; `name` is how errors speak of it.
    ///
    /// # Errors
    /// What is no TOML, an unknown key, or a value that its key does not take; each with its line.
    pub fn read(name: &str, text: &str) -> Result<Self> {
        let reader = Reader { name, text };
        let table = DeTable::parse(text).map_err(|e| reader.error(e.span().map_or(0, |s| s.start), e.message()))?;
        let mut matrix = Self { name: name.to_owned(), ..Self::default() };
        let (mut top, mut whole) = (DeTable::new(), DeTable::new());
        let (mut blocks, mut rules) = (Vec::new(), Vec::new());
        for (key, value) in table.into_inner() {
            match key.get_ref().as_ref() {
                "summary" => matrix.summary = reader.text("summary", &value)?,
                "answers" => matrix.answers = reader.text("answers", &value)?,
                BLOCK => blocks = reader.tables(BLOCK, value)?,
                EXCLUDE => rules = reader.tables(EXCLUDE, value)?,
                name if Whole::KEYS.contains(&name) => drop(whole.insert(key, value)),
                name if Factors::KEYS.contains(&name) => drop(top.insert(key, value)),
                _ => {
                    let known = [&TEXTS, Factors::KEYS, Whole::KEYS, &[BLOCK, EXCLUDE]].concat();
                    return Err(reader.unknown(&key, &known));
                }
            }
        }
        matrix.whole = reader.part(whole)?.0;
        let (top, top_lines) = reader.part::<Factors>(top)?;
        for (block, _) in blocks {
            if let Some(key) = block.keys().find(|key| Whole::KEYS.contains(&key.get_ref().as_ref())) {
                let problem = "holds for the whole run: write it at the top, before the first table";
                return Err(reader.error(key.span().start, &format!("`{}` {problem}", key.get_ref())));
            }
            reader.known(&block, Factors::KEYS)?;
            let (factors, lines) = reader.part::<Factors>(block)?;
            matrix.blocks.push(factors.with_defaults(&top));
            matrix.lines.push(lines.with_defaults(&top_lines));
        }
        if matrix.blocks.is_empty() {
            matrix.blocks.push(top);
            matrix.lines.push(top_lines);
        }
        for (rule, at) in rules {
            if rule.is_empty() {
                return Err(reader.error(at, "a rule names no factor: name one, or remove the rule"));
            }
            reader.known(&rule, &Rule::keys())?;
            matrix.exclude.push(reader.part(rule)?);
        }
        Ok(matrix)
    }

    /// A fault of a block at its place: the line of its key, else the block's first line.
    pub(crate) fn block_error(&self, block: usize, fault: &Fault) -> ExperimentError {
        self.error(self.lines.get(block), fault)
    }

    /// A fault in a table with these lines.
    pub(crate) fn error(&self, lines: Option<&Lines>, fault: &Fault) -> ExperimentError {
        let line = |key| Some((key, lines?.of(key)?));
        let (line, key) = match fault.key.and_then(line) {
            Some((key, line)) => (line, format!("`{key}`: ")),
            None => (lines.map_or(1, |lines| lines.first.max(1)), String::new()),
        };
        ExperimentError(format!("matrix {}: line {line}: {key}{}", self.name, fault.problem))
    }
}

/// A file being read: its name and text, for errors.
struct Reader<'a> {
    name: &'a str,
    text: &'a str,
}

type Value<'a> = Spanned<DeValue<'a>>;

impl<'a> Reader<'a> {
    /// Reads a table into the type that its keys are fields of.
    fn part<T: DeserializeOwned>(&self, table: DeTable<'a>) -> Result<(T, Lines)> {
        let spans: Vec<(String, Range<usize>)> =
            table.iter().map(|(key, value)| (key.get_ref().to_string(), value.span())).collect();
        let keys: Vec<_> = spans.iter().map(|(key, span)| (key.clone(), self.line(span.start))).collect();
        let first = keys.iter().map(|(_, line)| *line).min().unwrap_or(0);
        let value = Spanned::new(0..self.text.len(), DeValue::Table(table));
        let part = T::deserialize(ValueDeserializer::from(value)).map_err(|error| {
            let at = error.span().map_or(0, |span| span.start);
            let key = spans.iter().find(|(_, span)| span.contains(&at)).map(|(key, _)| format!("`{key}`: "));
            self.error(at, &format!("{}{}", key.unwrap_or_default(), error.message()))
        })?;
        Ok((part, Lines { first, keys }))
    }

    fn text(&self, key: &str, value: &Value<'_>) -> Result<String> {
        let text = value.get_ref().as_str().map(|text| text.trim().to_owned());
        text.ok_or_else(|| self.error(value.span().start, &format!("`{key}` is a text")))
    }

    /// Tables, each with its place.
    fn tables(&self, key: &str, value: Value<'a>) -> Result<Vec<(DeTable<'a>, usize)>> {
        let wrong = self.error(value.span().start, &format!("`{key}` is a list of tables: write [[{key}]]"));
        let DeValue::Array(items) = value.into_inner() else { return Err(wrong) };
        let table = |item: Value<'a>| match (item.span().start, item.into_inner()) {
            (at, DeValue::Table(table)) => Ok((table, at)),
            _ => Err(wrong.clone()),
        };
        items.into_iter().map(table).collect()
    }

    /// Refuses an unknown key.
    fn known(&self, table: &DeTable<'_>, known: &[&str]) -> Result<()> {
        let unknown = table.keys().find(|key| !known.contains(&key.get_ref().as_ref()));
        unknown.map_or(Ok(()), |key| Err(self.unknown(key, known)))
    }

    /// An unknown key, with the nearest known one.
    fn unknown(&self, key: &Spanned<impl AsRef<str>>, known: &[&str]) -> ExperimentError {
        let name = key.get_ref().as_ref();
        self.error(key.span().start, &format!("unknown key `{name}`: {}", hint(name, known)))
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.get(..at).unwrap_or(self.text).matches('\n').count()
    }

    /// Error at a byte of the text.
    fn error(&self, at: usize, problem: &str) -> ExperimentError {
        ExperimentError(format!("matrix {}: line {}: {problem}", self.name, self.line(at)))
    }
}

#[cfg(test)]
mod tests;
