//! Writer of the image in a producer: the option and the column `source`.

use handoff_model::{Builder, Conditions, ImageStore};

use crate::options::words;

words! {
    /// Writer of the image in a producer.
    pub enum Source {
        /// Builder if it can export, else engine.
        Auto = "auto",
        /// Builder.
        Output = "output",
        /// Engine, by `docker save`.
        Save = "save",
        /// Engine, by `docker push`.
        Push = "push",
    }
}

impl Source {
    /// Source under these conditions, where `auto` becomes the builder if it can export, else `engine`.
    #[must_use]
    pub fn resolved(self, conditions: &Conditions, engine: Self) -> Self {
        match self {
            Self::Auto if builder_exports(conditions) => Self::Output,
            Self::Auto => engine,
            named => named,
        }
    }
}

/// Whether the builder can export images and caches. The engine's builder needs the blobs of the containerd store.
pub fn builder_exports(conditions: &Conditions) -> bool {
    conditions.builder == Builder::DockerContainer || conditions.image_store == ImageStore::Containerd
}
