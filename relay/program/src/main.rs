//! Entry of `handoff-relay`.

use std::process::ExitCode;

fn main() -> ExitCode {
    ExitCode::from(handoff_relay::cli::main())
}
