//! Workload: the shape of a synthetic image at any size.
//!
//! Only shares and distributions stand here, no absolute counts: the same workload makes an image of 16 MiB and one
//! of 10 GiB that differ in the number of files, not in their kind. Named workloads live with the fixtures as TOML.

use serde::{Deserialize, Serialize};

/// The highest number of layers: engines refuse images with more than 127, and the probe is one of them.
pub const MAX_LAYERS: usize = 120;
/// The highest `gzip -6` ratio that can be asked for.
pub const MAX_RATIO: f64 = 8.0;
/// The highest number of directory levels below a layer's own directory.
pub const MAX_DEPTH: u32 = 5;
/// The largest single file, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 << 30;

/// Shape of a synthetic image: layers, compressibility, file tree, extra build work.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workload {
    /// The name by which rows and reports speak of it.
    pub name: String,
    /// One line: what it stands for.
    pub summary: String,
    /// Prose: which real images look like this, and what it shows that others do not.
    #[serde(default)]
    pub about: String,
    /// Uncompressed bytes divided by the bytes after `gzip -6`, over all layer tars together; 1.0 to 8.0.
    pub gzip_ratio: f64,
    /// Extra work of a cold build in seconds of one core, spread over the layers by their share.
    #[serde(default)]
    pub build_cpu_s: f64,
    /// The seed of names, sizes and bytes, unless a run gives another one.
    pub seed: u64,
    /// The layers in build order, the probe's own layer not counted.
    pub layers: Vec<LayerShare>,
    /// The shape of the file tree in every layer.
    pub files: FileShape,
}

/// One layer of a workload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LayerShare {
    /// A short name (`a-z`, `0-9`, `-`; at most 16 letters), seen in the Dockerfile and in the tree.
    pub name: String,
    /// The layer's part of the image's bytes, relative to the sum of the shares that are in the image.
    pub share: u32,
    /// Stage of the Dockerfile that makes it.
    #[serde(default)]
    pub stage: Stage,
}

/// Stage of the Dockerfile in which a layer is made, and whether the image has the layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Made in the stage that is the image.
    #[default]
    Final,
    /// Made in the builder stage and left there.
    Builder,
    /// Made in the builder stage and copied into the final one.
    Copied,
}

impl Stage {
    /// Whether the image has such a layer.
    pub fn is_in_image(self) -> bool {
        self != Self::Builder
    }
}

/// Sizes and depth of files. The number of files follows from the image's size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileShape {
    /// Levels of directories below the layer's own; 1 to 5.
    pub depth: u32,
    /// Files in each directory of the deepest level.
    pub per_directory: u32,
    /// The distribution of file sizes.
    pub sizes: Vec<SizeBand>,
}

/// A band of file sizes: `weight` of the files (relative to the sum) are `min..=max` bytes, even on a log scale.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SizeBand {
    /// Part of the number of files, relative to the sum of all weights.
    pub weight: u32,
    /// Smallest size in bytes.
    pub min_bytes: u64,
    /// Largest size in bytes.
    pub max_bytes: u64,
}

/// A workload that describes no image: the key, and what it may hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("workload `{workload}`: {key} {problem}")]
pub struct WorkloadError {
    /// The workload's name.
    pub workload: String,
    /// The key at fault, as it is written in the file.
    pub key: String,
    /// Fault and allowed values.
    pub problem: String,
}

/// Whether a text may be used as a name in paths, Dockerfiles and rows: `a-z`, `0-9`, `-`, 1 to `max` letters.
fn is_name(text: &str, max: usize) -> bool {
    (1..=max).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl Workload {
    /// Checks every value against what it may hold; the first one at fault is the error.
    ///
    /// # Errors
    /// [`WorkloadError`] with the key and its allowed values.
    pub fn check(&self) -> Result<(), WorkloadError> {
        let fail = |key: &str, problem: String| {
            Err(WorkloadError { workload: self.name.clone(), key: key.to_owned(), problem })
        };
        let at_most = |key: &str, value: u32, most: u32| {
            if (1..=most).contains(&value) {
                Ok(())
            } else {
                fail(key, format!("is {value}: it goes from 1 to {most}"))
            }
        };
        if !is_name(&self.name, 40) {
            return fail("name", format!("is `{}`: use 1 to 40 of a-z, 0-9 and `-`", self.name));
        }
        if !(1.0..=MAX_RATIO).contains(&self.gzip_ratio) {
            return fail("gzip_ratio", format!("is {}: it goes from 1.0 to {MAX_RATIO:.1}", self.gzip_ratio));
        }
        if !(0.0..=86_400.0).contains(&self.build_cpu_s) {
            return fail("build_cpu_s", format!("is {}: it goes from 0 to 86400 seconds", self.build_cpu_s));
        }
        if !(1..=MAX_LAYERS).contains(&self.layers.len()) {
            return fail("layers", format!("has {} entries: an image has 1 to {MAX_LAYERS}", self.layers.len()));
        }
        if let Some(last) = self.layers.last().filter(|l| l.stage != Stage::Final) {
            let key = format!("layers[{}].stage", self.layers.len() - 1);
            return fail(&key, format!("is of `{}`: the last layer is made in the final stage", last.name));
        }
        for (i, layer) in self.layers.iter().enumerate() {
            if !is_name(&layer.name, 16) {
                let name = &layer.name;
                return fail(&format!("layers[{i}].name"), format!("is `{name}`: use 1 to 16 of a-z, 0-9 and `-`"));
            }
            at_most(&format!("layers[{i}].share"), layer.share, 1_000_000)?;
        }
        at_most("files.depth", self.files.depth, MAX_DEPTH)?;
        at_most("files.per_directory", self.files.per_directory, 10_000)?;
        if !(1..=32).contains(&self.files.sizes.len()) {
            return fail("files.sizes", format!("has {} bands: give 1 to 32", self.files.sizes.len()));
        }
        for (i, band) in self.files.sizes.iter().enumerate() {
            at_most(&format!("files.sizes[{i}].weight"), band.weight, 1_000_000)?;
            let (min, max) = (band.min_bytes, band.max_bytes);
            if min == 0 || min > max || max > MAX_FILE_BYTES {
                let allowed = format!("1 <= min_bytes <= max_bytes <= {MAX_FILE_BYTES}");
                return fail(
                    &format!("files.sizes[{i}]"),
                    format!("goes from {min} to {max}: both are bytes, {allowed}"),
                );
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn valid() -> Workload {
        Workload {
            name: "small".to_owned(),
            summary: "a test".to_owned(),
            about: String::new(),
            gzip_ratio: 2.0,
            build_cpu_s: 0.0,
            seed: 1,
            layers: vec![LayerShare { name: "only".to_owned(), share: 1, stage: Stage::Final }],
            files: FileShape {
                depth: 2,
                per_directory: 8,
                sizes: vec![SizeBand { weight: 1, min_bytes: 1, max_bytes: 4096 }],
            },
        }
    }

    #[test]
    fn valid_workload_passes() {
        assert_eq!(valid().check(), Ok(()));
    }

    #[test]
    fn invalid_workload_key_is_reported_with_its_range() {
        type Break = fn(&mut Workload);
        let cases: [(Break, &str, &str); 10] = [
            (|w| w.name = "a/b".to_owned(), "name", "a-z"),
            (|w| w.gzip_ratio = 0.9, "gzip_ratio", "1.0 to 8.0"),
            (|w| w.gzip_ratio = f64::NAN, "gzip_ratio", "1.0 to 8.0"),
            (|w| w.build_cpu_s = -1.0, "build_cpu_s", "86400"),
            (|w| w.layers.clear(), "layers", "1 to 120"),
            (|w| w.layers[0].share = 0, "layers[0].share", "1 to 1000000"),
            (|w| w.layers[0].stage = Stage::Builder, "layers[0].stage", "final stage"),
            (|w| w.files.depth = 6, "files.depth", "1 to 5"),
            (|w| w.files.per_directory = 0, "files.per_directory", "1 to 10000"),
            (|w| w.files.sizes[0].min_bytes = 5000, "files.sizes[0]", "min_bytes"),
        ];
        for (break_it, key, range) in cases {
            let mut workload = valid();
            break_it(&mut workload);
            let error = workload.check().unwrap_err();
            assert_eq!(error.key, key);
            assert!(error.to_string().contains(range), "{error}");
        }
    }
}
