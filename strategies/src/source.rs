//! Who writes the image that a producer hands over: the option `source`, and the column of that name.

use handoff_model::{Builder, Conditions, ImageStore};

use crate::options::words;

words! {
    /// Who writes the image that a producer hands over.
    pub enum Source {
        /// The builder where it can, else the engine.
        Auto = "auto",
        /// The builder.
        Output = "output",
        /// The engine, by `docker save`.
        Save = "save",
        /// The engine, by `docker push`.
        Push = "push",
    }
}

impl Source {
    /// The source that holds under conditions: `auto` is the builder where it exports, else `engine`.
    #[must_use]
    pub fn resolved(self, conditions: &Conditions, engine: Self) -> Self {
        match self {
            Self::Auto if builder_exports(conditions) => Self::Output,
            Self::Auto => engine,
            named => named,
        }
    }
}

/// Whether the builder can write images and caches: the engine's own one only where the containerd store keeps the blobs that
/// they are made of.
pub fn builder_exports(conditions: &Conditions) -> bool {
    conditions.builder == Builder::DockerContainer || conditions.image_store == ImageStore::Containerd
}
