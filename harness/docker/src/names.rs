//! Names of a job's objects, known before the objects exist.

/// Name of the job's cgroup, engine container, data volume and builder.
pub(crate) fn of_job(job: &str) -> String {
    format!("handoff-{job}")
}

/// Name of the builder's container, as buildx assigns it.
pub(crate) fn builder_container(job: &str) -> String {
    format!("buildx_buildkit_{}0", of_job(job))
}

/// Name of the volume with the builder's cache, as buildx assigns it.
pub(crate) fn builder_volume(job: &str) -> String {
    format!("{}_state", builder_container(job))
}

/// Job-specific name of the builder's image.
pub(crate) fn builder_image(job: &str) -> String {
    format!("localhost:1/handoff/buildkit:{job}")
}
