//! A build whose result the builder pushes to this job: watched while it runs, and explained where it fails.

use std::ffi::OsString;
use std::io::{BufRead as _, BufReader};
use std::path::Path;

use handoff_build::trace::Follower;
use handoff_docker::command::CommandOutput;

use super::ask;
use crate::exit::{bad_input, bail_input};
use crate::out;

/// The first version of buildx that writes a build's trace (`--progress=rawjson`).
const OLDEST_BUILDX: (u32, u32) = (0, 13);

/// Refuses a docker client without buildx, or with an old one, before anything starts.
///
/// # Errors
/// The version that was found, and the needed one.
pub(super) fn check_buildx() -> anyhow::Result<()> {
    let CommandOutput { success, stdout: version, stderr } = ask(&["buildx", "version"])?;
    if !success {
        let stderr = stderr.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or("no output").to_owned();
        bail_input!(
            "`docker buildx version` fails ({}), and --context builds with buildx: install it, for example with \
             `apt-get install docker-buildx-plugin` (Docker's packages) or `apt-get install docker-buildx` (Debian's and Ubuntu's)",
            handoff_model::shell::escaped(&stderr)
        );
    }
    match numbers(&version) {
        Some(found) if found < OLDEST_BUILDX => Err(bad_input(format!(
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

/// Builds a folder and pushes the result to a registry of this job.
///
/// # Errors
/// A build or push that fails, with its cause.
pub(super) fn run(reference: &str, output: &str, context: &Path, file: Option<&Path>) -> anyhow::Result<()> {
    let mut args: Vec<OsString> =
        ["buildx", "build", "--progress=rawjson", "--tag", reference, output].map(OsString::from).into();
    args.extend(file.into_iter().flat_map(|file| ["--file".into(), file.into()]));
    args.push(context.into());
    let command = duct::cmd("docker", args).stdin_null().stderr_to_stdout().unchecked();
    let reader = command.reader().map_err(super::does_not_start)?;
    let mut follower = Follower::default();
    let mut lines = BufReader::new(&reader);
    let mut line = Vec::new();
    while lines.read_until(b'\n', &mut line)? > 0 {
        follower.line(&String::from_utf8_lossy(&line)).iter().filter(|l| !l.is_empty()).for_each(|l| out::talk(l));
        line.clear();
    }
    let ended = reader.try_wait()?.map(|output| output.status);
    if ended.is_some_and(|status| status.success()) {
        return Ok(());
    }
    anyhow::bail!("{}", explained(&follower.into_failure(), reference))
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
}
