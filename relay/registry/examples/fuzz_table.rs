//! Fuzzes the table of a transfer for some minutes: `cargo run --release --example fuzz_table -- MINUTES [FIRST_SEED] [--planted]`.
//!
//! A finding ends the run. Its input is the seed that the last line names.

#![expect(clippy::print_stdout, reason = "an example talks to its caller")]
#![expect(clippy::unwrap_used, reason = "the inputs are made here")]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use handoff_registry::{Planted, fuzz_table};

#[path = "../tests/common/mod.rs"]
mod common;

use common::mutate::input;

fn main() -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut args: Vec<String> = std::env::args().skip(1).collect();
    let is_planted = args.last().is_some_and(|a| a == "--planted");
    if is_planted {
        args.pop();
    }
    let planted = if is_planted { Planted::UncheckedTable } else { Planted::Nothing };
    let minutes: f64 = args.first().map_or(Ok(1.0), |a| a.parse())?;
    let first: u64 = args.get(1).map_or(Ok(0), |a| a.parse())?;
    let start = Instant::now();
    let (mut accepted, mut seed) = (0_u64, first);
    while start.elapsed() < Duration::from_secs_f64(minutes * 60.0) {
        let data = input(seed);
        let run = || fuzz_table(&data, planted).is_ok();
        let Ok(is_accepted) = catch_unwind(AssertUnwindSafe(run)) else {
            println!("seed {seed} breaks the table, after {} inputs", seed - first + 1);
            return Ok(ExitCode::FAILURE);
        };
        accepted += u64::from(is_accepted);
        seed += 1;
    }
    println!("{} inputs from seed {first}, {accepted} of them accepted, no finding", seed - first);
    Ok(ExitCode::SUCCESS)
}
