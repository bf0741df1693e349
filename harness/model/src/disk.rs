//! Speed of the file system that jobs use, measured before the first trial.

use serde::{Deserialize, Serialize};

/// A short measurement of a file system, as whole numbers of bytes, files and nanoseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DiskSpeed {
    /// Bytes written one after another through the page cache, each part synced to disk.
    pub write_bytes: u64,
    /// Time for it, syncs included.
    pub write_ns: u64,
    /// Small files made, none of them synced.
    pub files: u64,
    /// Size of each of them.
    pub file_bytes: u64,
    /// Time to make them all.
    pub files_ns: u64,
}

impl DiskSpeed {
    /// Sequential write in MiB/s.
    pub fn write_mib_per_s(&self) -> f64 {
        self.write_bytes as f64 / f64::from(1 << 20) / seconds(self.write_ns)
    }

    /// Small files made per second.
    pub fn files_per_s(&self) -> f64 {
        self.files as f64 / seconds(self.files_ns)
    }
}

fn seconds(ns: u64) -> f64 {
    ns.max(1) as f64 / 1e9
}

/// Result of the disk measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum DiskMeasurement {
    /// Measured speed.
    Measured(DiskSpeed),
    /// Failed measurement.
    NotMeasured {
        /// The reason, in words.
        not_measured: String,
    },
}

impl DiskMeasurement {
    /// A measurement that could not be taken.
    pub fn not_measured(reason: impl std::fmt::Display) -> Self {
        Self::NotMeasured { not_measured: reason.to_string() }
    }

    /// The speed, where it was measured.
    pub fn speed(&self) -> Option<&DiskSpeed> {
        match self {
            Self::Measured(speed) => Some(speed),
            Self::NotMeasured { .. } => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn disk_rates_are_sizes_over_times() {
        let speed = DiskSpeed {
            write_bytes: 256 << 20,
            write_ns: 500_000_000,
            files: 2_000,
            file_bytes: 4_096,
            files_ns: 100_000_000,
        };
        assert!((speed.write_mib_per_s() - 512.0).abs() < 1e-9);
        assert!((speed.files_per_s() - 20_000.0).abs() < 1e-9);
    }

    #[test]
    fn disk_measurement_and_reason_round_trip() {
        let speed = DiskSpeed { write_bytes: 1, write_ns: 2, files: 3, file_bytes: 4, files_ns: 5 };
        for one in [DiskMeasurement::Measured(speed), DiskMeasurement::not_measured("no space left")] {
            let text = serde_json::to_string(&one).unwrap();
            assert_eq!(serde_json::from_str::<DiskMeasurement>(&text).unwrap(), one, "{text}");
        }
    }
}
