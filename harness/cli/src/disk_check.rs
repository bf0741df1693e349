//! `handoff profiles --check-disk`: whether this machine holds limits of the jobs' disk.

use std::path::Path;

use handoff_docker::disk_check::{DiskCheck, Moved};
use handoff_model::DiskLimit;
use handoff_runner::{Cancel, DiskChecker};

use crate::exit;
use crate::out;

/// Limits that are checked unless some are named.
pub const DEFAULT_LIMITS: &str = "none,100MiB/s,200MiB/s,400MiB/s";

/// Largest share by which a rate may differ from its limit.
const BOUND: f64 = 0.1;

/// A figure that is off is measured so many times in all, and the median counts.
const TIMES: usize = 3;

/// What is asked of a figure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asked {
    /// The rate of the limit.
    Equal,
    /// No more than the rate of the limit, because the CPU limits small files too.
    AtMost,
}

/// Figure of a check: name, what is asked, the limit of its direction, and the measured value.
type Figure = (&'static str, Asked, fn(&DiskLimit) -> Option<u64>, fn(&DiskCheck) -> Moved);

const FIGURES: [Figure; 3] = [
    ("buffered writes, the sync", Asked::Equal, |limit| limit.write, |check| check.write_back),
    ("direct reads", Asked::Equal, |limit| limit.read, |check| check.direct_read),
    ("20000 files of 16 KiB, synced", Asked::AtMost, |limit| limit.write, |check| check.small_files),
];

/// Prints a line for each figure under each limit; the exit code is that of a figure out of bounds, if there is one.
///
/// # Errors
/// The machine cannot limit a job's disk, or another run measures.
pub fn run(limits: &[DiskLimit], work_dir: &Path, cancel: &Cancel) -> anyhow::Result<u8> {
    let mut checker = DiskChecker::start(work_dir)?;
    out::data(&format!("{:<32} {:>12} {:>12} {:>7}", "figure", "asked MiB/s", "measured", "ratio"));
    let (mut lines, mut off) = (0, 0);
    for limit in limits {
        let mut checks = vec![checker.measure(*limit, cancel)?];
        while checks.len() < TIMES && FIGURES.iter().any(|figure| is_off(figure, limit, &checks)) {
            checks.push(checker.measure(*limit, cancel)?);
        }
        for figure in &FIGURES {
            lines += 1;
            off += u32::from(is_off(figure, limit, &checks));
            out::data(&line(figure, limit, &checks));
        }
    }
    out::data(&format!("{lines} figures, {off} out of bounds (10 % of what is asked; small files: no more than that)"));
    Ok(if off == 0 { exit::OK } else { exit::TRIALS_FAILED })
}

/// Median of a figure's rates.
fn median(of: &Figure, checks: &[DiskCheck]) -> f64 {
    let mut rates: Vec<f64> = checks.iter().map(|check| of.3(check).rate()).collect();
    rates.sort_by(f64::total_cmp);
    rates[rates.len() / 2]
}

/// Rate over the limit; none without a limit.
fn ratio(of: &Figure, limit: &DiskLimit, checks: &[DiskCheck]) -> Option<f64> {
    of.2(limit).map(|asked| median(of, checks) / asked as f64)
}

fn is_off(of: &Figure, limit: &DiskLimit, checks: &[DiskCheck]) -> bool {
    ratio(of, limit, checks).is_some_and(|ratio| ratio > 1.0 + BOUND || (of.1 == Asked::Equal && ratio < 1.0 - BOUND))
}

fn line(of: &Figure, limit: &DiskLimit, checks: &[DiskCheck]) -> String {
    const MIB: f64 = 1_048_576.0;
    let asked = of.2(limit).map_or_else(|| "no limit".to_owned(), |rate| format!("{:.0}", rate as f64 / MIB));
    let ratio = ratio(of, limit, checks).map_or_else(String::new, |ratio| format!("{ratio:.3}"));
    let mark = match of.1 {
        _ if is_off(of, limit, checks) => "  OFF",
        Asked::AtMost if !ratio.is_empty() => "  below the limit",
        _ => "",
    };
    format!("{:<32} {asked:>12} {:>12.1} {ratio:>7}{mark}", of.0, median(of, checks) / MIB)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: u64 = 1 << 20;

    fn check(write_back: u64, small_files: u64) -> DiskCheck {
        let moved = |mib: u64| Moved { bytes: mib * MIB, ns: 1_000_000_000 };
        DiskCheck { write_back: moved(write_back), direct_read: moved(100), small_files: moved(small_files) }
    }

    #[test]
    fn rate_is_off_by_more_than_a_tenth_and_small_files_only_above_the_limit() {
        let limit = DiskLimit::both(100 * MIB);
        let off = |of: DiskCheck| FIGURES.map(|figure| is_off(&figure, &limit, &[of]));
        assert_eq!(off(check(110, 60)), [false, false, false]);
        assert_eq!(off(check(89, 60)), [true, false, false]);
        assert_eq!(off(check(100, 111)), [false, false, true]);
        assert!(!is_off(&FIGURES[0], &DiskLimit::NONE, &[check(500, 500)]), "nothing is asked without a limit");
        let three = [check(50, 60), check(98, 60), check(99, 60)];
        assert!(!is_off(&FIGURES[0], &limit, &three), "the median of three counts");
        let shown = line(&FIGURES[2], &limit, &three);
        assert!(shown.contains(" 100 ") && shown.ends_with("60.0   0.600  below the limit"), "{shown}");
    }
}
