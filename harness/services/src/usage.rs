//! CPU time and memory of the service, which shares the machine with the measured jobs.

use std::fs;

use handoff_model::ServiceUsage;

use crate::clock;

/// Usage of this process so far. It is the service's usage only in a separate process.
pub(crate) fn now() -> ServiceUsage {
    let status = fs::read_to_string("/proc/self/status").ok();
    ServiceUsage { cpu_ns: clock::process_cpu_ns(), peak_rss_bytes: status.and_then(|s| peak_rss(&s)) }
}

fn peak_rss(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok().map(|kib: u64| kib * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usage_of_this_process_is_positive() {
        let usage = now();
        assert!(usage.cpu_ns > 0 && usage.peak_rss_bytes > Some(1 << 16), "{usage:?}");
        assert_eq!(peak_rss("Name:\tx\nVmHWM:\t    2048 kB\nVmRSS: 1 kB\n"), Some(2 << 20));
        assert_eq!(peak_rss(""), None);
    }
}
