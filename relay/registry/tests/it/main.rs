//! Sender and receiver against a real service.

#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot go on must stop")]

#[path = "../common/mod.rs"]
mod common;

mod cache;
mod client;
mod encoding;
mod faults;
mod fuzz;
mod images;
mod manifests;
mod order;
mod round_trip;
mod same_blob;
mod streams;
