//! The user's own image: a build context, or an image of the user's daemon, instead of a synthetic workload.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// An image that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OwnImage {
    /// Built in every trial from a folder of the user's, which is only read.
    Context {
        /// The folder.
        dir: PathBuf,
        /// Its Dockerfile, where it is not `Dockerfile` in the folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dockerfile: Option<PathBuf>,
        /// Build arguments, each `KEY=value`.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        build_args: Vec<String>,
    },
    /// Taken out of the user's daemon, which is only read. Strategies that build again have nothing to build from.
    Image {
        /// Its name there.
        name: String,
        /// Its identifier there, so that a run that goes on goes on with the same image.
        id: String,
    },
}

/// Why a strategy that builds does not run on an image without sources.
pub const NEEDS_CONTEXT: &str = "needs a build context (--context DIR)";

impl OwnImage {
    /// How rows and reports speak of it: `context:FOLDER` or `image:NAME`.
    pub fn workload(&self) -> String {
        match self {
            Self::Context { dir, .. } => {
                let name = dir.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy());
                format!("context:{name}")
            }
            Self::Image { name, .. } => format!("image:{name}"),
        }
    }

    /// Whether it can be built again.
    pub fn has_sources(&self) -> bool {
        matches!(self, Self::Context { .. })
    }
}

impl fmt::Display for OwnImage {
    /// As on the command line.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context { dir, dockerfile, build_args } => {
                write!(f, "--context {}", quoted(&dir.to_string_lossy()))?;
                if let Some(file) = dockerfile {
                    write!(f, " --dockerfile {}", quoted(&file.to_string_lossy()))?;
                }
                build_args.iter().try_for_each(|arg| write!(f, " --build-arg {}", quoted(arg)))
            }
            Self::Image { name, .. } => write!(f, "--image {}", quoted(name)),
        }
    }
}

/// A word for a shell.
fn quoted(text: &str) -> String {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_./:=@,+".contains(&b);
    if !text.is_empty() && text.bytes().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// What a job builds from.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sources {
    /// The build context.
    pub context: PathBuf,
    /// The Dockerfile, where it is not `Dockerfile` in the context.
    pub dockerfile: Option<PathBuf>,
    /// Build arguments, each `KEY=value`.
    pub build_args: Vec<String>,
    /// Steps reach the machine's network, as those of real Dockerfiles want to. Private engines have no other one.
    pub network: bool,
    /// There is nothing to build: the producer's engine has the image already.
    pub built: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_named_after_its_folder_and_printed_as_it_is_typed() {
        let own = OwnImage::Context {
            dir: "/home/me/my app".into(),
            dockerfile: Some("/home/me/Dockerfile.prod".into()),
            build_args: vec!["A=it's".into(), "B=1".into()],
        };
        assert_eq!(own.workload(), "context:my app");
        assert_eq!(
            own.to_string(),
            r"--context '/home/me/my app' --dockerfile /home/me/Dockerfile.prod --build-arg 'A=it'\''s' --build-arg B=1"
        );
        let image = OwnImage::Image { name: "me/app:1".into(), id: "sha256:0".into() };
        assert_eq!((image.workload().as_str(), image.to_string().as_str()), ("image:me/app:1", "--image me/app:1"));
        let json = serde_json::to_string(&own).unwrap();
        assert_eq!(serde_json::from_str::<OwnImage>(&json).unwrap(), own);
    }
}
