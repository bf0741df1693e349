//! `handoff doctor`.

use handoff_docker::programs::{self, EngineSet};
use handoff_docker::{Programs, buildkit, bundle, user};
use handoff_runner::tools::{self, Check};

use crate::verbs::Format;
use crate::{exit, out};

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Output format
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
    /// Build the image of docker-container builders from Go modules and the engine's runc, for machines that cannot pull it.
    /// Needs Go but not root; an existing image is kept
    #[arg(long)]
    build_buildkit_image: bool,
    /// Build an image of the engine from installed programs and load it into the daemon at `DOCKER_HOST`. Use it with
    /// `--engine container` where `docker:dind` cannot be pulled
    #[arg(long, value_name = "NAME", num_args = 0..=1, default_missing_value = bundle::LOCAL_IMAGE)]
    build_engine_image: Option<String>,
}

impl Args {
    /// Checks everything that a run needs; the exit code is not 0 if a part is missing.
    ///
    /// # Errors
    /// An image that cannot be built.
    pub fn run(self) -> anyhow::Result<u8> {
        if self.build_buildkit_image {
            let image = buildkit::make(&Programs::find()?, &mut |line| out::talk(line))?;
            out::data(&describe(&image));
            return Ok(exit::OK);
        }
        if let Some(name) = &self.build_engine_image {
            bundle::import(&Programs::find()?, &user::socket()?, name)?;
            out::talk(&format!("{name} is in the daemon: use it with --engine container --engine-image {name}"));
            return Ok(exit::OK);
        }
        let mut checks = tools::checks();
        checks.extend(programs::sets().iter().map(engine_check));
        checks.push(buildkit_check());
        if self.format == Format::Json {
            out::data(&serde_json::to_string_pretty(&checks)?);
        } else {
            for check in &checks {
                let state = if check.ok { "ok     " } else { "MISSING" };
                let mend = if check.ok { String::new() } else { format!("  -> {}", check.fix) };
                out::data(&format!("{state} {:<12} {}{mend}", check.part, check.found));
            }
        }
        let missing = checks.iter().filter(|c| !c.ok).count();
        if missing == 0 {
            return Ok(exit::OK);
        }
        out::talk(&format!("{missing} missing"));
        Ok(exit::MISSING)
    }
}

fn describe(image: &buildkit::BuildkitBuild) -> String {
    format!("{} ({}, built by {}, {})", image.reference, image.runc, image.go, image.digest)
}

/// Daemons of a set of programs, which `--engine-version` chooses by the major version of Docker.
fn engine_check(set: &EngineSet) -> Check {
    let version = |program| set.version_of(program).unwrap_or_else(|error| error.to_string());
    let found = format!("{}; {}", version("dockerd"), version("containerd"));
    Check { part: format!("engine set {}", set.name), found, ok: true, fix: String::new() }
}

/// Nothing lacks where there is no such image: the default builder needs none, and another may be pulled.
fn buildkit_check() -> Check {
    let none = || {
        let (pulled, make) = (buildkit::DEFAULT_IMAGE, buildkit::MAKE_COMMAND);
        format!("not built here; --builder docker-container pulls {pulled}, or build one: {make}")
    };
    let found = buildkit::existing_build().map_or_else(none, |made| describe(&made));
    Check { part: "builder image".to_owned(), found, ok: true, fix: buildkit::MAKE_COMMAND.to_owned() }
}
