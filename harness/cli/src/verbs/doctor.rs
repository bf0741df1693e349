//! `handoff doctor`.

use std::process::ExitCode;

use handoff_driver::tools;

use crate::verbs::Format;
use crate::{exit, out};

/// Options of `doctor`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// How to print
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Args {
    /// Looks at everything that a run needs; exits non-zero if a part is missing.
    pub fn run(self) -> anyhow::Result<ExitCode> {
        let checks = tools::checks();
        if self.format == Format::Json {
            out::data(&serde_json::to_string_pretty(&checks)?);
        } else {
            for check in &checks {
                let state = if check.ok { "ok     " } else { "MISSING" };
                let mend = if check.ok { String::new() } else { format!("  -> {}", check.mend) };
                out::data(&format!("{state} {:<12} {}{mend}", check.part, check.found));
            }
        }
        let missing = checks.iter().filter(|c| !c.ok).count();
        if missing == 0 {
            return Ok(ExitCode::from(exit::OK));
        }
        out::talk(&format!("{missing} missing"));
        Ok(ExitCode::from(exit::MISSING))
    }
}
