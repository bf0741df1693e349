//! `handoff send` and `handoff receive`: the commands of `handoff-relay`, by the same code.
//!
//! The types have other names than the ones that they wrap, because clap names a group of options after its type.

use crate::exit;

/// Options of `send`.
#[derive(Debug, clap::Args)]
pub struct Send {
    #[command(flatten)]
    args: handoff_relay::SendArgs,
}

/// Options of `receive`.
#[derive(Debug, clap::Args)]
pub struct Receive {
    #[command(flatten)]
    args: handoff_relay::ReceiveArgs,
}

/// Options of `import-helper`: none.
#[derive(Debug, clap::Args)]
pub struct ImportHelper {}

/// Options of `store-switch`.
#[derive(Debug, clap::Args)]
pub struct StoreSwitch {
    #[command(flatten)]
    args: handoff_relay::store_switch::StoreSwitchArgs,
}

impl ImportHelper {
    /// Serves an import over standard input and output.
    ///
    /// # Errors
    /// None: the answers name them.
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "every verb is run so")]
    pub fn run(self) -> anyhow::Result<u8> {
        Ok(handoff_relay::cli::serve_import())
    }
}

impl StoreSwitch {
    /// Switches the store.
    ///
    /// # Errors
    /// None: the answer names them.
    #[expect(clippy::unnecessary_wraps, reason = "every verb is run so")]
    pub fn run(self) -> anyhow::Result<u8> {
        Ok(handoff_relay::store_switch::serve_switch(&self.args))
    }
}

impl Send {
    /// Sends the images.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        self.args.run()?;
        Ok(exit::OK)
    }
}

impl Receive {
    /// Receives the images.
    ///
    /// # Errors
    /// An image, engine or service that cannot be used, or a transfer that fails.
    pub fn run(self) -> anyhow::Result<u8> {
        self.args.run()?;
        Ok(exit::OK)
    }
}
