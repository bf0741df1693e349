//! The Twirp services, in JSON.

mod artifact;
mod cache;
mod call;
mod error;
mod route;
mod wire;

pub(crate) use error::TwirpError;
pub(crate) use route::handle;
