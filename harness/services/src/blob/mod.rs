//! Signed blob URLs with the behaviour of Azure block blobs.

mod blocklist;
mod checksum;
mod content;
mod failure;
mod get;
mod layout;
mod put;
mod range;
mod route;
mod sign;
mod store;

pub(crate) use route::handle;
pub(crate) use sign::{Access, UrlGrant};
pub(crate) use store::{BlobStore, Owner};
