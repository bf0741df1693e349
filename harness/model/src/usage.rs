//! Resources that a job uses beside time.

use serde::{Deserialize, Serialize};

/// Steps of a Dockerfile in a job's builds, by how they came about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepCount {
    /// Executed.
    pub executed: u64,
    /// Had from a cache.
    pub cached: u64,
}

/// Resources of one job, measured over its clock. A value is none where it cannot be read: CPU, memory and disk of an engine
/// that is not the job's own, counters that the kernel does not have.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct RoleUsage {
    /// CPU time of all processes of the job, engine included, in ns.
    pub cpu_ns: Option<u64>,
    /// Highest sum of the resident anonymous memory of the job's processes, sampled, in bytes.
    pub peak_memory_bytes: Option<u64>,
    /// Largest fall of free space on the engines' file system (engine data, tars, archives), sampled, in bytes.
    pub peak_disk_bytes: Option<u64>,
    /// CPU time of the harness's process in this job, children not counted, in ns.
    pub harness_cpu_ns: Option<u64>,
    /// Time of the job that no span of a child covers, in ns: the overhead of the harness.
    pub harness_wall_ns: Option<u64>,
    /// Load average over one minute when the clock started.
    pub load_1m: Option<f64>,
    /// CPU pressure ("some", total) over the clock, in ns; none where the kernel has no pressure information.
    pub cpu_pressure_ns: Option<u64>,
    /// Time stolen by the hypervisor over the clock, all CPUs, in ns.
    pub steal_ns: Option<u64>,
}

/// Resources of the services' process, which shares the machine with the jobs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ServiceUsage {
    /// CPU time of all threads, in nanoseconds.
    pub cpu_ns: u64,
    /// Highest resident memory so far, in bytes; none where the kernel does not tell.
    pub peak_rss_bytes: Option<u64>,
}
