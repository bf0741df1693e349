//! Whether the service's links do what their profile says, and what shaping itself costs.
//!
//! `calibrate [NAME|FILE[:FIGURE=VALUE,...]]...`, every named profile by default: starts a service under each, moves bytes by plain
//! sockets with 1, 4, 8 and 24 connections in each direction of each kind of traffic, and prints profile, figure, what was asked
//! (by the arithmetic of the profile), what was measured and their ratio. OFF says that a figure is off by more than 5 % (rates) or
//! 1 ms plus 5 % (times); what is off at first is measured twice more, and the median counts. A rate that this machine does
//! not reach unshaped says so instead: it shows nothing of the shaper.
//!
//! `calibrate --cost` compares bare loopback with a profile far above the machine's speed: shaping may cost 5 % of throughput.
//!
//! Exit code 0 when everything is within bounds, 1 when something is off. Only a quiet machine can be judged: the load is printed.

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
const WAYS: [(ServiceKind, Direction, &str); 4] = [
    (ServiceKind::Artifact, Direction::Up, "artifact up"),
    (ServiceKind::Artifact, Direction::Down, "artifact down"),
    (ServiceKind::Cache, Direction::Up, "cache up"),
    (ServiceKind::Cache, Direction::Down, "cache down"),
];
/// How long a measurement of a limited rate is meant to take, in seconds.
const SECONDS: f64 = 3.0;
/// Bytes of all connections together where no rate limits.
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
        "load of the last minute {load} on {cores} cores: above 0.5 rates say more of the machine than of the shaper"
    );
    println!("{:<16} {:<42} {:>12} {:>12} {:>7}", "profile", "figure", "asked", "measured", "ratio");
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
    fn row(&mut self, profile: &str, figure: &str, asked: Option<f64>, measured: f64, mark: &str) {
        self.rows += 1;
        self.off += u32::from(mark == "OFF");
        self.beyond += u32::from(!mark.is_empty() && mark != "OFF");
        let shown = asked.map_or("no limit".to_owned(), |asked| format!("{asked:.2}"));
        let ratio =
            asked.filter(|asked| *asked > 0.0).map_or(String::new(), |asked| format!("{:.3}", measured / asked));
        println!("{profile:<16} {figure:<42} {shown:>12} {measured:>12.2} {ratio:>7}  {mark}");
    }
}

/// Measures once, and if that is off twice more: the median.
fn agree_on_rate(asked: Option<f64>, bound: f64, mut measure: impl FnMut() -> Result<f64>) -> Result<(f64, bool)> {
    let first = measure()?;
    let off = |measured: f64| asked.is_some_and(|asked| (measured - asked).abs() > bound);
    if !off(first) {
        return Ok((first, false));
    }
    let mut all = [first, measure()?, measure()?];
    all.sort_by(f64::total_cmp);
    Ok((all[1], off(all[1])))
}

fn calibrate(profile: Profile, table: &mut Table) -> Result<()> {
    let bench = LoadedService::new(profile)?;
    times(&bench, table)?;
    let free = LoadedService::new(profile::load("loopback")?)?;
    for (kind, direction, way) in WAYS {
        for connections in CONNECTIONS {
            rate(&bench, &free, (kind, direction, way), connections, table)?;
        }
    }
    creations(&bench, table)
}

/// A call, and blocks of next to no bytes and of 1 MiB.
fn times(bench: &LoadedService, table: &mut Table) -> Result<()> {
    let (name, asked) = (&bench.profile.name, bench.profile.call_ms());
    let mean = |start: Instant| start.elapsed().as_secs_f64() * 1e3 / f64::from(REQUESTS);
    let mut row = |figure: &str, asked: f64, measure: &mut dyn FnMut() -> Result<f64>| -> Result<()> {
        let (measured, off) = agree_on_rate(Some(asked), 1.0 + asked * 0.05, measure)?;
        table.row(name, figure, Some(asked), measured, if off { "OFF" } else { "" });
        Ok(())
    };
    row("call, ms", asked, &mut || {
        let start = Instant::now();
        for _ in 0..REQUESTS {
            bench.call("CacheService/GetCacheEntryDownloadURL", r#"{"key":"none","version":"v"}"#)?;
        }
        Ok(mean(start))
    })?;
    for (kind, word) in [(ServiceKind::Artifact, "artifact"), (ServiceKind::Cache, "cache")] {
        let url = bench.create(kind, "times")?;
        for bytes in [16_usize, 1 << 20] {
            let body = vec![7; bytes];
            let limit = bench.profile.limit(kind, Direction::Up);
            let rate = limit.connection.into_iter().chain(limit.aggregate).reduce(f64::min);
            let asked = bench.profile.request_ms(kind) + rate.map_or(0.0, |rate| bytes as f64 / rate * 1e3);
            row(&format!("{word} block of {bytes} bytes up, ms"), asked, &mut || {
                let mut stream = TcpStream::connect(bench.addr())?;
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
    bench: &LoadedService,
    free: &LoadedService,
    (kind, direction, way): (ServiceKind, Direction, &str),
    connections: u64,
    table: &mut Table,
) -> Result<()> {
    let limit = bench.profile.limit(kind, direction);
    let all = limit.connection.map(|rate| rate * connections as f64);
    let asked = all.into_iter().chain(limit.aggregate).reduce(f64::min);
    let bytes_each = |total: f64| (total / connections as f64) as usize;
    let figure = format!("{way}, {connections} connections, MiB/s");
    let measure = |of: &LoadedService, bytes: usize| {
        let took = of.seconds(kind, direction, connections, bytes)?;
        Ok::<f64, Box<dyn std::error::Error + Send + Sync>>(bytes as f64 * connections as f64 / took / MIB)
    };
    let Some(asked) = asked else {
        let measured = measure(bench, bytes_each(FREE))?;
        table.row(&bench.profile.name, &figure, None, measured, "");
        return Ok(());
    };
    // Few bytes where the machine cannot get there anyway.
    let bytes = bytes_each((asked * SECONDS).min(4.0 * FREE));
    let asked = asked / MIB;
    let (measured, off) = agree_on_rate(Some(asked), asked * 0.05, || measure(bench, bytes))?;
    let mut mark = String::new();
    if off {
        "OFF".clone_into(&mut mark);
        // Is it the shaper, or what carries the bytes? The same bytes by the same client, unshaped.
        let ceiling = measure(free, bytes)?;
        if ceiling < asked * 1.25 {
            mark = format!("beyond this machine: {ceiling:.0} unshaped");
        }
    }
    table.row(&bench.profile.name, &figure, Some(asked), measured, &mark);
    Ok(())
}

/// How many cache entries can be created before the first is refused.
fn creations(bench: &LoadedService, table: &mut Table) -> Result<()> {
    let Some(most) = bench.profile.creates_per_minute() else { return Ok(()) };
    // What was created above counts for a minute: a service of its own starts with none.
    let fresh = LoadedService::new(bench.profile.clone())?;
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
    let (asked, measured) = (most as f64, made.into_inner() as f64);
    let off = (asked - measured).abs() > 0.5;
    table.row(&bench.profile.name, "cache entries before a 429", Some(asked), measured, if off { "OFF" } else { "" });
    Ok(())
}

/// Throughput under a profile that never makes anything wait, beside none at all: medians of pairs.
fn cost(table: &mut Table) -> Result<()> {
    const PAIRS: usize = 5;
    let (free, shaped) = (LoadedService::new(profile::load("loopback")?)?, LoadedService::new(profile::load(ABOVE)?)?);
    for (kind, direction, way) in WAYS {
        for connections in [1, 8, 24] {
            let bytes = (FREE / connections as f64) as usize;
            let (mut without, mut with) = (Vec::new(), Vec::new());
            for pair in 0..PAIRS {
                // In turn, so that a drift of the machine meets both.
                let order = if pair % 2 == 0 { [false, true] } else { [true, false] };
                for is_shaped in order {
                    let (bench, all) = if is_shaped { (&shaped, &mut with) } else { (&free, &mut without) };
                    let took = bench.seconds(kind, direction, connections, bytes)?;
                    all.push(bytes as f64 * connections as f64 / took / MIB);
                }
            }
            let median = |all: &mut Vec<f64>| {
                all.sort_by(f64::total_cmp);
                all[all.len() / 2]
            };
            let (without, with) = (median(&mut without), median(&mut with));
            let figure = format!("{way}, {connections} connections, MiB/s");
            table.row("far above", &figure, Some(without), with, if with < without * 0.95 { "OFF" } else { "" });
        }
    }
    Ok(())
}
