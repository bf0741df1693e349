// Every verb of the binary, with calls of it that print. The binary's own tests check that the list is whole, and
// `writing.rs` runs the calls. A new verb gets a line here.

/// A verb without verbs below it, and what it prints.
pub struct VerbCalls {
    /// Its words, as `workflows sync`.
    pub path: &'static str,
    /// Arguments, one text for each output format. Words in braces stand for folders and a trial.
    pub calls: &'static [&'static str],
    /// Why there is no call here.
    pub silent: &'static str,
}

const fn prints(path: &'static str, calls: &'static [&'static str]) -> VerbCalls {
    VerbCalls { path, calls, silent: "" }
}

const fn silent(path: &'static str, silent: &'static str) -> VerbCalls {
    VerbCalls { path, calls: &[], silent }
}

/// All verbs.
pub const VERBS: &[VerbCalls] = &[
    silent("run", "it prints when a run has ended, which needs engines"),
    prints(
        "plan",
        &["--sizes 64MiB --rounds 1", "--sizes 64MiB --rounds 1 --order --format json", "--list"],
    ),
    prints(
        "report",
        &[
            "{whole} --out {temp}/report",
            "{whole} --format json",
            "{whole} --format csv",
            "{whole} --format markdown",
            "{whole} --trace {trial}",
        ],
    ),
    prints("compare", &["{whole} {other}", "{whole} {other} --format json"]),
    prints(
        "recommend",
        &[
            "{whole} --consumers 3 --pushes-per-day 5 --image-size 1GiB",
            "{whole} --consumers 3 --pushes-per-day 5 --image-size 1GiB --format json",
        ],
    ),
    prints("image", &["--size 16MiB --describe", "--size 16MiB --tar"]),
    prints("serve", &["--store {temp}/store"]),
    silent("produce", "it prints when an image is built and sent, which needs an engine"),
    silent("consume", "it prints when an image has arrived, which needs an engine"),
    prints("strategies", &[""]),
    prints("workloads", &[""]),
    prints("profiles", &["", "github-hosted"]),
    silent("send", "it prints when an image is sent, which needs an engine"),
    silent("receive", "it prints when an image has arrived, which needs an engine"),
    prints("doctor", &["", "--format json"]),
    prints("clean", &["--work-dir {work}"]),
    silent("mark", "it writes a file"),
    silent("github begin", "it writes files"),
    silent("github answer", "it writes files"),
    silent("github finish", "it writes files"),
    silent("github calibrate", "it prints when GitHub's services have answered"),
    silent("github clean", "it prints nothing"),
    silent("github engine", "it prints nothing"),
    silent("dispatch", "it prints when GitHub has started a run"),
    silent("collect", "it prints nothing"),
    prints("workflows sync", &["--root {root}"]),
    silent("workflows check", "it prints nothing"),
    prints(
        "workflows pin",
        &["--root {root} actions/cache v5.9.9 0123456789012345678901234567890123456789"],
    ),
    silent("job", "its output is the runner's protocol"),
    silent("service", "its output is the runner's protocol"),
    silent("stream upload", "it prints nothing"),
    silent("stream download", "it prints an artifact, which needs a service"),
    silent("import-helper", "its output is a protocol, and it needs an engine"),
    silent("store-switch", "it prints when a store is switched, which needs an engine"),
    silent("relay sender", "its output is a protocol, and it needs a service"),
    silent("relay receiver", "its output is a protocol, and it needs a service"),
];
