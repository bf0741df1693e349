//! Golden texts of errors: those that a command line leads to, and those of each error type, which need a broken machine.
//!
//! `HANDOFF_GOLDEN=write cargo test -p handoff-cli --test offline messages` writes them; read the difference before you commit it.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

use crate::support::{SampleRuns, error, handoff, request, seconds};

mod types;

/// Command lines that fail, by topic: exit code and arguments. Words in braces stand for files of [`Scene`].
const COMMANDS: &[(&str, &[(i32, &str)])] = &[
    (
        "command line",
        &[
            (2, "plna"),
            (2, "plan --size 1GiB"),
            (2, "plan --format xml"),
            (2, "plan --seed x"),
            (2, "plan extra words"),
            (2, "recommend {run}"),
            (2, "compare {run}"),
            (2, "report"),
            (2, "report {run} --check"),
            (2, "report {run} --readme {file} --spike {file}"),
            (2, "run --mixed"),
            (2, "dispatch"),
            (2, "workflows pin actions/cache"),
        ],
    ),
    (
        "strategies",
        &[
            (2, "plan --strategies artefact"),
            (2, "plan --strategies artifact:levle=6"),
            (2, "plan --strategies artifact:level=11"),
            (2, "plan --strategies artifact:level"),
            (2, "plan --strategies artifact,rebuild,artifact"),
            (2, "plan --strategies artifact:archive=false,level=6"),
            (2, "plan --strategies zstd-stream:client=lhotari"),
            (2, "plan --strategies zstd-stream:client=lhotari,dir=/nowhere"),
            (2, "plan --strategies zstd-stream:dir=/nowhere"),
            (2, "plan --image-store overlay2 --builder docker --strategies gha-cache"),
            (2, "plan --image-store overlay2 --strategies zstd-stream:source=output"),
            (2, "plan --strategies artifact:layers=zstd,source=save"),
        ],
    ),
    (
        "factors",
        &[
            (2, "plan --sizes big"),
            (2, "plan --sizes 0"),
            (2, "plan --sizes 11GiB"),
            (2, "plan --sizes 1GiB,1GiB"),
            (2, "plan --rounds 0"),
            (2, "plan --rounds -1"),
            (2, "plan --rounds soon"),
            (2, "plan --consumers 0"),
            (2, "plan --consumers x"),
            (2, "plan --consumer-concurrency 0"),
            (2, "plan --workload typicl"),
            (2, "plan --workload ./none.toml"),
            (2, "plan --workload {file}"),
            (2, "plan --image-store overlay"),
            (2, "plan --builder podman"),
            (2, "plan --engine vm"),
            (2, "plan --cache-state one-layr"),
            (2, "plan --timeout -1"),
            (2, "plan --budget soon"),
            (2, "plan --budget 1s"),
            (2, "plan --purpose screening --compare pairs"),
            (2, "plan --purpose trend --rounds auto"),
        ],
    ),
    (
        "matrices",
        &[
            (2, "plan quik"),
            (2, "plan ./none.toml"),
            (2, "plan {file}"),
            (2, "plan {unknown-key}"),
            (2, "plan {empty-rule}"),
            (2, "plan {wrong-value}"),
            (2, "plan {all-excluded}"),
        ],
    ),
    (
        "profiles",
        &[
            (2, "plan --profile github-hostd"),
            (2, "plan --profile ./none.toml"),
            (2, "plan --profile {file}"),
            (2, "plan --profile loopback:aggregate=x"),
            (2, "plan --profile loopback:agregate=60MiB/s"),
            (2, "plan --link-rate 60"),
            (2, "plan --fault stall"),
            (2, "profiles far"),
            (2, "profiles --check-log {run}"),
            (2, "serve --profile far"),
        ],
    ),
    (
        "the user's image",
        &[
            (2, "plan --context /nowhere"),
            (2, "plan --context {dir}"),
            (2, "plan --context {file}"),
            (2, "plan --context {context} --dockerfile none"),
            (2, "plan --context {context} --dockerfile {dir}"),
            (2, "plan --dockerfile x"),
            (2, "plan --build-arg A=1"),
            (2, "plan --context {context} --build-arg A"),
            (2, "plan --context {context} --image x"),
            (2, "plan --context {context} --sizes 1GiB"),
            (2, "plan --context {context} --workload typical"),
            (2, "plan --context {context} --work-dir /var/tmp/a,b"),
            (2, "plan --image Team/App"),
            (2, "plan --image repo:<none>"),
        ],
    ),
    (
        "run",
        &[
            (2, "run --resume"),
            (2, "run --resume --out {dir}"),
            (2, "run --resume --out {run}"),
            (2, "run --resume --out {run} --sizes 2GiB"),
        ],
    ),
    (
        "results",
        &[
            (2, "report /nowhere"),
            (2, "report {dir}"),
            (2, "report {run} --out /dev/null/x"),
            (2, "report {run} {run}"),
            (2, "report {run} --reference rebuld --format json"),
            (2, "report {run} --trace nothing"),
            (2, "report {run} --alpha 2"),
            (2, "report {run} --alpha 0.0000001"),
            (2, "report {run} --smallest-seconds -1"),
            (2, "report {run} --metrics speed"),
            (2, "report {run} --readme /nowhere"),
            (2, "report {run} --readme {file}"),
            (2, "report {run} --readme {markers} --check"),
            (2, "report {run} --spike {file} --check"),
            (2, "report {run} --readme /dev/full --check"),
            (2, "compare {run} {four-cores}"),
            (2, "compare {run} {other-size}"),
            (5, "report {damaged-plan}"),
            (5, "report {lost-rows}"),
            (5, "report {odd-rows} --format csv"),
            (2, "recommend {run} --consumers 0 --pushes-per-day 5 --image-size 1GiB"),
            (2, "recommend {run} --consumers 1 --pushes-per-day 5 --image-size 0"),
            (2, "recommend {run} --consumers 1 --pushes-per-day 5 --image-size 1GiB --build-seconds -1"),
            (2, "recommend {run} --consumers 1 --pushes-per-day 5 --image-size 1GiB --plan tem"),
            (2, "recommend {run} --consumers 1 --pushes-per-day 5 --image-size 1GiB --profile nothing"),
        ],
    ),
    (
        "send and receive",
        &[
            (2, "send Team/App"),
            (2, "send repo:<none>"),
            (2, "send app:1 --connections -1"),
            (2, "send app:1 --level 23"),
            (2, "send app:1 --name a/b"),
            (2, "send app:1 --name="),
            (2, "send app:1 --context /nowhere"),
            (2, "send app:1 --context {context} --compression gzip --level 3"),
            (3, "receive"),
            (2, "receive --store disk"),
            (2, "receive --name a/b"),
            (2, "relay sender --name x --report /nope/x"),
            (2, "relay sender --name x --report {dir}"),
            (2, "stream upload x --report /nope/x"),
            (2, "produce --strategy artefact"),
            (2, "produce --strategy artifact"),
            (2, "produce --strategy artifact --logs {dir}/a,b"),
            (4, "consume --strategy artifact --ticket /nowhere"),
            (2, "consume --strategy artifact --ticket {file}"),
        ],
    ),
    (
        "GitHub",
        &[
            (2, "dispatch --repo you/handoff"),
            (2, "dispatch --repo you/handoff --outstanding --out {dir}"),
            (2, "collect --run-id 5"),
            (2, "collect --run-id 5 --repo you/handoff"),
            (2, "collect --plan /nowhere/plan.json"),
            (2, "workflows check --root {dir}"),
            (2, "workflows pin actions/cache v5.1.0 abc --root {root}"),
            (2, "workflows check --root {root}"),
        ],
    ),
    (TOKEN, &[(2, "dispatch --repo you"), (4, "dispatch --repo you/handoff")]),
    (
        "other verbs",
        &[
            (2, "image --size 1KiB --describe"),
            (2, "image --size 16MiB --context {foreign}"),
            (2, "serve --bind nowhere"),
            (2, "serve --store /dev/null/x"),
            (2, "serve --ttl -1"),
            (4, "job /nowhere"),
        ],
    ),
];

/// Topic of the command lines that have a token.
const TOKEN: &str = "GitHub with a token";

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
        if topic == TOKEN {
            // Nothing listens there.
            command.env("GH_TOKEN", "x").env("HANDOFF_API_URL", "http://127.0.0.1:1").env("HANDOFF_API_SECOND_MS", "1");
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
