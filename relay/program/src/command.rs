//! The two commands that move images.

/// Command that moves images.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Command {
    /// `send`.
    Send,
    /// `receive`.
    Receive,
}

impl Command {
    /// Participle for messages.
    pub(crate) fn done(self) -> &'static str {
        match self {
            Self::Send => "sent",
            Self::Receive => "received",
        }
    }
}
