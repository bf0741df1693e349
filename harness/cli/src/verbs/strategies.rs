//! `handoff strategies`.

use handoff_strategies::ALL;

use crate::{exit, out};

/// Options of `strategies`: none.
#[derive(Debug, clap::Args)]
pub struct Args {}

impl Args {
    /// Prints every strategy with its options.
    ///
    /// # Errors
    /// None; every verb returns a result.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "every verb runs so")]
    pub fn run(self) -> anyhow::Result<u8> {
        for strategy in ALL {
            let facts = strategy.facts();
            out::data(&format!("{:<12} {}", facts.name, facts.summary));
            for option in facts.options {
                let value = if option.default.is_empty() { "..." } else { option.default };
                out::data(&format!("             :{}={value}  {}", option.name, option.help));
            }
        }
        Ok(exit::OK)
    }
}
