//! `handoff dispatch`: starts the workflow on GitHub, shows how it goes, and fetches its rows.

use std::collections::BTreeMap;
use std::path::PathBuf;

use handoff_github::{GithubError, collect::of_run, inputs, remote::Remote, rest::Api, watch::until_ended};
use handoff_model::shell;

use super::collect;
use crate::exit::{self, bad_input};
use crate::out;

/// Options of `dispatch`: where, and what the form of the workflow asks.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// Repository, as owner/name
    #[arg(long, value_name = "OWNER/NAME")]
    repo: String,
    /// Branch or tag with the workflow [default: the repository's default branch]
    #[arg(long = "ref", value_name = "REF")]
    git_ref: Option<String>,
    #[command(flatten)]
    inputs: Inputs,
    /// Start only the trials that have no row in the results folder, with the inputs of its plan
    #[arg(long, requires = "out")]
    outstanding: bool,
    /// Print the run's number for `handoff collect --run-id`, and do not wait
    #[arg(long)]
    no_wait: bool,
    /// Results folder [default: results/github-RUN]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// Inputs of the workflow's form. A field has the name of its input.
#[derive(Debug, clap::Args, serde::Serialize)]
struct Inputs {
    /// Sizes of the image, separated by commas
    #[arg(long, value_name = "SIZE,...")]
    sizes: Option<String>,
    /// Strategies with their options, or `all`
    #[arg(long, value_name = "NAME[:OPTION=VALUE,...],...")]
    strategies: Option<String>,
    /// Rounds, each with every strategy once
    #[arg(long, value_name = "N")]
    rounds: Option<String>,
    /// Workloads, separated by commas
    #[arg(long, alias = "workloads", value_name = "NAME,...")]
    workload: Option<String>,
    /// Consumer jobs of each trial
    #[arg(long, value_name = "N")]
    consumers: Option<String>,
    /// Label of the runners, or a JSON list of labels
    #[arg(long, value_name = "LABEL")]
    runner: Option<String>,
    /// Builder: docker-container, docker
    #[arg(long, value_name = "BUILDER")]
    builder: Option<String>,
    /// Image store of the runners' engines: overlay2, containerd
    #[arg(long, value_name = "STORE")]
    image_store: Option<String>,
    /// Content of the caches before a trial: cold, warm, one-layer, base-layer
    #[arg(long, value_name = "STATE")]
    cache_state: Option<String>,
    /// Seed of the random order and of the image's content
    #[arg(long, value_name = "N")]
    seed: Option<String>,
    /// Days that GitHub keeps the results
    #[arg(long, value_name = "DAYS")]
    retention: Option<String>,
    /// Branch that the workflow commits the results to
    #[arg(long, value_name = "BRANCH")]
    branch: Option<String>,
}

impl Args {
    /// The inputs that options name.
    fn named(&self) -> anyhow::Result<BTreeMap<String, String>> {
        let all: BTreeMap<String, Option<String>> = serde_json::from_value(serde_json::to_value(&self.inputs)?)?;
        Ok(all.into_iter().filter_map(|(name, value)| Some((name, value?))).collect())
    }

    /// The inputs of the run; none where nothing is outstanding.
    fn inputs(&self) -> anyhow::Result<Option<BTreeMap<String, String>>> {
        if !self.outstanding {
            return self.named().map(Some);
        }
        let out = self.out.as_deref();
        let out = out.ok_or_else(|| bad_input("--outstanding needs --out DIR: name the folder with the plan"))?;
        let (missing, named) = (inputs::outstanding(out, &mut out::warn)?, self.named()?);
        Ok(missing.map(|inputs| inputs.into_iter().chain(named).collect()))
    }

    /// Starts the run, and unless --no-wait is given waits and collects.
    ///
    /// # Errors
    /// An API that refuses, or a folder that holds another plan.
    pub fn run(self) -> anyhow::Result<u8> {
        self.out.as_deref().map_or(Ok(()), |out| crate::paths::check_text("--out", out))?;
        let Some(inputs) = self.inputs()? else {
            out::talk("nothing is outstanding: every trial of the plan has a row");
            return Ok(exit::OK);
        };
        let remote = Remote::new(Api::of_user().map_err(GithubError::from)?, &self.repo)?;
        let run = remote.dispatch(self.git_ref.as_deref(), &inputs)?;
        out::data(&run.id.to_string());
        out::talk(&format!("started {}", run.url));
        let out = self.out.unwrap_or_else(|| collect::folder(run.id));
        let (repo, folder) = (shell::quote(&self.repo), shell::quote(&out.to_string_lossy()));
        let go_on = format!("handoff collect --repo {repo} --run-id {} --out {folder}", run.id);
        out::talk(&format!("the run goes on without this command; to collect it later: {go_on}"));
        if self.no_wait {
            return Ok(exit::OK);
        }
        until_ended(&remote, run.id, &mut out::talk)
            .inspect_err(|_| out::talk(&format!("the run goes on without this: {go_on}")))?;
        Ok(collect::report(of_run(&remote, run.id, &out, &mut out::warn)?, &out))
    }
}
