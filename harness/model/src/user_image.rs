//! The user's own image: a build context, or an image of the user's daemon, instead of a synthetic workload.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::ImageStore;
use crate::shell::quote;

mod build_arg;

pub use build_arg::{BuildArg, BuildArgError};

/// An image that is not ours.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum UserImage {
    /// Built in every trial from a folder of the user's, which is only read.
    Context {
        /// The folder.
        dir: PathBuf,
        /// Its Dockerfile, where it is not `Dockerfile` in the folder.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dockerfile: Option<PathBuf>,
        /// Build arguments, without their values when they are written.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        build_args: Vec<BuildArg>,
    },
    /// Taken out of the user's daemon, which is only read. Strategies that build again have nothing to build from.
    Image {
        /// Name there.
        name: String,
        /// Identifier there, so that a run that goes on goes on with the same image.
        id: String,
        /// Size as that daemon counts it, in bytes: disk and time are estimated for it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        bytes: Option<u64>,
        /// Where that daemon keeps images. It decides how layers come out of `docker save`, and so what is sent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        store: Option<ImageStore>,
    },
}

/// Reason why a strategy that builds does not run on an image without sources.
pub const NEEDS_CONTEXT: &str = "needs a build context (--context DIR)";

impl UserImage {
    /// Workload name in rows and reports: `context:FOLDER` or `image:NAME`.
    pub fn workload(&self) -> String {
        match self {
            Self::Context { dir, .. } => {
                let name = dir.file_name().map_or_else(|| "/".into(), |n| n.to_string_lossy());
                format!("context:{name}")
            }
            Self::Image { name, .. } => format!("image:{name}"),
        }
    }

    /// Size in bytes, where it is known before it is measured: the user's daemon has it.
    pub fn known_bytes(&self) -> Option<u64> {
        match self {
            Self::Context { .. } => None,
            Self::Image { bytes, .. } => *bytes,
        }
    }

    /// The names of its build arguments.
    pub fn build_arg_names(&self) -> Vec<&str> {
        self.build_args().iter().map(BuildArg::name).collect()
    }

    fn build_args(&self) -> &[BuildArg] {
        if let Self::Context { build_args, .. } = self { build_args } else { &[] }
    }

    /// The names of build arguments whose values are not known to this process: a file has only their digests.
    pub fn values_to_ask(&self) -> Vec<&str> {
        self.build_args().iter().filter(|arg| arg.for_build().is_none()).map(BuildArg::name).collect()
    }

    /// Whether a workload name in rows means a user's image.
    pub fn is_own_workload(workload: &str) -> bool {
        workload.starts_with("context:") || workload.starts_with("image:")
    }

    /// Whether it can be built again.
    pub fn has_sources(&self) -> bool {
        matches!(self, Self::Context { .. })
    }
}

impl fmt::Display for UserImage {
    /// As on the command line, a placeholder in the place of each build argument's value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Context { dir, dockerfile, build_args } => {
                write!(f, "--context {}", quote(&dir.to_string_lossy()))?;
                if let Some(file) = dockerfile {
                    write!(f, " --dockerfile {}", quote(&file.to_string_lossy()))?;
                }
                build_args.iter().try_for_each(|arg| write!(f, " --build-arg {arg}"))
            }
            Self::Image { name, .. } => write!(f, "--image {}", quote(name)),
        }
    }
}

/// Sources of a job's build.
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
    fn user_image_is_named_after_its_folder_and_printed_as_typed() {
        let context = UserImage::Context {
            dir: "/home/me/my app".into(),
            dockerfile: Some("/home/me/Dockerfile.prod".into()),
            build_args: vec![BuildArg::parse("A=it's").unwrap()],
        };
        assert_eq!(context.workload(), "context:my app");
        let printed = context.to_string();
        let words =
            "--context '/home/me/my app' --dockerfile /home/me/Dockerfile.prod --build-arg 'A=<value not kept>'";
        assert!(printed.starts_with(words), "{printed}");
        let image = UserImage::Image { name: "me/app:1".into(), id: "sha256:0".into(), bytes: Some(7), store: None };
        assert_eq!((image.workload().as_str(), image.to_string().as_str()), ("image:me/app:1", "--image me/app:1"));
        assert_eq!((image.known_bytes(), context.known_bytes()), (Some(7), None));
        let json = serde_json::to_string(&context).unwrap();
        let read: UserImage = serde_json::from_str(&json).unwrap();
        assert_eq!((read.to_string(), read.values_to_ask()), (context.to_string(), vec!["A"]));
        assert_eq!(context.values_to_ask(), Vec::<&str>::new());
        let earlier = r#"{"image":{"name":"a","id":"b"}}"#;
        assert_eq!(serde_json::to_string(&serde_json::from_str::<UserImage>(earlier).unwrap()).unwrap(), earlier);
    }
}
