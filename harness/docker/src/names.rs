//! Names of a job's objects in the user's daemon, known before the objects exist.

/// Name of the job's engine container and of its data volume.
pub(crate) fn engine_container(job: &str) -> String {
    format!("handoff-{job}")
}

/// Name of the job's builder.
pub(crate) fn builder_name(job: &str) -> String {
    format!("handoff-{job}")
}

/// Name of the builder's container, as buildx assigns it.
pub(crate) fn builder_container(job: &str) -> String {
    format!("buildx_buildkit_{}0", builder_name(job))
}

/// Name of the volume with the builder's cache, as buildx assigns it.
pub(crate) fn builder_volume(job: &str) -> String {
    format!("{}_state", builder_container(job))
}

/// Job-specific name of the builder's image.
pub(crate) fn builder_image(job: &str) -> String {
    format!("localhost:1/handoff/buildkit:{job}")
}
