//! `handoff send` and `handoff receive`: the commands of `handoff-relay`, by the same code.

use crate::exit;

/// Options of `send`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct SendArgs {
    #[command(flatten)]
    args: handoff_relay::SendArgs,
}

/// Options of `receive`.
#[derive(Debug, clap::Args)]
#[group(skip)]
pub struct ReceiveArgs {
    #[command(flatten)]
    args: handoff_relay::ReceiveArgs,
}

impl SendArgs {
    /// Sends the images.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        self.args.run()?;
        Ok(exit::OK)
    }
}

impl ReceiveArgs {
    /// Receives the images.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        self.args.run()?;
        Ok(exit::OK)
    }
}
