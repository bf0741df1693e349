//! From TOML to a matrix. By hand, so that a slip of the finger gets its line and the nearest key.

use handoff_model::LevelError;
use handoff_model::nearest::hint;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::{Matrix, Places, rules};
use crate::args::{AUTO, PlanArgs};
use crate::exit::bad_input;

/// What a key holds.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// One text or a list of texts.
    Texts,
    /// One whole number or a list of them.
    Numbers,
    /// One whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// One whole number, or `auto`.
    Rounds,
    /// One of a few words.
    Word,
}

/// Factors: they may stand at the top, for all blocks, or in a block.
const FACTORS: [(&str, Kind); 14] = [
    ("sizes", Kind::Texts),
    ("strategies", Kind::Texts),
    ("workloads", Kind::Texts),
    ("rounds", Kind::Rounds),
    ("profiles", Kind::Texts),
    ("link_rate", Kind::Texts),
    ("request_time", Kind::Texts),
    ("faults", Kind::Texts),
    ("engines", Kind::Texts),
    ("image_stores", Kind::Texts),
    ("builders", Kind::Texts),
    ("cache_states", Kind::Texts),
    ("consumers", Kind::Numbers),
    ("consumer_concurrency", Kind::Number),
];

/// What holds for the whole run, at the top only.
const GLOBALS: [(&str, Kind); 5] = [
    ("control", Kind::Flag),
    ("timeout", Kind::Number),
    ("seed", Kind::Number),
    ("compare", Kind::Word),
    ("purpose", Kind::Word),
];
const TEXTS: [&str; 2] = ["summary", "answers"];
const BLOCK: &str = "block";
const EXCLUDE: &str = "exclude";

/// A file being read: its name and text, for errors.
pub(super) struct Reader<'a> {
    origin: &'a str,
    text: &'a str,
}

/// A value with its place.
pub(super) type Value<'a> = Spanned<DeValue<'a>>;

pub(super) fn read(origin: &str, text: &str) -> anyhow::Result<Matrix> {
    let reader = Reader { origin, text };
    let table = DeTable::parse(text)
        .map_err(|error| reader.fault(error.span().map_or(0, |span| span.start), error.message()))?;
    let table = table.get_ref();
    let mut top = PlanArgs::default();
    let mut top_places = Places::default();
    let (mut summary, mut answers) = (String::new(), String::new());
    let (mut blocks, mut exclude) = (Vec::new(), Vec::new());
    for (key, value) in table {
        let known = || {
            let factors = FACTORS.iter().chain(&GLOBALS).map(|(key, _)| *key);
            TEXTS.into_iter().chain(factors).chain([BLOCK, EXCLUDE]).collect::<Vec<_>>()
        };
        match key.get_ref().as_ref() {
            "summary" => summary = reader.one_text(key.get_ref(), value)?,
            "answers" => answers = reader.one_text(key.get_ref(), value)?,
            BLOCK => blocks = reader.tables(BLOCK, value)?,
            EXCLUDE => exclude = reader.tables(EXCLUDE, value)?,
            name => match FACTORS.iter().chain(&GLOBALS).find(|(key, _)| *key == name) {
                Some((name, kind)) => {
                    reader.set(&mut top, name, *kind, value)?;
                    reader.note(&mut top_places, name, *kind, value)?;
                }
                None => return Err(reader.unknown(key.span().start, name, &known())),
            },
        }
    }
    let mut matrix = Matrix {
        name: origin.to_owned(),
        summary,
        answers,
        blocks: Vec::new(),
        places: Vec::new(),
        exclude: Vec::new(),
    };
    for block in blocks {
        let mut args = top.clone();
        let mut places = Places::default();
        for (key, value) in block {
            let name = key.get_ref().as_ref();
            match FACTORS.iter().find(|(key, _)| *key == name) {
                Some((name, kind)) => {
                    reader.set(&mut args, name, *kind, value)?;
                    reader.note(&mut places, name, *kind, value)?;
                }
                None if GLOBALS.iter().any(|(key, _)| *key == name) => {
                    let problem =
                        format!("`{name}` holds for the whole run: write it at the top, before the first table");
                    return Err(reader.fault(key.span().start, &problem));
                }
                None => {
                    let known: Vec<&str> = FACTORS.iter().map(|(key, _)| *key).collect();
                    return Err(reader.unknown(key.span().start, name, &known));
                }
            }
        }
        matrix.blocks.push(args);
        places.keys.extend(top_places.keys.clone());
        places.line = if places.line == 0 { top_places.line } else { places.line };
        matrix.places.push(places);
    }
    if matrix.blocks.is_empty() {
        matrix.blocks.push(top);
        matrix.places.push(top_places);
    }
    for rule in exclude {
        matrix.exclude.push(rules::read(&reader, rule)?);
    }
    Ok(matrix)
}

impl Reader<'_> {
    fn set(&self, args: &mut PlanArgs, name: &str, kind: Kind, value: &Value<'_>) -> anyhow::Result<()> {
        let text = match kind {
            Kind::Texts => self.texts(name, value)?.join(","),
            Kind::Numbers => self.numbers(name, value)?.join(","),
            Kind::Number => self.number(name, value)?.to_string(),
            Kind::Flag => self.flag(name, value)?.to_string(),
            Kind::Rounds => self.rounds(name, value)?,
            Kind::Word => self.one_text(name, value)?,
        };
        let wrong = |error: &dyn std::fmt::Display| self.fault(value.span().start, &format!("`{name}`: {error}"));
        // Of the keys that are numbers only: the text was made of one above.
        let number = || text.parse::<u64>().unwrap_or_default();
        match name {
            "sizes" => args.sizes = Some(text),
            "strategies" => args.strategies = Some(text),
            "workloads" => args.workload = Some(text),
            "rounds" => args.rounds = Some(text.parse().map_err(|error: String| wrong(&error))?),
            "compare" => args.compare = Some(text.parse().map_err(|error: LevelError| wrong(&error))?),
            "purpose" => args.purpose = Some(text.parse().map_err(|error: LevelError| wrong(&error))?),
            "profiles" => args.profile = Some(text),
            "link_rate" => args.link_rate = Some(text),
            "request_time" => args.request_time = Some(text),
            "faults" => args.fault = self.texts(name, value)?,
            "engines" => args.engine = Some(text),
            "image_stores" => args.image_store = Some(text),
            "builders" => args.builder = Some(text),
            "cache_states" => args.cache_state = Some(text),
            "consumers" => args.consumers = Some(text),
            "consumer_concurrency" => {
                let at_once = u32::try_from(number());
                let fault = |_| self.fault(value.span().start, "`consumer_concurrency` is too large");
                args.consumer_concurrency = Some(at_once.map_err(fault)?);
            }
            "control" => args.control = text == "true",
            "timeout" => args.timeout = Some(number()),
            "seed" => args.seed = Some(number()),
            _ => unreachable!("every known key is handled"),
        }
        Ok(())
    }

    /// Notes where a key stands, with what it says alone.
    fn note(&self, places: &mut Places, name: &str, kind: Kind, value: &Value<'_>) -> anyhow::Result<()> {
        let mut alone = PlanArgs::default();
        self.set(&mut alone, name, kind, value)?;
        let line = self.line(value.span().start);
        places.line = if places.line == 0 { line } else { places.line.min(line) };
        places.keys.push((line, name.to_owned(), alone));
        Ok(())
    }

    fn line(&self, at: usize) -> usize {
        1 + self.text.get(..at).unwrap_or(self.text).matches('\n').count()
    }

    /// One text, or all of a list that is not empty.
    pub(super) fn texts(&self, key: &str, value: &Value<'_>) -> anyhow::Result<Vec<String>> {
        self.list(key, value, "a text or a list of texts", |item| item.as_str().map(str::to_owned))
    }

    /// As [`Reader::texts`], of whole numbers.
    pub(super) fn numbers(&self, key: &str, value: &Value<'_>) -> anyhow::Result<Vec<String>> {
        self.list(key, value, "a whole number or a list of them", |item| whole(item).map(|n| n.to_string()))
    }

    fn list(
        &self,
        key: &str,
        value: &Value<'_>,
        what: &str,
        read: impl Fn(&DeValue<'_>) -> Option<String>,
    ) -> anyhow::Result<Vec<String>> {
        let wrong = |at: &Value<'_>| self.fault(at.span().start, &format!("`{key}` is {what}"));
        let Some(items) = value.get_ref().as_array() else {
            return Ok(vec![read(value.get_ref()).ok_or_else(|| wrong(value))?]);
        };
        let items: Vec<String> =
            items.iter().map(|item| read(item.get_ref()).ok_or_else(|| wrong(item))).collect::<Result<_, _>>()?;
        if items.is_empty() {
            return Err(self.fault(value.span().start, &format!("`{key}` is empty: name a level, or leave it out")));
        }
        Ok(items)
    }

    fn one_text(&self, key: &str, value: &Value<'_>) -> anyhow::Result<String> {
        let text = value.get_ref().as_str();
        let text = text.ok_or_else(|| self.fault(value.span().start, &format!("`{key}` is a text")))?;
        Ok(text.trim().to_owned())
    }

    fn number(&self, key: &str, value: &Value<'_>) -> anyhow::Result<u64> {
        let number = whole(value.get_ref());
        number.ok_or_else(|| self.fault(value.span().start, &format!("`{key}` is a whole number from 0 on")))
    }

    fn rounds(&self, key: &str, value: &Value<'_>) -> anyhow::Result<String> {
        match value.get_ref().as_str() {
            Some(AUTO) => Ok(AUTO.to_owned()),
            None if whole(value.get_ref()).is_some() => Ok(self.number(key, value)?.to_string()),
            _ => Err(self.fault(value.span().start, &format!("`{key}` is a whole number from 1 on, or \"{AUTO}\""))),
        }
    }

    fn flag(&self, key: &str, value: &Value<'_>) -> anyhow::Result<bool> {
        let flag = value.get_ref().as_bool();
        flag.ok_or_else(|| self.fault(value.span().start, &format!("`{key}` is true or false")))
    }

    fn tables<'t>(&self, key: &str, value: &'t Value<'t>) -> anyhow::Result<Vec<&'t DeTable<'t>>> {
        let wrong = || self.fault(value.span().start, &format!("`{key}` is a list of tables: write [[{key}]]"));
        let items = value.get_ref().as_array().ok_or_else(wrong)?;
        items.iter().map(|item| item.get_ref().as_table().ok_or_else(wrong)).collect()
    }

    /// Where the word `exclude` stands last, for a rule without a key of its own.
    pub(super) fn end_of_rules(&self) -> usize {
        self.text.rfind(EXCLUDE).unwrap_or(0)
    }

    /// An unknown key, with the nearest known one.
    pub(super) fn unknown(&self, at: usize, name: &str, known: &[&str]) -> anyhow::Error {
        self.fault(at, &format!("unknown key `{name}`: {}", hint(name, known)))
    }

    /// What is wrong at a byte of the text.
    pub(super) fn fault(&self, at: usize, problem: &str) -> anyhow::Error {
        let line = self.line(at);
        bad_input(format!("matrix {}: line {line}: {problem}", self.origin))
    }
}

fn whole(value: &DeValue<'_>) -> Option<u64> {
    let integer = value.as_integer()?;
    u64::from_str_radix(&integer.as_str().replace('_', ""), integer.radix()).ok()
}

#[cfg(test)]
mod tests {
    use handoff_model::{Compare, Purpose};
    use proptest::prelude::*;

    use super::*;
    use crate::args::Rounds;

    fn refused(text: &str) -> String {
        let error = read("mine.toml", text).unwrap_err().to_string();
        assert!(error.starts_with("matrix mine.toml: line ") && !error.contains('\n'), "{error}");
        error
    }

    #[test]
    fn slips_get_their_line_and_the_nearest_key() {
        for (text, expected) in [
            (
                "sizes = ['1GiB']\nstratgies = ['artifact']",
                "line 2: unknown key `stratgies`: did you mean `strategies`?",
            ),
            ("[[block]]\n\nround = 3", "line 3: unknown key `round`: did you mean `rounds`?"),
            ("[[block]]\nseed = 3", "line 2: `seed` holds for the whole run"),
            ("[[exclude]]\nimage_stor = 'overlay2'", "line 2: unknown key `image_stor`: did you mean `image_store`?"),
            ("[[exclude]]\nimage_store = 'overlay'", "line 2: `image_store`: unknown image store `overlay`"),
            ("[[exclude]]\nstrategy = 'gha'", "line 2: `strategy`: unknown strategy `gha`"),
            ("[[exclude]]\nsize = 'big'", "line 2: `size`"),
            ("[[exclude]]", "line 1: a rule names no factor"),
            ("sizes = 1", "line 1: `sizes` is a text or a list of texts"),
            ("sizes = ['1GiB', 2]", "line 1: `sizes` is a text"),
            ("sizes = []", "is empty"),
            ("rounds = -1", "line 1: `rounds` is a whole number"),
            ("rounds = 99999999999", "line 1: `rounds`: `99999999999` is no number of rounds: use 1 to 1000, or auto"),
            ("\nrounds = 2000", "line 2: `rounds`: 2000 is out of range"),
            ("seed = 1\nrounds = 'soon'", "line 2: `rounds` is a whole number from 1 on, or \"auto\""),
            ("[[block]]\nrounds = ['auto']", "line 2: `rounds` is a whole number from 1 on, or \"auto\""),
            ("\ncompare = 'pair'", "line 2: `compare`: unknown comparison `pair`: did you mean `pairs`?"),
            ("purpose = 'screen'", "line 1: `purpose`: unknown purpose `screen`: did you mean `screening`?"),
            ("purpose = true", "line 1: `purpose` is a text"),
            ("[[block]]\ncompare = 'pairs'", "line 2: `compare` holds for the whole run"),
            ("control = 1", "`control` is true or false"),
            ("consumers = ['4']", "`consumers` is a whole number"),
            ("block = 3", "write [[block]]"),
            ("\n\nsizes = ", "line 3: "),
        ] {
            let error = refused(text);
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_block_has_what_stands_at_the_top_and_its_own() {
        let text = "sizes = '1GiB'\nrounds = 8\nconsumers = [4, 11]\nprofiles = ['github-hosted:request_ms=2ms,@low', 'loopback']\n\
                    control = true\ntimeout = 7_200\n[[block]]\n[[block]]\nsizes = ['2GiB', '3GiB']\nrounds = 2\n\
                    [[exclude]]\nstrategy = ['gha-cache', 'artifact:level=6']\nbuilder = 'docker'\nconsumers = [4]\n";
        let matrix = read("mine.toml", text).unwrap();
        let of = |at: usize| {
            let block: &PlanArgs = &matrix.blocks[at];
            (block.sizes.as_deref(), block.rounds, block.consumers.as_deref(), block.control, block.timeout)
        };
        assert_eq!(of(0), (Some("1GiB"), Some(8.into()), Some("4,11"), true, Some(7_200)));
        assert_eq!(of(1), (Some("2GiB,3GiB"), Some(2.into()), Some("4,11"), true, Some(7_200)));
        assert_eq!(matrix.blocks[0].profile.as_deref(), Some("github-hosted:request_ms=2ms,@low,loopback"));
        assert_eq!((matrix.blocks.len(), matrix.exclude.len()), (2, 1));
        assert_eq!(matrix.exclude[0].strategy.len(), 2);
        assert_eq!(matrix.exclude[0].conditions["consumers"], ["4"]);
    }

    #[test]
    fn rounds_comparisons_and_purpose_are_read() {
        let text = "compare = 'pairs'\npurpose = 'trend'\nrounds = 'auto'\n[[block]]\n[[block]]\nrounds = 0x0c\n";
        let matrix = read("mine.toml", text).unwrap();
        let of = |at: usize| (matrix.blocks[at].rounds, matrix.blocks[at].compare, matrix.blocks[at].purpose);
        let whole = (Some(Compare::Pairs), Some(Purpose::Trend));
        assert_eq!(of(0), (Some(Rounds::Auto), whole.0, whole.1));
        assert_eq!(of(1), (Some(Rounds::Count(12)), whole.0, whole.1));
    }

    proptest! {
        #[test]
        fn no_text_ends_in_a_panic(text in "([a-z_]{1,10} ?= ?[0-9a-z'\\[\\], ]{0,12}\n|\\[\\[(block|exclude)\\]\\]\n|.{0,20}\n){0,8}") {
            if let Err(error) = read("any.toml", &text) {
                let error = error.to_string();
                prop_assert!(error.starts_with("matrix any.toml: line "), "{error}");
            }
        }
    }
}
