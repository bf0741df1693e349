//! Spans: activities of a job as intervals that may overlap.

use serde::{Deserialize, Serialize};

use crate::level::levels;

levels!(
    /// Role of a job in a trial.
    Role, "role", {
        /// The job that builds the image.
        Producer = "producer",
        /// A job that needs the image.
        Consumer = "consumer",
    }
);

levels!(
    /// Kind of a span. CSV, report and docs use the same words.
    SpanKind, "span", {
        /// Creating and booting a builder.
        Builder = "builder",
        /// BuildKit reads sources, base images, cache manifests: all of a build that is no step of the Dockerfile.
        Prepare = "prepare",
        /// BuildKit executes steps of the Dockerfile.
        Build = "build",
        /// An image is written out: layers compressed, manifests, tar, unpacking into the engine's store.
        Export = "export",
        /// A build cache is written out.
        CacheExport = "cache-export",
        /// `docker save` reads an image out of the engine.
        Save = "save",
        /// Something is compressed by a program of its own.
        Compress = "compress",
        /// Bytes go to a service.
        Upload = "upload",
        /// The service is asked where something is or told that it is complete.
        Resolve = "resolve",
        /// Bytes come from a service.
        Download = "download",
        /// Something is decompressed by a program of its own.
        Decompress = "decompress",
        /// An image is read into the engine (`docker load`, or a builder sending its result).
        Load = "load",
        /// Layers are unpacked into the file system from which containers start.
        Unpack = "unpack",
        /// The first container starts and answers.
        Run = "run",
        /// The kernel writes dirty pages to the job's disk while the first container starts.
        WriteBack = "write-back",
        /// The whole call of a program; the spans inside it say what it did.
        Command = "command",
    }
);

/// Interval of a job's time. Spans of one job may overlap, as in a pipe.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Span {
    /// Kind of activity.
    pub kind: SpanKind,
    /// Detail in a few words: the program, the Dockerfile step.
    pub detail: String,
    /// Start in ns since the job's clock started.
    pub start_ns: u64,
    /// End in ns since the job's clock started.
    pub end_ns: u64,
    /// Bytes moved, where the span moves bytes and their number is known.
    pub bytes: Option<u64>,
}

/// The time covered by at least one of the intervals, in ns: overlap counts once.
pub fn union_ns(intervals: impl IntoIterator<Item = (u64, u64)>) -> u64 {
    let mut sorted: Vec<(u64, u64)> = intervals.into_iter().filter(|(s, e)| e > s).collect();
    sorted.sort_unstable();
    let (mut total, mut reach) = (0, 0);
    for (start, end) in sorted {
        total += end.max(reach) - start.max(reach);
        reach = reach.max(end);
    }
    total
}

/// Time in which a job executed steps of the Dockerfile, in ns: the union of its `build` spans.
pub fn build_ns(spans: &[Span]) -> u64 {
    union_ns(spans.iter().filter(|s| s.kind == SpanKind::Build).map(|s| (s.start_ns, s.end_ns)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn union_counts_overlap_once_and_gaps_never() {
        assert_eq!(union_ns([(0, 10), (5, 15), (20, 25), (21, 22)]), 20);
        assert_eq!(union_ns([]), 0);
        assert_eq!(union_ns([(7, 7)]), 0);
    }

    proptest! {
        #[test]
        fn union_equals_the_count_of_covered_instants(list in prop::collection::vec((0u64..60, 0u64..60), 0..12)) {
            let counted = (0..60).filter(|t| list.iter().any(|(s, e)| s <= t && t < e)).count() as u64;
            prop_assert_eq!(union_ns(list), counted);
        }
    }
}
