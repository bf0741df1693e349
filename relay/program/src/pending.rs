//! Hooks of options whose parts are separate crates: each refuses until its part is wired in here.

use crate::Error;
use crate::error::bail_input;

/// Refuses options of `send` that this build does not have.
///
/// Hook: `Settings` takes the encoding, `ArtifactTarget` the days, `PushRegistry::commit` several references.
pub(crate) fn check_send(encoding: Option<&str>, retention_days: Option<u32>, images: usize) -> Result<(), Error> {
    if encoding == Some("zstd") {
        bail_input!("--encoding zstd is not available in this build: leave --encoding out");
    }
    if retention_days.is_some() {
        bail_input!("--retention-days is not available in this build: leave it out");
    }
    if images > 1 {
        bail_input!("several images in one transfer are not available in this build: send each under its own --name");
    }
    Ok(())
}

/// Switches the engine to the containerd store, as the value of `--store-switch` asks for. Returns whether it was switched.
///
/// Hook: [`crate::store_switch`].
#[expect(clippy::unused_async, reason = "the switch waits for the engine")]
pub(crate) async fn switch_store(wanted: Option<&str>) -> Result<bool, Error> {
    if wanted.is_some() {
        bail_input!("--store-switch is not available in this build: leave it out");
    }
    Ok(false)
}
