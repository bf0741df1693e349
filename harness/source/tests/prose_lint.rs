//! `scripts/prose-lint` finds long sentences and replaced names, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on shall panic")]

use std::fs;
use std::path::Path;
use std::process::Command;

mod support;

use support::Tree;

/// Exit code and lines of the script for a tree with this file.
fn lint(tree: &Tree, name: &str, text: &str, exceptions: &str) -> (i32, String) {
    for (file, text) in [(name, text), ("scripts/lib/name-exceptions.csv", exceptions)] {
        let path = tree.path().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../scripts/prose-lint");
    let output = Command::new("python3").arg(script).arg("--root").arg(tree.path()).output().unwrap();
    fs::remove_file(tree.path().join(name)).unwrap();
    (output.status.code().unwrap(), String::from_utf8_lossy(&output.stdout).into_owned())
}

fn repository() -> Tree {
    let tree = Tree::new();
    tree.commit();
    tree
}

fn words(count: usize) -> String {
    format!("Word{}", " word".repeat(count - 1))
}

#[test]
fn sentence_of_more_than_30_words_is_found_with_its_line() {
    let tree = repository();
    let long = words(31);
    for text in [
        format!("Short.\n\n{long}. Short."),
        format!("Short.\n\n- Short.\n- {long}").replace("- Short.\n", ""),
        format!("| a | b |\n|---|---|\n| c | {long} |"),
        format!("Short.\n\n{}\n{}", words(20), words(11).to_lowercase()),
    ] {
        let (code, found) = lint(&tree, "docs/page.md", &text, "");
        assert_eq!((code, found.lines().count()), (1, 1), "{text}: {found}");
        assert!(found.starts_with("docs/page.md:3: 31 words: Word word"), "{found}");
    }
}

#[test]
fn code_targets_of_links_and_other_cells_do_not_count() {
    let tree = repository();
    let cell = words(20);
    for text in [
        format!("```sh\n{}\n```", words(40)),
        format!("<!-- {} -->", words(40)),
        format!("| {cell} | {cell} |"),
        format!("{} [link](a/b c) `{}`.", words(28), words(9)).replace("a/b c", "a/b"),
        format!("{cell}. {cell}."),
        format!("{cell}\n\n{cell}"),
    ] {
        assert_eq!(lint(&tree, "README.md", &text, ""), (0, String::new()), "{text}");
    }
}

#[test]
fn replaced_name_is_found_unless_an_exception_gives_its_reason() {
    let tree = repository();
    for (code, name) in [
        ("fn absorb() {}", "absorb"),
        ("struct OwnStore;", "OwnStore"),
        ("    side: Role,", "side"),
        ("    Lane,", "Lane"),
        ("fn what_was_told() {}", "what_was_told"),
    ] {
        let (exit, found) = lint(&tree, "a/src/x.rs", &format!("{code}\n"), "");
        assert_eq!(exit, 1, "{code}");
        assert!(found.starts_with(&format!("a/src/x.rs:1: name `{name}`: call it ")), "{found}");
        let listed = |reason: &str| format!("file,name,reason\na/src/x.rs,{name},{reason}\n");
        assert_eq!(lint(&tree, "a/src/x.rs", code, &listed("GitHub's word")), (0, String::new()));
    }
    let listed = "file,name,reason\na/src/x.rs,side,\n";
    assert!(lint(&tree, "a/src/x.rs", "fn side() {}", listed).1.contains("has no reason"));
    assert!(lint(&tree, "a/src/x.rs", "fn new() {}", listed).1.contains("remove the line"));
    for code in ["// fn absorb()", "let x = \"own: side\";", "fn keeps_its_own_name() {}", "let told = 1;"] {
        assert_eq!(lint(&tree, "a/src/x.rs", code, ""), (0, String::new()), "{code}");
    }
    assert!(lint(&tree, "a/tests/desk.rs", "", "").1.starts_with("a/tests/desk.rs:1: name `desk`"));
}
