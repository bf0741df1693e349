//! Golden texts of errors: those that a command line leads to, and those of each error type, which need a broken machine.
//!
//! `HANDOFF_GOLDEN=write cargo test -p handoff-cli --test offline messages` writes them; read the difference before you commit it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::github_api::{Fault, GitHub};
use crate::support::{SampleRuns, error, handoff, request, seconds};

mod commands;
mod types;

use commands::{COMMANDS, TOKEN};

/// Files that command lines name.
struct Scene {
    samples: SampleRuns,
    root: PathBuf,
}

impl Scene {
    fn new() -> Self {
        let samples = SampleRuns::new();
        let strategies = "artifact,rebuild";
        let run = |name: &str, sizes: &[&str], cores| samples.run(name, request(strategies, sizes, 2), cores, seconds);
        run("run", &["1GiB"], 2);
        run("four-cores", &["1GiB"], 4);
        run("other-size", &["2GiB"], 2);
        for (name, file, from, to) in [
            ("damaged-plan", "plan.json", "\"seed\": 3", "\"seed\": 4"),
            ("lost-rows", "spans.csv", "span", "spun"),
            ("odd-rows", "measurements.csv", ",completed,", ",failed,"),
        ] {
            let file = Path::new(&run(name, &["1GiB"], 2)).join(file);
            let text = fs::read_to_string(&file).unwrap();
            fs::write(file, text.replace(from, to)).unwrap();
        }
        let root = samples.dir.clone();
        let scene = Self { samples, root };
        for (name, text) in [
            ("file", "no = 'matrix'\n"),
            ("unknown-key", "sizes = '64MiB'\nround = 1\n"),
            ("empty-rule", "sizes = '64MiB'\n[[exclude]]\n"),
            ("wrong-value", "sizes = 'big'\n"),
            ("all-excluded", "strategies = 'artifact'\n[[exclude]]\nstrategy = 'artifact'\n"),
            ("markers", "<!-- handoff:table:begin -->\n<!-- handoff:table:end -->\n"),
            ("context/Dockerfile", "FROM scratch\n"),
            ("foreign/letter.txt", "x"),
        ] {
            let path = scene.path(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        fs::create_dir_all(scene.path("dir")).unwrap();
        fs::create_dir_all(scene.path("root/workflows")).unwrap();
        let pins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../workflows/pins.toml");
        fs::copy(pins, scene.path("root/workflows/pins.toml")).unwrap();
        scene
    }

    fn path(&self, name: &str) -> PathBuf {
        self.samples.dir.join(name)
    }

    /// The line of a command that fails, without what differs from machine to machine.
    fn error(&self, topic: &str, code: i32, arguments: &str) -> String {
        let fill = |word: &str| match word.split_once('{').and_then(|(a, rest)| Some((a, rest.split_once('}')?))) {
            Some((before, (name, after))) => format!("{before}{}{after}", self.path(name).display()),
            None => word.to_owned(),
        };
        let words: Vec<String> = arguments.split(' ').map(fill).collect();
        let mut command = handoff(&words);
        for variable in
            ["GH_TOKEN", "GITHUB_TOKEN", "GITHUB_REPOSITORY", "ACTIONS_RESULTS_URL", "ACTIONS_RUNTIME_TOKEN"]
        {
            command.env_remove(variable);
        }
        let github = (topic == TOKEN).then(GitHub::new);
        if let Some(github) = &github {
            let refused = Fault::Answer(400, vec![], "Bad Request");
            github.state().faults.push(("GET", "/repos/you/handoff", refused));
            command.env("GH_TOKEN", "x").env("GITHUB_API_URL", &github.api);
        }
        // No token of a `gh` that is signed in, and no docker.
        let output = command.current_dir(self.path("dir")).env("PATH", self.path("dir")).output().unwrap();
        let line = error(arguments, &output).replace(&self.root.display().to_string(), "TMP");
        assert_eq!(output.status.code(), Some(code), "{arguments}: {line}");
        without_digests(&line)
    }
}

/// A text with `DIGEST` for what changes with every source.
fn without_digests(text: &str) -> String {
    let mut parts = text.split("sha256:");
    let mut all = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let _ = write!(all, "sha256:DIGEST{}", part.trim_start_matches(|c: char| c.is_ascii_hexdigit()));
    }
    all
}

/// Words by which a fix begins.
const FIXES: [&str; 45] = [
    "use", "name", "run", "leave", "set", "write", "give", "install", "start", "free", "move", "rename", "remove",
    "restore", "add", "choose", "wait", "take", "raise", "change", "send", "lower", "check", "collect", "fetch",
    "mount", "measure", "fix", "update", "compare", "pipe", "stop", "make", "delete", "repeat", "sign", "build",
    "merge", "connect", "pull", "report", "read", "push", "ask", "try",
];

/// Whether a message has a fix: a suggestion, or a clause that begins with what to do.
fn has_fix(message: &str) -> bool {
    let mut clauses = message.split([':', ';', '(', ',', '.']).chain(message.split(" or ")).map(str::trim_start);
    let begins =
        |clause: &str| FIXES.iter().any(|fix| clause.strip_prefix(fix).is_some_and(|rest| rest.starts_with(' ')));
    message.contains("did you mean `")
        || message.contains("a similar ")
        || message.contains("[possible values")
        || clauses.any(begins)
}

/// Things that a message can be about without a name in quotes.
const THINGS: [&str; 15] = [
    "engine",
    "daemon",
    "service",
    "stream",
    "container",
    "machine",
    "relay",
    "artifact",
    "image",
    "run",
    "trial",
    "BuildKit",
    "sender",
    "range",
    "thread",
];

/// Whether a message says where: an option, a variable, a word in quotes, a file, an address, or one of [`THINGS`].
fn has_place(message: &str) -> bool {
    let variable = |word: &str| word.len() > 5 && word.chars().all(|c| c.is_ascii_uppercase() || c == '_');
    let inside = |word: &str, c: char| word.trim_end_matches([':', '.', ';']).contains(c);
    ["--", "`", "'", "/", "\""].iter().any(|mark| message.contains(mark))
        || message.split([' ', ',']).any(|word| variable(word) || inside(word, '.') || inside(word, ':'))
        || THINGS.iter().any(|thing| message.contains(thing))
}

/// Compares a golden file, or writes it.
fn expect_golden(name: &str, text: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/errors").join(name);
    if std::env::var("HANDOFF_GOLDEN").is_ok_and(|v| v == "write") {
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, text).unwrap();
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    let mut lines = text.lines().zip(expected.lines().chain(std::iter::repeat("")));
    let first = lines.find(|(is, was)| is != was);
    assert!(text == expected, "{name} differs; HANDOFF_GOLDEN=write rewrites it. The first line now: {first:?}");
}

/// Panics with all messages that lack a place or a fix.
fn expect_whole<'a>(messages: impl Iterator<Item = (&'a str, &'a str)>) {
    let lacking = |(what, message): (&str, &str)| {
        let lacks = match (has_place(message), has_fix(message)) {
            (true, true) => return None,
            (true, false) => "fix",
            (false, _) => "place",
        };
        Some(format!("{what}: no {lacks} in: {message}"))
    };
    let all: Vec<String> = messages.filter_map(lacking).collect();
    assert!(all.is_empty(), "{} messages:\n{}", all.len(), all.join("\n"));
}

#[test]
fn error_of_every_command_line_is_the_golden_text_with_place_and_fix() {
    let scene = Scene::new();
    let mut text = String::new();
    let mut all = Vec::new();
    for (topic, commands) in COMMANDS {
        let _ = writeln!(text, "{}## {topic}", if text.is_empty() { "" } else { "\n" });
        for (code, arguments) in *commands {
            let line = scene.error(topic, *code, arguments);
            let _ = write!(text, "\n$ handoff {arguments}\n{line}\n[{code}]\n");
            all.push((*arguments, line));
        }
    }
    expect_golden("commands.txt", &text);
    expect_whole(all.iter().map(|(arguments, line)| (*arguments, line.as_str())));
}

#[test]
fn text_of_every_error_type_is_the_golden_text_with_place_and_fix() {
    let all = types::all();
    let mut text = String::new();
    for (file, messages) in &all {
        let _ = write!(text, "{}## {file}\n\n", if text.is_empty() { "" } else { "\n" });
        text.push_str(&messages.join("\n"));
        text.push('\n');
    }
    expect_golden("types.txt", &text);
    expect_whole(all.iter().flat_map(|(file, messages)| messages.iter().map(|m| (*file, m.as_str()))));
}

/// A new variant needs a line in `types.rs`. Those that only pass a text or an error on have none.
#[test]
fn every_variant_of_an_error_type_has_a_golden_text() {
    for (file, messages) in types::all() {
        let source = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(file)).unwrap();
        let passes = source.matches("#[error(transparent)]").count() + source.matches("#[error(\"{0}\")]").count();
        assert_eq!(messages.len(), source.matches("#[error(").count() - passes, "{file}");
    }
}
