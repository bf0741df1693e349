//! Arguments of the commands `store-switch` and `restore-store`.

use std::path::PathBuf;

use super::DEFAULT_ENDPOINT;

/// Arguments of the hidden command `store-switch`: the part of the switch that needs root.
///
/// A rule of sudo may allow this command to a user who is otherwise no root. No argument can therefore do more than the
/// switch itself: the engine and its `daemon.json` are checked, and the restart command runs as the calling user.
#[derive(Debug, Clone, clap::Args)]
pub struct StoreSwitchArgs {
    /// Engine.
    #[arg(long, value_name = "URL", default_value = DEFAULT_ENDPOINT)]
    pub endpoint: String,
    /// Configuration file of the engine's daemon [default: the one that dockerd reads].
    #[arg(long, value_name = "FILE")]
    pub daemon_config: Option<PathBuf>,
    /// Command that restarts the daemon [default: systemctl restart docker].
    #[arg(long, value_name = "CMD")]
    pub restart_command: Option<String>,
}

/// Arguments of the command `restore-store`.
#[derive(Debug, Clone, Default, clap::Args)]
pub struct RestoreStoreArgs {
    /// Configuration file of the engine's daemon [default: every one that was switched].
    #[arg(long, value_name = "FILE")]
    pub daemon_config: Option<PathBuf>,
    /// Command that restarts the daemon [default: the command of the switch, else systemctl restart docker].
    #[arg(long, value_name = "CMD")]
    pub restart_command: Option<String>,
    /// Prints the result for the calling program.
    #[arg(long, hide = true)]
    pub json: bool,
}
