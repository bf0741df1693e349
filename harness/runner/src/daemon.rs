//! The user's daemon, where a plan uses it: checked before anything is written.

use handoff_docker::EngineError;
use handoff_docker::user::{self, HostDaemon};
use handoff_model::{EngineKind, Plan};

use crate::RunError;
use crate::workspace::Workspace;

/// Finds the daemon of a plan that uses it, and checks what it must have. None for a plan whose engines are all private.
pub fn lend(plan: &Plan, engine_image: &str, workspace: &Workspace) -> Result<Option<HostDaemon>, RunError> {
    let uses = |kind: EngineKind| plan.request.conditions.iter().any(|c| c.engine == kind);
    if !uses(EngineKind::Container) && !uses(EngineKind::Host) {
        return Ok(None);
    }
    let socket = user::socket()?;
    let has = user::facts(&socket)?.store;
    let host = |kind| kind == EngineKind::Host;
    if let Some(other) = plan.request.conditions.iter().find(|c| host(c.engine) && c.image_store != has) {
        return Err(EngineError::OtherStore { asked: other.image_store, has }.into());
    }
    if uses(EngineKind::Container) && !user::has_image(&socket, engine_image)? {
        return Err(EngineError::NoImage(engine_image.to_owned()).into());
    }
    let run = workspace.dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(HostDaemon { socket, run, engine_image: engine_image.to_owned() }))
}
