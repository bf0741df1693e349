//! `handoff strategies`.

use std::process::ExitCode;

use handoff_strategies::ALL;

use crate::{exit, out};

/// Options of `strategies`.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints every strategy with its options.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        for strategy in ALL {
            let facts = strategy.facts();
            out::data(&format!("{:<12} {}", facts.name, facts.summary));
            for option in facts.options {
                out::data(&format!("             :{}={}  {}", option.name, option.default, option.help));
            }
        }
        Ok(ExitCode::from(exit::OK))
    }
}
