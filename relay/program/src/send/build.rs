//! A build whose result the builder pushes to this job: watched while it runs, and explained where it fails.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Stdio;

use handoff_build::trace::{Follower, Trace};
use handoff_model::SpanKind;
use handoff_storage::monotonic_ns;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::Command;

use crate::clock::Origin;
use crate::docker::{Answer, Client, ask, does_not_start};
use crate::error::bail_input;
use crate::report::Report;
use crate::{Error, print};

/// The first version of buildx that writes a build's trace (`--progress=rawjson`).
const OLDEST_BUILDX: (u32, u32) = (0, 13);

/// Refuses a docker client without buildx, or with an old one, before anything starts.
///
/// # Errors
/// The version that was found, and the needed one.
pub(super) async fn check_buildx() -> Result<(), Error> {
    let Answer { success, stdout: version, stderr } = ask(&["buildx", "version"]).await?;
    if !success {
        let stderr = stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no output").to_owned();
        bail_input!(
            "`docker buildx version` fails ({}), and --context builds with buildx: install it, for example with \
             `apt-get install docker-buildx-plugin` (Docker's packages) or `apt-get install docker-buildx` (Debian's and Ubuntu's)",
            handoff_model::shell::escaped(&stderr)
        );
    }
    match numbers(&version) {
        Some(found) if found < OLDEST_BUILDX => Err(Error::BadInput(format!(
            "`docker buildx version` says {}, and --context needs buildx 0.13 or newer: update it, for example with \
             `apt-get install docker-buildx-plugin`",
            handoff_model::shell::escaped(&version)
        ))),
        _ => Ok(()),
    }
}

/// Major and minor version of `github.com/docker/buildx v0.21.2 1360a9e`; none of a build without a version.
fn numbers(version: &str) -> Option<(u32, u32)> {
    version.split_whitespace().find_map(|word| {
        let (major, rest) = word.strip_prefix('v').unwrap_or(word).split_once('.')?;
        Some((major.parse().ok()?, rest.split('.').next()?.parse().ok()?))
    })
}

/// Build of a folder.
#[derive(Debug)]
pub(crate) struct Build {
    /// Folder.
    pub(super) context: PathBuf,
    /// Dockerfile elsewhere.
    pub(super) file: Option<PathBuf>,
    /// Option by which the builder pushes.
    pub(super) output: String,
    /// Whether the image's config tells later builds what they need to know.
    pub(super) caches: bool,
    /// Further options.
    pub(super) options: Vec<String>,
}

impl Build {
    /// Builds and pushes. The steps and spans of the trace go into the report, also after a failure.
    ///
    /// # Errors
    /// A build or push that fails, with its cause.
    pub(super) async fn run(&self, reference: &str, earlier: Option<&str>, report: &mut Report) -> Result<(), Error> {
        let (origin, start) = (Origin::now(), monotonic_ns());
        let mut command = Command::new("docker");
        command.args(self.args(reference, earlier)).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut client = Client(command.spawn().map_err(does_not_start)?);
        let mut follower = Follower::default();
        let mut text = String::new();
        if let Some(stderr) = client.0.stderr.take() {
            let mut lines = BufReader::new(stderr);
            let mut bytes = Vec::new();
            while lines.read_until(b'\n', &mut bytes).await.map_err(broken_pipe)? > 0 {
                let line = String::from_utf8_lossy(&bytes);
                follower.line(&line).iter().filter(|l| !l.is_empty()).for_each(|l| print::talk(l));
                // The output of steps may be long, and the report does not need it.
                if line.contains("\"vertexes\"") || line.contains("\"statuses\"") {
                    text.push_str(&line);
                }
                bytes.clear();
            }
        }
        let status = client.0.wait().await.map_err(broken_pipe)?;
        report.ended(SpanKind::Command, "buildx build (build)", start);
        record(&Trace::parse(&text), origin, report);
        if status.success() {
            return Ok(());
        }
        Err(Error::Failed(explained(&follower.into_failure(), reference)))
    }

    fn args(&self, reference: &str, earlier: Option<&str>) -> Vec<OsString> {
        let mut args: Vec<OsString> =
            ["buildx", "build", "--progress=rawjson", "--tag", reference, &self.output].map(OsString::from).into();
        if self.caches {
            args.push("--cache-to=type=inline".into());
        }
        args.extend(
            earlier.map(|image| format!("--cache-from=type=registry,ref={image},registry.insecure=true").into()),
        );
        args.extend(self.options.iter().map(OsString::from));
        args.extend(self.file.iter().flat_map(|file| ["--file".into(), file.into()]));
        args.push((&self.context).into());
        args
    }
}

#[expect(clippy::needless_pass_by_value, reason = "`map_err` hands an error over by value")]
fn broken_pipe(error: std::io::Error) -> Error {
    Error::Failed(format!("reading the build's output failed: {error}; run the command again"))
}

/// Adds the trace's intervals and steps.
fn record(trace: &Trace, origin: Origin, report: &mut Report) {
    // Nothing is loaded into the engine: the builder pushes.
    for i in trace.intervals(false) {
        report.span(i.kind, &i.detail, origin.monotonic(i.start), origin.monotonic(i.end), i.bytes);
    }
    report.steps = trace.steps().map(Into::into);
}

/// The build's own error; what to do about it where the builder cannot reach this job.
fn explained(error: &str, reference: &str) -> String {
    let registry = reference.split('/').next().unwrap_or(reference);
    let refused = error.contains(registry) && error.to_lowercase().contains("connection refused");
    let hint = if refused {
        ": a builder in a container reaches this job only with the host's network: make it with \
         `docker buildx create --use --driver-opt network=host` (docker/setup-buildx-action: driver-opts: network=host)"
    } else {
        ""
    };
    format!("the build failed: {error}{hint}")
}

#[cfg(test)]
mod tests {
    use handoff_storage::TransferSpan;

    use super::*;

    #[test]
    fn network_is_named_only_where_the_push_was_refused() {
        let reference = "127.0.0.1:4000/app:1";
        let refused = "failed to push 127.0.0.1:4000/app:1: dial tcp 127.0.0.1:4000: connect: connection refused";
        assert!(explained(refused, reference).contains("network=host"));
        for error in [
            "[2/2] RUN false: exit code: 1",
            "[1/1] COPY nothing /: \"/nothing\": not found",
            "[2/2] RUN curl http://127.0.0.1:80: exit code: 7; its last output: connection refused",
        ] {
            let text = explained(error, reference);
            assert!(text.contains(error) && !text.contains("network"), "{text}");
        }
    }

    #[test]
    fn version_of_buildx_is_read_in_all_its_forms() {
        assert_eq!(numbers("github.com/docker/buildx v0.21.2 1360a9e8d25a"), Some((0, 21)));
        assert_eq!(numbers("github.com/docker/buildx 0.12.1+ds1 0.12.1-1"), Some((0, 12)));
        assert_eq!(numbers("github.com/docker/buildx v0.9"), Some((0, 9)));
        assert_eq!(numbers("github.com/docker/buildx abc"), None);
    }

    #[test]
    fn earlier_image_is_a_cache_of_the_build_and_the_folder_is_the_last_word() {
        let build = Build {
            context: "/src".into(),
            file: Some("/src/Other".into()),
            output: "--output=x".to_owned(),
            caches: true,
            options: vec!["--target=final".to_owned()],
        };
        let words = |earlier| {
            let args = build.args("127.0.0.1:1/app:1", earlier);
            args.into_iter().map(|word| word.into_string().unwrap()).collect::<Vec<_>>().join(" ")
        };
        let all = words(Some("127.0.0.1:1/old:1"));
        assert!(
            all.contains(
                " --cache-to=type=inline --cache-from=type=registry,ref=127.0.0.1:1/old:1,registry.insecure=true "
            ),
            "{all}"
        );
        assert!(all.ends_with(" --target=final --file /src/Other /src"), "{all}");
        assert!(!words(None).contains("--cache-from"));
    }

    #[test]
    fn report_has_the_steps_and_spans_of_a_trace_on_the_monotonic_clock() {
        let line = r#"{"vertexes":[{"digest":"a","name":"[2/3] RUN make","inputs":["x"],"started":"2027-01-01T00:00:01Z","completed":"2027-01-01T00:00:03Z"},{"digest":"b","name":"[3/3] RUN old","inputs":["a"],"started":"2027-01-01T00:00:01Z","completed":"2027-01-01T00:00:01Z","cached":true},{"digest":"c","name":"exporting to image","started":"2027-01-01T00:00:03Z","completed":"2027-01-01T00:00:04Z"}]}"#;
        let origin = Origin::now();
        let mut report = Report::new();
        record(&Trace::parse(line), origin, &mut report);
        let steps = report.steps.unwrap();
        assert_eq!((steps.executed, steps.cached), (1, 1));
        let find = |kind| -> &TransferSpan { report.spans.iter().find(|span| span.name == kind).unwrap() };
        let (built, exported) = (find(SpanKind::Build), find(SpanKind::Export));
        assert_eq!((built.end_ns - built.start_ns, built.detail.as_str()), (2_000_000_000, "[2/3] RUN make"));
        assert_eq!(exported.start_ns, built.end_ns);
        assert_eq!(built.start_ns, origin.monotonic("2027-01-01T00:00:01Z".parse().unwrap()));
    }
}
