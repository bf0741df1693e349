//! Option by which a builder pushes to a registry on loopback.

/// Value that stands for the builder's default level of zstd.
const DEFAULT_LEVEL: u32 = 0;

/// Default level of zstd for pushed layers. The fastest level saves more time than its additional bytes cost (docs/findings.md).
pub const PUSH_LEVEL: u32 = 1;

/// Option by which a builder pushes to a registry on loopback, with layers compressed by `zstd`, `gzip` or `uncompressed`.
///
/// With `store=false` the builder keeps no image: in an engine with the containerd store, keeping it would unpack it, even
/// with `unpack=false`. The level is zstd's alone; 0 is the builder's default.
pub fn push_output(compression: &str, level: u32) -> String {
    let has_level = compression == "zstd" && level != DEFAULT_LEVEL;
    let level = if has_level { format!(",compression-level={level}") } else { String::new() };
    format!(
        "--output=type=image,push=true,store=false,unpack=false,registry.insecure=true,oci-mediatypes=true,compression={compression}{level}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_zstd_has_a_level_and_the_default_level_adds_no_attribute() {
        assert!(push_output("zstd", 1).ends_with(",compression=zstd,compression-level=1"));
        assert!(push_output("zstd", DEFAULT_LEVEL).ends_with(",compression=zstd"));
        assert!(push_output("gzip", 1).ends_with(",compression=gzip"), "the level is zstd's");
        assert!(push_output("gzip", 1).contains(",store=false,"), "an image that is kept is unpacked for it");
    }
}
