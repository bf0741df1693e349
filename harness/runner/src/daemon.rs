//! Checks of the user's daemon, for plans that use it, before the run writes files.

use handoff_docker::EngineError;
use handoff_docker::user::{self, HostDaemon};
use handoff_model::{EngineKind, Plan};

use crate::RunError;
use crate::workspace::Workspace;

/// Finds and checks the user's daemon for a plan; none if all engines of the plan are private.
///
/// # Errors
/// No daemon answers, it has another image store, or it lacks the engine image.
pub fn find(plan: &Plan, engine_image: &str, workspace: &Workspace) -> Result<Option<HostDaemon>, RunError> {
    let uses = |kind: EngineKind| plan.request.conditions.iter().any(|c| c.engine == kind);
    if !uses(EngineKind::Container) && !uses(EngineKind::Host) {
        return Ok(None);
    }
    let socket = user::socket()?;
    let has = user::facts(&socket)?.store;
    let host = |kind| kind == EngineKind::Host;
    if let Some(condition) = plan.request.conditions.iter().find(|c| host(c.engine) && c.image_store != has) {
        return Err(EngineError::OtherStore { asked: condition.image_store, has }.into());
    }
    if uses(EngineKind::Container) && !user::has_image(&socket, engine_image)? {
        return Err(EngineError::NoImage(engine_image.to_owned()).into());
    }
    let run = workspace.dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
    Ok(Some(HostDaemon { socket, run, engine_image: engine_image.to_owned() }))
}
