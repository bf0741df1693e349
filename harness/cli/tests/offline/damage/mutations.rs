//! Damaged files of a results folder, each with the expected reaction of a reader.

/// Reaction of a reader to a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Rows that cannot be used: exit code 5.
    Damaged,
    /// A folder of another version: exit code 2.
    Refused,
    /// All can be used, or a crash explains what cannot: exit code 0, and the file is named.
    Named,
    /// A crash explains why rows in other files belong to no trial: exit code 0, and those are named.
    CutOff,
}

use Expect::{CutOff, Damaged, Named, Refused};

/// A changed file; none is a file that was removed.
pub type Mutation = (String, Option<Vec<u8>>, Expect);

/// Fields of a CSV file, which need no quotes in sample rows.
struct Grid(Vec<Vec<String>>);

impl Grid {
    fn new(text: &str) -> Self {
        Self(text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect())
    }

    fn bytes(&self) -> Vec<u8> {
        self.0.iter().map(|row| row.join(",") + "\n").collect::<String>().into_bytes()
    }

    fn column(&self, name: &str) -> usize {
        self.0[0].iter().position(|n| n == name).unwrap_or_else(|| panic!("no column {name}"))
    }

    /// The file with one field changed.
    fn with(text: &str, row: usize, column: &str, value: &str) -> Vec<u8> {
        let mut grid = Self::new(text);
        let column = grid.column(column);
        assert_ne!(grid.0[row][column], value, "{column} is {value} already");
        value.clone_into(&mut grid.0[row][column]);
        grid.bytes()
    }

    /// The file changed as a whole.
    fn changed(text: &str, change: impl FnOnce(&mut Vec<Vec<String>>)) -> Vec<u8> {
        let mut grid = Self::new(text);
        change(&mut grid.0);
        grid.bytes()
    }
}

/// A row in the middle: no crash explains what is wrong with it.
const ROW: usize = 2;

/// Damage of any CSV file. `number` is one of its columns of numbers; a crash can only have torn the last line of the
/// file that is `written_last`.
pub fn csv(text: &str, number: &str, written_last: bool) -> Vec<Mutation> {
    let (torn, lost) = if written_last { (Named, CutOff) } else { (Damaged, Damaged) };
    let bytes = text.as_bytes();
    let header = text.find('\n').unwrap() + 1;
    let line = text.lines().nth(ROW).unwrap();
    let at = text.find(line).unwrap();
    let last_line = text.trim_end().rfind('\n').unwrap() + 1;
    let in_line = |offset: usize, what: &[u8]| [&bytes[..at + offset], what, &bytes[at + offset..]].concat();
    let replaced = |from: &str, to: &str| text.replace(from, to).into_bytes();
    let trial_of = |row: usize| Grid::new(text).0[row][1].clone();
    let mut all: Vec<(&str, Option<Vec<u8>>, Expect)> = vec![
        ("missing", None, Damaged),
        ("empty", Some(Vec::new()), Damaged),
        ("header only", Some(bytes[..header].to_vec()), Damaged),
        ("header cut off", Some(bytes[..header / 2].to_vec()), Damaged),
        ("cut off in a row", Some(bytes[..at + line.len() / 2].to_vec()), Damaged),
        ("cut off after a row", Some(bytes[..=at + line.len()].to_vec()), Damaged),
        ("cut off in the first field of a row", Some(bytes[..=at].to_vec()), Damaged),
        ("last line torn", Some(bytes[..bytes.len() - 9].to_vec()), torn),
        ("last line without its end", Some(bytes[..bytes.len() - 1].to_vec()), torn),
        ("last line lost", Some(bytes[..last_line].to_vec()), lost),
        ("CR LF", Some(replaced("\n", "\r\n")), Named),
        ("CR LF in one line", Some(in_line(line.len(), b"\r")), Named),
        ("CR", Some(replaced("\n", "\r")), Damaged),
        ("semicolons", Some(replaced(",", ";")), Damaged),
        ("tabs", Some(replaced(",", "\t")), Damaged),
        ("semicolons in one row", Some(replaced(line, &line.replace(',', ";"))), Damaged),
        ("byte order mark", Some([b"\xEF\xBB\xBF", bytes].concat()), Damaged),
        ("UTF-16", Some(b"\xFF\xFE".iter().copied().chain(bytes.iter().flat_map(|b| [*b, 0])).collect()), Damaged),
        ("NUL in a row", Some(in_line(line.len() / 2, b"\0")), Damaged),
        ("NULs at the end", Some([bytes, &[0; 512]].concat()), Damaged),
        ("not UTF-8", Some(in_line(line.len() / 2, b"\xFF")), Damaged),
        ("header not UTF-8", Some([b"\xFF", bytes].concat()), Damaged),
        ("column renamed", Some(text.replacen(number, "began", 1).into_bytes()), Damaged),
        ("unknown column", Some(Grid::changed(text, |rows| rows.iter_mut().for_each(|r| r.push("7".into())))), Named),
        ("row doubled", Some(in_line(0, format!("{line}\n").as_bytes())), Damaged),
        ("row lost", Some(text.replace(&format!("{line}\n"), "").into_bytes()), Damaged),
        ("two rows joined", Some(replaced(&format!("{line}\n"), line)), Damaged),
        ("blank line", Some(in_line(0, b"\n")), Named),
        ("field too many", Some(in_line(line.len(), b",")), Damaged),
        ("field too few", Some(replaced(line, line.rsplit_once(',').unwrap().0)), Damaged),
        ("quote opened", Some(in_line(2, b"\"")), Damaged),
        ("quote opened in every field", Some(replaced(line, &line.replace(',', ",\""))), Damaged),
        ("another trial's name", Some(Grid::with(text, ROW, "trial", &trial_of(ROW + 2))), Damaged),
        ("no trial's name", Some(Grid::with(text, ROW, "trial", "0099-nothing")), Damaged),
        ("no name", Some(Grid::with(text, ROW, "trial", "")), Damaged),
        ("schema version 0", Some(Grid::with(text, ROW, "schema_version", "0")), Damaged),
        ("schema version empty", Some(Grid::with(text, ROW, "schema_version", "")), Damaged),
        ("schema version 2", Some(Grid::with(text, ROW, "schema_version", "2")), Named),
    ];
    for value in ["-1", "x", "", "3E+09", "1.5", "18446744073709551615", "99999999999999999999", "1 000"] {
        all.push(("number", Some(Grid::with(text, ROW, number, value)), Damaged));
    }
    let drop = |rows: &mut Vec<Vec<String>>, at: usize| rows.iter_mut().for_each(|r| drop(r.remove(at)));
    let place = Grid::new(text).column(number);
    all.push(("column lost", Some(Grid::changed(text, |rows| drop(rows, place))), Damaged));
    let double = |rows: &mut Vec<Vec<String>>| rows.iter_mut().for_each(|r| r.insert(place, r[place].clone()));
    all.push(("column doubled", Some(Grid::changed(text, double)), Damaged));
    all.push(("names swapped", Some(Grid::changed(text, |rows| rows[0].swap(place, place + 1))), Damaged));
    all.push((
        "columns moved",
        Some(Grid::changed(text, |r| r.iter_mut().for_each(|r| r.swap(place, place + 1)))),
        Damaged,
    ));
    let quotes = |rows: &mut Vec<Vec<String>>| {
        rows[ROW].last_mut().unwrap().insert(0, '"');
        rows[ROW + 2].last_mut().unwrap().push('"');
    };
    all.push(("two quotes", Some(Grid::changed(text, quotes)), Damaged));
    named(all)
}

fn named(all: Vec<(&str, Option<Vec<u8>>, Expect)>) -> Vec<Mutation> {
    let numbered = all.into_iter().enumerate();
    numbered.map(|(n, (name, bytes, expect))| (format!("{n} {name}"), bytes, expect)).collect()
}

/// Fields of a file whose values contradict others: row, column, value.
fn fields(text: &str, list: &[(usize, &str, &str)]) -> Vec<Mutation> {
    let changed = |(row, column, value): &(usize, &str, &str)| {
        (format!("row {row} {column}={value}"), Some(Grid::with(text, *row, column, value)), Damaged)
    };
    list.iter().map(changed).collect()
}

/// Damage of `measurements.csv` alone. `failed` is the line of a failed trial.
pub fn measurements(text: &str, failed: usize) -> Vec<Mutation> {
    fields(
        text,
        &[
            (ROW, "outcome", "failed"),
            (ROW, "outcome", "done"),
            (ROW, "outcome", ""),
            (failed, "outcome", "completed"),
            (failed, "critical_path_ns", "5"),
            (ROW, "content_equal", "false"),
            (ROW, "content_equal", ""),
            (ROW, "error", "no space"),
            (ROW, "critical_path_ns", ""),
            (ROW, "critical_path_ns", "7"),
            (ROW, "consume_ns", ""),
            (ROW, "runner_ns", ""),
            (ROW, "runner_ns", "99999999999999"),
            (ROW, "transfer_ns", "1"),
            (ROW, "nonce", "00"),
            (ROW, "size_bytes", "77"),
            (ROW, "round", "9"),
            (ROW, "strategy", "relay"),
            (ROW, "consumers", "2"),
            (ROW, "environment", "e9"),
            (ROW, "environment", ""),
            (ROW, "seed", "99"),
            (ROW, "started_at", "yesterday"),
            (ROW, "started_at", ""),
            (ROW, "spans", "7"),
            (ROW, "layers_equal", "false"),
            (ROW, "config_equal", ""),
            (ROW, "bytes_stored", "1"),
            (ROW, "entries_stored", "0"),
            (ROW, "requests", ""),
            (failed, "load_1m", "NaN"),
            (failed, "load_1m", "inf"),
        ],
    )
}

/// Damage of `consumers.csv` alone.
pub fn consumers(text: &str) -> Vec<Mutation> {
    let list = [
        ("consumer", "0"),
        ("consumer", "2"),
        ("consume_ns", "5"),
        ("content_equal", "false"),
        ("content_equal", ""),
        ("layers_equal", "false"),
        ("config_equal", ""),
        ("index_equal", "true"),
        ("requests", "77"),
        ("bytes_down", "77"),
        ("bytes_up", ""),
        ("environment", "e9"),
    ];
    fields(text, &list.map(|(column, value)| (ROW, column, value)))
}

/// Damage of `spans.csv` alone.
pub fn spans(text: &str) -> Vec<Mutation> {
    let list = [
        ("end_ns", "-5"),
        ("start_ns", "99999999999999"),
        ("side", "producer"),
        ("side", "both"),
        ("consumer", "2"),
        ("consumer", ""),
        ("span", "lode"),
    ];
    fields(text, &list.map(|(column, value)| (ROW, column, value)))
}

/// Damage of any JSON file.
pub fn json(text: &str) -> Vec<Mutation> {
    let bytes = text.as_bytes();
    let mut all = vec![
        ("missing", None, Damaged),
        ("empty", Some(Vec::new()), Damaged),
        ("byte order mark", Some([b"\xEF\xBB\xBF", bytes].concat()), Damaged),
        ("UTF-16", Some(b"\xFF\xFE".iter().copied().chain(bytes.iter().flat_map(|b| [*b, 0])).collect()), Damaged),
        ("NULs", Some(vec![0; bytes.len()]), Damaged),
        ("NULs at the end", Some([bytes, &[0; 512]].concat()), Damaged),
        ("NUL in a text", Some(text.replacen(": \"", ": \"\0", 1).into_bytes()), Damaged),
        ("text after it", Some([bytes, b"x"].concat()), Damaged),
        ("twice", Some([bytes, bytes].concat()), Damaged),
        ("number", Some(b"7".to_vec()), Damaged),
        ("text", Some(b"\"x\"".to_vec()), Damaged),
        ("null", Some(b"null".to_vec()), Damaged),
        ("lone quote", Some(text.replacen('"', "", 1).into_bytes()), Damaged),
        ("comma lost", Some(text.replacen(',', "", 1).into_bytes()), Damaged),
        ("colon lost", Some(text.replacen(':', "", 1).into_bytes()), Damaged),
        ("braces swapped", Some(text.replacen('{', "}", 1).into_bytes()), Damaged),
    ];
    for part in 1..8 {
        all.push(("cut off", Some(bytes[..bytes.len() * part / 8].to_vec()), Damaged));
    }
    named(all)
}

/// Damage of `plan.json` alone.
pub fn plan(text: &str) -> Vec<Mutation> {
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in {text}");
        Some(text.replacen(from, to, 1).into_bytes())
    };
    let last_trial = text.rfind("    {\n      \"id\"").unwrap();
    let without = text[..last_trial].trim_end().trim_end_matches(',').to_owned() + "\n  ]\n}\n";
    named(vec![
        ("list", Some(b"[]".to_vec()), Damaged),
        ("object", Some(b"{}".to_vec()), Damaged),
        ("schema version 0", with("\"schema_version\": 1", "\"schema_version\": 0"), Refused),
        ("schema version as text", with("\"schema_version\": 1", "\"schema_version\": \"1\""), Damaged),
        ("schema version lost", with("\"schema_version\": 1,", ""), Damaged),
        ("schema version 2", with("\"schema_version\": 1", "\"schema_version\": 2"), Refused),
        ("seed changed", with("\"seed\": 3", "\"seed\": 4"), Damaged),
        ("seed as text", with("\"seed\": 3", "\"seed\": \"3\""), Damaged),
        ("rounds changed", with("\"rounds\": 3", "\"rounds\": 2"), Damaged),
        ("hash changed", with("\"hash\": \"", "\"hash\": \"0"), Damaged),
        ("field renamed", with("\"rounds\"", "\"turns\""), Damaged),
        ("field added", with("\"rounds\"", "\"turns\": 1, \"rounds\""), Damaged),
        ("trial lost", Some(without.into_bytes()), Damaged),
    ])
}

/// Damage of `environments.json` alone.
pub fn environments(text: &str) -> Vec<Mutation> {
    let with = |from: &str, to: &str| {
        assert!(text.contains(from), "no {from} in {text}");
        Some(text.replacen(from, to, 1).into_bytes())
    };
    let entry = text.trim().trim_start_matches('[').trim_end_matches(']').trim();
    let twice = format!("[{entry},{}]", entry.replacen("\"cores\": 2", "\"cores\": 64", 1));
    named(vec![
        ("no entry", Some(b"[]".to_vec()), Damaged),
        ("object", Some(b"{}".to_vec()), Damaged),
        ("id changed", with("\"id\": \"e", "\"id\": \"f"), Damaged),
        ("twice with other values", Some(twice.into_bytes()), Damaged),
        ("id lost", with("\"id\"", "\"name\""), Damaged),
        ("cores as text", with("\"cores\": 2", "\"cores\": \"2\""), Damaged),
        ("cores negative", with("\"cores\": 2", "\"cores\": -2"), Damaged),
    ])
}
