//! Hooks of options whose parts are separate crates: each refuses until its part is wired in here.

use crate::Error;
use crate::error::bail_input;
use crate::receive::ReceiveArgs;
use crate::send::SendArgs;

/// Refuses options of `send` that this build does not have.
///
/// Hook: `Settings` takes the encoding, `ArtifactTarget` the days, `PushRegistry::commit` several references.
pub(crate) fn check_send(args: &SendArgs) -> Result<(), Error> {
    if args.encoding.as_deref() == Some("zstd") {
        bail_input!("--encoding zstd is not available in this build: leave --encoding out");
    }
    if args.retention_days.is_some() {
        bail_input!("--retention-days is not available in this build: leave it out");
    }
    if args.images.len() > 1 {
        bail_input!("several images in one transfer are not available in this build: send each under its own --name");
    }
    Ok(())
}

/// Switches the engine to the containerd store, as `--store-switch` asks for. Returns whether it was switched.
///
/// Hook: [`crate::store_switch`].
#[expect(clippy::unused_async, reason = "the switch waits for the engine")]
pub(crate) async fn switch_store(args: &ReceiveArgs) -> Result<bool, Error> {
    match &args.store_switch {
        None => Ok(false),
        Some(_) => bail_input!("--store-switch is not available in this build: leave it out"),
    }
}
