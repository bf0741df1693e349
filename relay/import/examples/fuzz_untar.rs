//! Fuzzes the untar for some minutes: `cargo run --release --example fuzz_untar -- MINUTES [FIRST_SEED] [--planted]`.
//!
//! A finding ends the run. Its input is the seed that the last line names.

#![expect(clippy::print_stdout, reason = "an example talks to its caller")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use handoff_import::{fuzz_untar, watch};

#[path = "../tests/common/mod.rs"]
mod common;

use common::mutate::{input, planted};
use common::stacks::Privileges;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let is_planted = args.last().is_some_and(|a| a == "--planted");
    if is_planted {
        args.pop();
    }
    let minutes: f64 = args.first().map_or(Ok(1.0), |a| a.parse())?;
    let first: u64 = args.get(1).map_or(Ok(0), |a| a.parse())?;
    let scratch = tempfile::tempdir()?;
    let root = scratch.path().canonicalize()?;
    let privileges = if rustix::process::getuid().is_root() { Privileges::Root } else { Privileges::User };
    let start = Instant::now();
    let (mut unpacked, mut seed) = (0_u64, first);
    while start.elapsed() < Duration::from_secs_f64(minutes * 60.0) {
        let data = input(seed, privileges);
        let run = || {
            if is_planted {
                watch(&root, |staging, _| Ok(planted(&root, staging, &data))).is_ok()
            } else {
                fuzz_untar(&root, &data).is_ok()
            }
        };
        let Ok(is_unpacked) = catch_unwind(AssertUnwindSafe(run)) else {
            println!("seed {seed} breaks the untar, after {} inputs", seed - first + 1);
            return Ok(ExitCode::FAILURE);
        };
        unpacked += u64::from(is_unpacked);
        seed += 1;
    }
    println!("{} inputs from seed {first}, {unpacked} of them unpacked, no finding", seed - first);
    Ok(ExitCode::SUCCESS)
}
