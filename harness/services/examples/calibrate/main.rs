//! Calibration: whether the service's links follow their profile, and the cost of shaping.
//!
//! `calibrate [NAME|FILE[:FIGURE=VALUE,...]]...` starts a service under each profile, by default under every built-in one. It moves
//! bytes with 1, 4, 8 and 24 plain sockets in each direction of each service. It prints profile, figure, expected value by
//! the arithmetic of the profile, measured value and ratio.
//!
//! OFF marks a figure that is off by more than 5 % (rates) or 1 ms plus 5 % (times). Such a figure is measured twice more, and the
//! median counts. A rate that this machine does not reach without shaping is marked as beyond this machine.
//!
//! `calibrate --cost` compares bare loopback with a profile far above the machine's speed: shaping may cost 5 % of throughput.
//!
//! The exit code is 0 when everything is within bounds, else 1. The load is printed, because only an idle machine can be judged.

#![allow(clippy::print_stdout, reason = "a benchmark prints")]

mod wire;

use std::net::TcpStream;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Instant;

use handoff_link::profile::{self, Direction, Profile, ServiceKind};
use wire::{LoadedService, Result, call, exchange};

const MIB: f64 = 1_048_576.0;
const CONNECTIONS: [u64; 4] = [1, 4, 8, 24];
const FLOWS: [(ServiceKind, Direction, &str); 4] = [
    (ServiceKind::Artifact, Direction::Up, "artifact up"),
    (ServiceKind::Artifact, Direction::Down, "artifact down"),
    (ServiceKind::Cache, Direction::Up, "cache up"),
    (ServiceKind::Cache, Direction::Down, "cache down"),
];
/// Intended duration of a measurement of a limited rate, in seconds.
const SECONDS: f64 = 3.0;
/// Bytes of all connections together without a limit.
const FREE: f64 = 512.0 * MIB;
const REQUESTS: u32 = 20;
/// A profile that no machine reaches.
const ABOVE: &str = "loopback:connection=1TB/s,aggregate=4TB/s";

fn main() -> Result<ExitCode> {
    let mut given: Vec<String> = std::env::args().skip(1).collect();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load = load.split(' ').next().unwrap_or("unknown").to_owned();
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!(
        "load of the last minute {load} on {cores} cores: above 0.5, rates depend more on the machine than on the shaper"
    );
    println!("{:<16} {:<42} {:>12} {:>12} {:>7}", "profile", "figure", "expected", "measured", "ratio");
    let mut table = Table::default();
    if given.iter().any(|word| word == "--cost") {
        cost(&mut table)?;
    } else {
        if given.is_empty() {
            given = profile::names().into_iter().map(str::to_owned).collect();
        }
        for name in given {
            calibrate(profile::load(&name)?, &mut table)?;
        }
    }
    println!("{} figures, {} out of bounds, {} beyond this machine", table.rows, table.off, table.beyond);
    Ok(if table.off == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

#[derive(Default)]
struct Table {
    rows: u32,
    off: u32,
    beyond: u32,
}

impl Table {
    fn row(&mut self, profile: &str, figure: &str, expected: Option<f64>, measured: f64, mark: &str) {
        self.rows += 1;
        self.off += u32::from(mark == "OFF");
        self.beyond += u32::from(!mark.is_empty() && mark != "OFF");
        let shown = expected.map_or("no limit".to_owned(), |expected| format!("{expected:.2}"));
        let ratio = expected
            .filter(|expected| *expected > 0.0)
            .map_or(String::new(), |expected| format!("{:.3}", measured / expected));
        println!("{profile:<16} {figure:<42} {shown:>12} {measured:>12.2} {ratio:>7}  {mark}");
    }
}

/// Measures once, or three times when the first is off; returns the median and whether it is off.
fn agree_on_rate(expected: Option<f64>, bound: f64, mut measure: impl FnMut() -> Result<f64>) -> Result<(f64, bool)> {
    let first = measure()?;
    let off = |measured: f64| expected.is_some_and(|expected| (measured - expected).abs() > bound);
    if !off(first) {
        return Ok((first, false));
    }
    let mut all = [first, measure()?, measure()?];
    all.sort_by(f64::total_cmp);
    Ok((all[1], off(all[1])))
}

fn calibrate(profile: Profile, table: &mut Table) -> Result<()> {
    let service = LoadedService::new(profile)?;
    times(&service, table)?;
    let free = LoadedService::new(profile::load("loopback")?)?;
    for (kind, direction, flow) in FLOWS {
        for connections in CONNECTIONS {
            rate(&service, &free, (kind, direction, flow), connections, table)?;
        }
    }
    creations(&service, table)
}

/// Times of a call, and of blocks of 16 bytes and of 1 MiB.
fn times(service: &LoadedService, table: &mut Table) -> Result<()> {
    let (name, expected) = (&service.profile.name, service.profile.call_ms());
    let mean = |start: Instant| start.elapsed().as_secs_f64() * 1e3 / f64::from(REQUESTS);
    let mut row = |figure: &str, expected: f64, measure: &mut dyn FnMut() -> Result<f64>| -> Result<()> {
        let (measured, off) = agree_on_rate(Some(expected), 1.0 + expected * 0.05, measure)?;
        table.row(name, figure, Some(expected), measured, if off { "OFF" } else { "" });
        Ok(())
    };
    row("call, ms", expected, &mut || {
        let start = Instant::now();
        for _ in 0..REQUESTS {
            service.call("CacheService/GetCacheEntryDownloadURL", r#"{"key":"none","version":"v"}"#)?;
        }
        Ok(mean(start))
    })?;
    for (kind, word) in [(ServiceKind::Artifact, "artifact"), (ServiceKind::Cache, "cache")] {
        let url = service.create(kind, "times")?;
        for bytes in [16_usize, 1 << 20] {
            let body = vec![7; bytes];
            let limit = service.profile.limit(kind, Direction::Up);
            let rate = limit.connection.into_iter().chain(limit.aggregate).reduce(f64::min);
            let expected = service.profile.request_ms(kind) + rate.map_or(0.0, |rate| bytes as f64 / rate * 1e3);
            row(&format!("{word} block of {bytes} bytes up, ms"), expected, &mut || {
                let mut stream = TcpStream::connect(service.addr())?;
                let start = Instant::now();
                for _ in 0..REQUESTS {
                    let target = format!("{url}&comp=block&blockid=QUFBQQ%3D%3D");
                    exchange(&mut stream, "PUT", &target, "", &body)?;
                }
                Ok(mean(start))
            })?;
        }
    }
    Ok(())
}

fn rate(
    service: &LoadedService,
    free: &LoadedService,
    (kind, direction, flow): (ServiceKind, Direction, &str),
    connections: u64,
    table: &mut Table,
) -> Result<()> {
    let limit = service.profile.limit(kind, direction);
    let all = limit.connection.map(|rate| rate * connections as f64);
    let expected = all.into_iter().chain(limit.aggregate).reduce(f64::min);
    let bytes_each = |total: f64| (total / connections as f64) as usize;
    let figure = format!("{flow}, {connections} connections, MiB/s");
    let measure = |of: &LoadedService, bytes: usize| {
        let took = of.seconds(kind, direction, connections, bytes)?;
        Ok::<f64, Box<dyn std::error::Error + Send + Sync>>(bytes as f64 * connections as f64 / took / MIB)
    };
    let Some(expected) = expected else {
        let measured = measure(service, bytes_each(FREE))?;
        table.row(&service.profile.name, &figure, None, measured, "");
        return Ok(());
    };
    // Fewer bytes at rates that the machine may not reach.
    let bytes = bytes_each((expected * SECONDS).min(4.0 * FREE));
    let expected = expected / MIB;
    let (measured, off) = agree_on_rate(Some(expected), expected * 0.05, || measure(service, bytes))?;
    let mut mark = String::new();
    if off {
        "OFF".clone_into(&mut mark);
        // The same bytes by the same client without shaping show whether the machine is the limit.
        let ceiling = measure(free, bytes)?;
        if ceiling < expected * 1.25 {
            mark = format!("beyond this machine: {ceiling:.0} unshaped");
        }
    }
    table.row(&service.profile.name, &figure, Some(expected), measured, &mark);
    Ok(())
}

/// Number of cache entries that can be created before the first is refused.
fn creations(service: &LoadedService, table: &mut Table) -> Result<()> {
    let Some(most) = service.profile.creates_per_minute() else { return Ok(()) };
    // Entries created above count for a minute, so a new service starts without any.
    let fresh = LoadedService::new(service.profile.clone())?;
    let (made, refused) = (AtomicU64::new(0), AtomicBool::new(false));
    let (addr, token) = (fresh.addr(), fresh.token());
    std::thread::scope(|scope| {
        for thread in 0..24 {
            let (made, refused) = (&made, &refused);
            scope.spawn(move || {
                for number in 0..=most {
                    let body = format!(r#"{{"key":"{thread}-{number}","version":"v"}}"#);
                    if refused.load(Ordering::Relaxed) {
                        return;
                    }
                    match call(addr, token, "CacheService/CreateCacheEntry", &body) {
                        Ok(_) => _ = made.fetch_add(1, Ordering::Relaxed),
                        Err(_) => refused.store(true, Ordering::Relaxed),
                    }
                }
            });
        }
    });
    let (expected, measured) = (most as f64, made.into_inner() as f64);
    let off = (expected - measured).abs() > 0.5;
    table.row(
        &service.profile.name,
        "cache entries before a 429",
        Some(expected),
        measured,
        if off { "OFF" } else { "" },
    );
    Ok(())
}

/// Throughput under a profile that never waits and without one: medians of pairs.
fn cost(table: &mut Table) -> Result<()> {
    const PAIRS: usize = 5;
    let (free, shaped) = (LoadedService::new(profile::load("loopback")?)?, LoadedService::new(profile::load(ABOVE)?)?);
    for (kind, direction, flow) in FLOWS {
        for connections in [1, 8, 24] {
            let bytes = (FREE / connections as f64) as usize;
            let (mut without, mut with) = (Vec::new(), Vec::new());
            for pair in 0..PAIRS {
                // In alternating order, so that a drift of the machine affects both.
                let order = if pair % 2 == 0 { [false, true] } else { [true, false] };
                for is_shaped in order {
                    let (service, all) = if is_shaped { (&shaped, &mut with) } else { (&free, &mut without) };
                    let took = service.seconds(kind, direction, connections, bytes)?;
                    all.push(bytes as f64 * connections as f64 / took / MIB);
                }
            }
            let median = |all: &mut Vec<f64>| {
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            };
            let (without, with) = (median(&mut without), median(&mut with));
            let figure = format!("{flow}, {connections} connections, MiB/s");
            table.row("far above", &figure, Some(without), with, if with < without * 0.95 { "OFF" } else { "" });
        }
    }
    Ok(())
}
