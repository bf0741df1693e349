//! Names of what a job makes in a daemon that is not its own: known before any of it exists.

/// Name of a job's container, and of the volume with its data.
pub(crate) fn engine_container(job: &str) -> String {
    format!("handoff-{job}")
}

/// Name of the job's builder.
pub(crate) fn builder_name(job: &str) -> String {
    format!("handoff-{job}")
}

/// Name that buildx gives to the builder's container.
pub(crate) fn builder_container(job: &str) -> String {
    format!("buildx_buildkit_{}0", builder_name(job))
}

/// Name that buildx gives to the volume with the builder's cache.
pub(crate) fn builder_volume(job: &str) -> String {
    format!("{}_state", builder_container(job))
}

/// The builder's image under a name of the job's own.
pub(crate) fn builder_image(job: &str) -> String {
    format!("localhost:1/handoff/buildkit:{job}")
}
