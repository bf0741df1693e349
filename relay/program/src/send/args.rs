//! Options of `send`.

use std::path::PathBuf;

use handoff_registry::Encoding;

use crate::options::Common;

/// Examples below the options.
const EXAMPLES: &str = "Examples:
  send my/app:1 --name app                       an image that the engine has
  send my/app:1 --name app --context .           build the image; layers go as they are built
  send my/app:1 my/db:1 --name stack             several images; shared layers go once

It prints a line IMAGE DIGEST for each image. Any job of a run can send: give the digest to `receive --digest`.";

/// Options of `send`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct SendArgs {
    /// Image reference, as in `docker image ls`; with --context, the name that receivers give it
    #[arg(value_name = "IMAGE", required = true)]
    pub(crate) images: Vec<String>,
    #[command(flatten)]
    pub(crate) build: BuildArgs,
    #[command(flatten)]
    pub(crate) common: Common,
    /// Transport encoding of layers that are not compressed, by the sender; digests stay those of the plain layers [default: none]
    #[arg(long, value_name = "WORD", default_value = "none", hide_default_value = true)]
    pub(crate) encoding: Encoding,
    /// Days until the artifact expires [default: the repository's setting]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=90))]
    pub(crate) retention_days: Option<u32>,
    /// Build from the newest cached image whose name begins like this; send nothing if this very name is there (--store cache)
    #[arg(long, value_name = "BEGINNING")]
    pub(crate) earlier: Option<String>,
}

/// Options of a build.
#[derive(Debug, Default, clap::Args)]
pub(crate) struct BuildArgs {
    /// Build the image from this folder; the builder sends each layer when it is built, and does not load the image here
    #[arg(long, value_name = "DIR")]
    pub(crate) context: Option<PathBuf>,
    /// Dockerfile of --context [default: DIR/Dockerfile]
    #[arg(long, value_name = "FILE", requires = "context")]
    pub(crate) file: Option<PathBuf>,
    /// Compression of the layers of --context: zstd, gzip, uncompressed [default: zstd]
    #[arg(long, value_name = "WORD", requires = "context", value_parser = ["zstd", "gzip", "uncompressed"])]
    pub(crate) compression: Option<String>,
    /// Level of zstd for --context; 0 is the builder's default [default: 1]
    #[arg(long, value_name = "LEVEL", requires = "context", value_parser = clap::value_parser!(u8).range(0..=22))]
    pub(crate) level: Option<u8>,
    /// Build argument of --context; repeat the option for more
    #[arg(long = "build-arg", value_name = "KEY=VALUE", requires = "context")]
    pub(crate) arguments: Vec<String>,
    /// Stage of the Dockerfile to build, for --context [default: the last]
    #[arg(long, value_name = "STAGE", requires = "context")]
    pub(crate) target: Option<String>,
    /// Builder for --context, as in `docker buildx ls` [default: the current one]
    #[arg(long, value_name = "NAME", requires = "context")]
    pub(crate) builder: Option<String>,
    /// Network of the build's steps, for --context: default, none, host
    #[arg(long, value_name = "NET", requires = "context")]
    pub(crate) network: Option<String>,
}

impl BuildArgs {
    /// Options of `docker buildx build`. Each is one word, so that no value can become an option.
    pub(crate) fn options(&self) -> Vec<String> {
        let one = |flag: &str, value: &Option<String>| value.as_ref().map(|value| format!("--{flag}={value}"));
        let single = [one("target", &self.target), one("builder", &self.builder), one("network", &self.network)];
        let args = self.arguments.iter().map(|arg| format!("--build-arg={arg}"));
        single.into_iter().flatten().chain(args).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_of_a_build_reach_buildx_in_one_word_each() {
        let args = BuildArgs {
            target: Some("final".to_owned()),
            builder: Some("b".to_owned()),
            network: Some("host".to_owned()),
            arguments: vec!["A=1 2".to_owned(), "--push".to_owned()],
            ..BuildArgs::default()
        };
        assert_eq!(
            args.options(),
            ["--target=final", "--builder=b", "--network=host", "--build-arg=A=1 2", "--build-arg=--push"]
        );
        assert!(BuildArgs::default().options().is_empty());
    }
}
