//! Columns and words are documented.

use super::*;

/// The columns that a file's section of docs/format.md lists: the first cell of each row of its table.
fn documented(text: &str, file: &str) -> Vec<String> {
    let section = text.split("\n## ").find(|s| s.starts_with(&format!("`{file}`"))).expect("a section for the file");
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once("` |")?.0.to_owned())).collect()
}

#[test]
fn every_column_is_documented_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/format.md");
    let text = fs::read_to_string(path).unwrap();
    assert_eq!(documented(&text, ConsumerRow::FILE), columns::<ConsumerRow>());
    assert_eq!(documented(&text, SpanRow::FILE), columns::<SpanRow>());
    assert_eq!(documented(&text, MeasurementRow::FILE), columns::<MeasurementRow>());
}

#[test]
fn glossary_has_every_span_and_level() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/glossary.md");
    let text = fs::read_to_string(path).unwrap();
    let section = |title: &str| text.split("\n## ").find(|s| s.starts_with(title)).expect("a section").to_owned();
    for (title, names) in [
        ("Spans", SpanKind::NAMES),
        ("Identity", &["index", "config", "layers", "content"]),
        ("The experiment", Role::NAMES),
    ] {
        for name in names {
            assert!(section(title).contains(&format!("\n- **{name}**: ")), "{title} has no {name}");
        }
    }
    let words = "workload strategy variant cell round trial producer consumer role ticket span identity engine journal \
                 plan verdict nonce transfer control warm-up gate profile builder";
    for word in words.split_whitespace().chain(["image store", "cache state", "critical path"]) {
        assert!(text.contains(&format!("\n- **{word}**: ")), "no {word}");
    }
}
